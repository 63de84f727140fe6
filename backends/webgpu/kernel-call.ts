/** Description of one dispatch: the text of its kernel, constants, arrays and number of workgroups. */
import type { GpuArray } from './arrays.ts';
import type { Definitions } from './wgsl.ts';

/** Kinds of steps that have kernels of their own. */
export type Mode =
  | 'single' // one token
  | 'traced' // one token, whose attention weights are kept
  | 'batch' // several slices of one token
  | 'many' // any other
  | 'long'; // enough tokens to fill tiles

/** Sizes of a step that grids depend on. */
export interface StepSizes {
  readonly tokens: number;
  readonly outputs: number; // rows of this batch
  readonly splits: number; // of the keys, for attention
  readonly slices: readonly { readonly count: number }[]; // tokens of each
  readonly attended: number; // keys seen, summed over the tokens
}

export interface KernelCall {
  readonly kernel: string; // kernels/webgpu/NAME.wgsl
  readonly definitions: Definitions; // numbers are also constants in the text
  readonly constants: Readonly<Record<string, number>>; // overrides
  readonly bindings: Readonly<Record<number, Binding | undefined>>;
  readonly grid: (sizes: StepSizes) => readonly [x: number, y: number, z: number];
  readonly work: (sizes: StepSizes) => Work;
}

/** An array, or its bytes from `from` on. */
export type Binding = GpuArray | { readonly array: GpuArray; readonly from: number };

/** Bytes that a call reads and writes, and its multiply-adds. */
export interface Work {
  readonly bytes: number;
  readonly macs: number;
}

export const NO_WORK: Work = { bytes: 0, macs: 0 };
