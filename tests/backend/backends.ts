/** The backends that every tier tests, each with what it is known not to do. */
import { inject } from 'vitest';
import type { Backend } from '../../backends/backend.ts';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import { createGpujsBackend, type GpujsOptions } from '../../backends/gpujs/index.ts';
import { ReferenceBackend } from '../../backends/reference.ts';
import { createWebgpuBackend, type WebgpuOptions } from '../../backends/webgpu/index.ts';
import type { CheckedCase } from '../../bench/conformance/cases.ts';
import type { SoftwareAdapter } from '../software-adapter.ts';

export interface StartOptions {
  readonly threads?: number;
  readonly sentinels?: boolean;
}

export interface BackendUnderTest {
  readonly name: string;
  /** Goldens are as far from a backend as its arithmetic is. */
  readonly kind: 'reference' | 'cpu' | 'webgpu' | 'gpujs';
  readonly threads: readonly number[]; // counts that must give the same bits
  /** A row's bits do not depend on the step it is computed in. */
  readonly sameBits: boolean;
  /** Models it is tested with: none where they tell nothing more than its ops, small ones where others take minutes. */
  readonly models: 'all' | 'small' | 'none';
  /** One case of so many is run: a software adapter takes seconds to compile for some. PERCEPT_TEST_ALL=1 runs all. */
  readonly share: number;
  /** Why it cannot be tested on this machine. */
  readonly absent?: string;
  /** Cases it does not do, and why; every other case must pass, and these must not. */
  readonly skip: readonly Skip[];
  start(options?: StartOptions): Promise<Backend>;
}

export interface Skip {
  readonly reason: string;
  readonly cases: (op: CheckedCase) => boolean;
}

const EXACT = { sameBits: true, models: 'all', share: 1, skip: [] } as const;
const ROUNDED = { threads: [1], sameBits: false, models: 'all', share: 1, skip: [] } as const;

/** The forms of WebGPU's kernels that suit hardware: a software adapter gets others by itself. */
const FOR_HARDWARE = { packedDot: true, lanes: 16, workgroup: 64, tiles: true };
/** Those of hardware that has no feature beyond the least. */
const PLAIN = { ...FOR_HARDWARE, subgroupSize: 0, f16: false, packedDot: false };

export const BACKENDS: readonly BackendUnderTest[] = [
  { ...EXACT, name: 'reference', kind: 'reference', threads: [1], start: async () => new ReferenceBackend() },
  { ...EXACT, name: 'cpu', kind: 'cpu', threads: [1, 2, 3], start: createCpuBackend },
  ...inject('adapters').flatMap((adapter): BackendUnderTest[] => [
    webgpu(adapter, '', {}),
    { ...webgpu(adapter, ', validated', { validation: true }), share: 16, models: 'none' },
    { ...webgpu(adapter, ', forms for hardware', { tuning: FOR_HARDWARE }), share: 6, models: 'none' },
    { ...webgpu(adapter, ', plain forms for hardware', { tuning: PLAIN }), share: 12, models: 'none' },
    { ...gpujs('webgpu', adapter), models: 'small' },
  ]),
  gpujs('webasm'),
  { ...gpujs('cpu'), models: 'small' },
];

/** Not validated, as users have it: Dawn's own checks would keep a kernel within its buffers. */
function webgpu(adapter: SoftwareAdapter, kind: string, options: WebgpuOptions): BackendUnderTest {
  return {
    ...ROUNDED,
    name: `webgpu on ${adapter.name}${kind}`,
    kind: 'webgpu',
    absent: adapter.absent,
    async start({ sentinels } = {}) {
      Object.assign(process.env, adapter.environment); // which driver the Vulkan loader takes
      return createWebgpuBackend({ sentinels, lazy: true, ...options });
    },
  };
}

function gpujs(mode: GpujsOptions['mode'], adapter?: SoftwareAdapter): BackendUnderTest {
  return {
    ...ROUNDED,
    name: `gpujs ${mode}${adapter ? ` on ${adapter.name}` : ''}`,
    kind: 'gpujs',
    absent: adapter?.absent,
    async start({ threads } = {}) {
      Object.assign(process.env, adapter?.environment);
      return createGpujsBackend({ mode, threads });
    },
  };
}

/**
 * Its share of things that have names, at least one of each kind. Which of several is chosen by a hash, so that it is no
 * pattern of a table.
 */
export function shareOf<T>(
  { share, name }: BackendUnderTest,
  items: readonly T[],
  nameOf: (item: T) => string,
  kindOf: (item: T) => string = () => '',
): readonly T[] {
  if (share === 1 || process.env.PERCEPT_TEST_ALL === '1') return items;
  const rank = (item: T) => hash(`${name} ${nameOf(item)}`);
  return [...Map.groupBy(items, kindOf).values()].flatMap((alike) =>
    alike.toSorted((a, b) => rank(a) - rank(b)).slice(0, Math.ceil(alike.length / share)),
  );
}

/** Those that models are tested on, or only those that do not take minutes for a large one. */
export function withModels(large = false): readonly BackendUnderTest[] {
  const wanted = large && process.env.PERCEPT_TEST_ALL !== '1' ? ['all'] : ['all', 'small'];
  return BACKENDS.filter(({ models }) => wanted.includes(models));
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const char of text) value = Math.imul(value ^ char.codePointAt(0)!, 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}

/** A test's title that says why it is skipped, where it is. */
export function titled(name: string, skipped?: string): string {
  return skipped ? `${name} (skipped: ${skipped})` : name;
}
