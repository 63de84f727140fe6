/** Chooses the form of each kernel for a device, once, from the properties of its adapter. */
import type { GpuDevice } from './device.ts';

export interface Tuning {
  /** Coded weights and activations are laid out for packed dot products (matmul-dot); otherwise for pairs of rows. */
  readonly packedDot: boolean;
  /** Threads of a subgroup; 0: kernels reduce in workgroup memory instead. */
  readonly subgroupSize: number;
  /** Shaders read float16; otherwise they unpack it by hand. */
  readonly f16: boolean;
  /** Most threads that share the k of a row. */
  readonly lanes: number;
  /** Threads of a workgroup in reductions over a row and in attention. */
  readonly workgroup: number;
  /** Tokens that a thread computes at once, in steps of several tokens. */
  readonly tokens: number;
  /** Products of many tokens use tiles in workgroup memory. */
  readonly tiles: boolean;
}

/**
 * On hardware, many threads hide the latency of memory, so they share rows and reduce together. A software adapter runs
 * 4 to 16 lanes on a core. There, a barrier costs as much as hundreds of operations and a load from memory as much as
 * 20, so each thread computes more rows by itself.
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
