/**
 * One interface for the three modes of gpu.js. On the host (modes cpu and webasm, host-device.ts), a matrix is a list of
 * rows, and a call computes one token. On a GPU (webgpu-device.ts), a matrix is a handle, and a call computes many.
 */
import { UserError } from '../../errors.ts';
import type { KernelSource } from '../../kernels/gpujs/kernel-source.ts';
import type { IntegerLiteral } from '../../kernels/gpujs/matmul.ts';
import type { DeviceInfo, Program, StateId } from '../backend.ts';
import type { BufferHandle, Input, KernelFunction, Mode } from './gpu-js.ts';

export type Size = readonly [columns: number, rows: number];

export type HostRows = readonly Float32Array[];

/** A matrix that a kernel computed. */
export type Tensor = HostRows | BufferHandle;

export type Argument = Tensor | Float32Array | Input | number;

export interface KernelOptions {
  readonly constants?: Readonly<Record<string, Input>>;
  /** Size of the result, if it is the same in every call: a constant for the compiler. */
  readonly size?: Size;
}

/** Tokens of a step that go through the kernels together. */
export interface Chunk {
  readonly tokens: Int32Array; // [T] ids
  readonly positions: Float32Array; // [T]
  readonly sequences: Int32Array; // [T]
  readonly outputs: Float32Array; // [S] rows of the chunk that are selected for output
}

/** Operands of attention over a chunk. The first position that a token sees has index 0. */
export interface CacheView {
  readonly keys: Argument; // [rows][kvHeads * keyDim]
  readonly values: Argument; // [rows][kvHeads * valueDim]
  readonly bases: Float32Array; // [T] row of the first position that the token sees
  readonly columns: number; // of the scores: at least the positions that any token sees
}

/** The first position that a token sees: it sees `window` positions, its own included. */
export function firstSeen(position: number, window = Number.POSITIVE_INFINITY): number {
  return Math.max(0, position + 1 - window);
}

/** Operands of a conv with K weights a column. */
export interface ConvRows {
  readonly rows: Argument; // of each sequence: the K - 1 rows that it keeps, then those of the chunk
  readonly firsts: Float32Array; // [T] the first of the K rows of each token
}

/** Recurrent states, and keys and values of the computed positions; float32, whatever `kvType` is. */
export interface States {
  readonly bytes: number;
  /** Stores keys and values of the chunk's tokens, a row each. */
  append(state: StateId, keys: Tensor, values: Tensor, chunk: Chunk): void;
  /** @param window positions that a token sees; default all */
  view(state: StateId, chunk: Chunk, window?: number): CacheView;
  /** Appends rows [T][columns] of the chunk to those that each sequence keeps, then keeps only the last of them. */
  appendRows(state: StateId, x: Tensor, chunk: Chunk, columns: number): ConvRows;
  /** Makes positions 0..upto-1 of sequence `to` equal those of `from`. */
  copy(from: number, to: number, upto: number): void;
  /** Positions 0..upto-1 of a sequence: keys, then values, of each state, [upto][columns]; then recurrent states. */
  read(sequence: number, upto: number): Promise<Float32Array[]>;
  /** Restores the result of `read`. `next(count)` returns the next `count` numbers of it. */
  write(sequence: number, upto: number, next: (count: number) => Float32Array<ArrayBuffer>): void;
  dispose(): void;
}

export interface Device {
  readonly mode: Mode;
  readonly threads: number;
  readonly integer: IntegerLiteral;
  readonly description: string;
  readonly info?: DeviceInfo;
  /** Bytes of the largest constant or result. */
  readonly maxBytes: number;
  /** Most tokens of a call. */
  readonly maxTokens: number;
  /** All tokens of a call belong to one sequence. */
  readonly oneSequence: boolean;
  kernel(source: KernelSource, options?: KernelOptions): Kernel;
  /** A matrix as a flat argument, row after row. */
  flat(tensor: Tensor): Argument;
  read(tensor: Tensor): Promise<Float32Array>;
  /** @param convColumns of the widest conv; 0 without one */
  newStates(program: Pick<Program, 'states' | 'limits'>, convColumns: number): States;
  input(values: Float32Array, size: readonly number[]): Input;
  /** Awaits `work`. Rejects with a UserError of kind memory if it does not fit. */
  fitting<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Waits for pending calls. Rejects with a UserError of kind device if the device has failed. */
  settled(): Promise<void>;
  dispose(): Promise<void>;
}

export interface Kernel {
  /**
   * Computes a result of `size` and returns it reshaped to `as`. On a GPU, the next call of the kernel overwrites the
   * result.
   */
  run(args: readonly Argument[], size: Size, as?: Size): Tensor | Promise<Tensor>;
  dispose(): void;
}

/**
 * Throws UserError if a kernel runs in another mode. gpu.js falls back to mode cpu if its mode cannot run a kernel, with
 * only a line on the console. So every kernel is checked after its first call.
 */
export function checkMode({ name }: KernelSource, { kernel }: KernelFunction, wanted: Mode): void {
  const { mode } = kernel.constructor;
  if (mode === wanted) return;
  throw new UserError(
    `gpu.js runs the kernel ${name} in mode ${mode} instead of mode ${wanted}: ` +
      `${kernel.fallbackReason ?? 'it gives no reason'}.`,
    'Choose another mode of gpu.js, or another backend.',
  );
}

export function doesNotFit(cause: unknown): UserError {
  return new UserError(
    'The model, its context and its activations do not fit in memory.',
    'Use a shorter context (--ctx N), a smaller model or quantization, or another backend.',
    { kind: 'memory', cause },
  );
}

/** Limit of loop iterations, in place of gpu.js's 1000: kernels end their own loops. */
export const MAX_TURNS = 2 ** 30;
