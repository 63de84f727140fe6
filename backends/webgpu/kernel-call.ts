/** One dispatch of a kernel, described: what text, which constants, which arrays, how many workgroups. */
import type { GpuArray } from './arrays.ts';
import type { Definitions } from './wgsl.ts';

/** What a step is like, as far as kernels differ by it. */
export type Mode =
  | 'single' // one token
  | 'traced' // one token that leaves its attention weights
  | 'batch' // several slices of one token
  | 'many' // anything
  | 'long'; // enough tokens to fill tiles

/** The numbers of a step that grids depend on. */
export interface StepSizes {
  readonly tokens: number;
  readonly outputs: number; // rows of this turn
  readonly splits: number; // runs of keys, for attention
  readonly slices: readonly { readonly count: number }[]; // tokens of each
  readonly attended: number; // keys that all tokens see together
}

export interface KernelCall {
  readonly kernel: string; // kernels/webgpu/NAME.wgsl
  readonly definitions: Definitions; // numbers become constants of the text as well
  readonly constants: Readonly<Record<string, number>>; // overrides
  readonly bindings: Readonly<Record<number, Binding | undefined>>;
  readonly grid: (sizes: StepSizes) => readonly [x: number, y: number, z: number];
  readonly work: (sizes: StepSizes) => Work;
}

/** An array, or its end from byte `from` on. */
export type Binding = GpuArray | { readonly array: GpuArray; readonly from: number };

/** What a call has to read and write, and multiply. */
export interface Work {
  readonly bytes: number;
  readonly macs: number;
}

export const NO_WORK: Work = { bytes: 0, macs: 0 };
