/** Which form of each kernel suits a device: the discrete choices, made once from what the adapter says. */
import type { GpuDevice } from './device.ts';

export interface Tuning {
  /** Weights and activations in the layout of packed dot products (matmul-dot), or of pairs of rows. */
  readonly packedDot: boolean;
  /** Threads of a subgroup, for kernels that use them; 0: they meet in workgroup memory instead. */
  readonly subgroupSize: number;
  /** float16 in shaders; else halves are unpacked. */
  readonly f16: boolean;
  /** Threads that share the k of a row, at most. */
  readonly lanes: number;
  /** Threads of a workgroup that reduces a row or attends. */
  readonly workgroup: number;
  /** Tokens a thread computes at once in steps of several. */
  readonly tokens: number;
  /** Products of many tokens through tiles in workgroup memory. */
  readonly tiles: boolean;
}

/**
 * On hardware many threads hide the latency of memory; they share rows and meet. A software adapter runs 4 to 16 lanes
 * on a core: there a barrier costs as much as hundreds of operations, a load from memory as 20, so each thread works
 * alone on more rows.
 */
export function tune(device: GpuDevice, forced: Partial<Tuning> = {}): Tuning {
  const subgroupSize = forced.subgroupSize === 0 ? 0 : device.subgroupSize;
  const f16 = device.has('shader-f16') && forced.f16 !== false;
  const chosen: Tuning = device.info.software
    ? { packedDot: false, subgroupSize, f16, lanes: 1, workgroup: 16, tokens: 4, tiles: false }
    : { packedDot: true, subgroupSize, f16, lanes: 16, workgroup: 64, tokens: 4, tiles: true };
  const tuning = { ...chosen, ...forced, subgroupSize, f16 };
  return { ...tuning, packedDot: tuning.packedDot && device.packedDot };
}
