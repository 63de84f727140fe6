/** The backends that every tier tests, each with its known gaps. */
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
  /** Class of arithmetic; it determines the distance from goldens. */
  readonly kind: 'reference' | 'cpu' | 'webgpu' | 'gpujs';
  readonly threads: readonly number[]; // thread counts that must give the same bits
  /** The bits of a row do not depend on its step. */
  readonly sameBits: boolean;
  /** Models to test: none if they add nothing to the ops, small ones if others take minutes. */
  readonly models: 'all' | 'small' | 'none';
  /** One case in this many is run: a software adapter takes seconds to compile some. PERCEPT_TEST_ALL=1 runs all. */
  readonly share: number;
  /** The reason why it cannot be tested on this machine. */
  readonly absent?: string;
  /** Unsupported cases with reasons. They must fail, and all others must pass. */
  readonly skip: readonly Skip[];
  start(options?: StartOptions): Promise<Backend>;
}

export interface Skip {
  readonly reason: string;
  readonly cases: (op: CheckedCase) => boolean;
}

const EXACT = { sameBits: true, models: 'all', share: 1, skip: [] } as const;
const ROUNDED = { threads: [1], sameBits: false, models: 'all', share: 1, skip: [] } as const;

/** The forms of WebGPU's kernels for hardware; a software adapter selects others by default. */
const FOR_HARDWARE = { packedDot: true, lanes: 16, workgroup: 64, tiles: true };
/** The forms for hardware with only the required features. */
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

/** Not validated, as for users: Dawn's own checks would keep a kernel within its buffers. */
function webgpu(adapter: SoftwareAdapter, kind: string, options: WebgpuOptions): BackendUnderTest {
  return {
    ...ROUNDED,
    name: `webgpu on ${adapter.name}${kind}`,
    kind: 'webgpu',
    absent: adapter.absent,
    async start({ sentinels } = {}) {
      Object.assign(process.env, adapter.environment); // selects the driver of the Vulkan loader
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
    skip: [
      {
        reason: 'gpu.js computes token by token, so no token sees those after its own',
        cases: ({ examples }) => examples.some(({ op }) => op.op === 'attention' && op.causal === false),
      },
      {
        reason: 'a kernel of gpu.js returns numbers but changes no state',
        cases: ({ examples }) => examples.some(({ op }) => op.op === 'scan'),
      },
    ],
    async start({ threads } = {}) {
      Object.assign(process.env, adapter?.environment);
      return createGpujsBackend({ mode, threads });
    },
  };
}

/**
 * The share of named items that a backend tests, at least one of each kind. A hash selects them, so that the selection
 * does not follow a pattern of the table.
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

/** Backends to test with models; `large` excludes those that take minutes for a large one. */
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
