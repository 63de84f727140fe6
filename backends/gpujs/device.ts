/**
 * Where kernels run, one interface for the three modes of gpu.js: on the host (modes cpu and webasm,
 * host-device.ts), where a matrix is a list of rows and a step is taken token by token, or on a GPU
 * (webgpu-device.ts), where it is a handle and a call takes many tokens.
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
  /** Its size when every call has the same: more is known where it is compiled. */
  readonly size?: Size;
}

/** Tokens of a step that go through the kernels together. */
export interface Chunk {
  readonly tokens: Int32Array; // [T] ids
  readonly positions: Float32Array; // [T]
  readonly sequences: Int32Array; // [T]
  readonly outputs: Float32Array; // [S] rows of the chunk that the step wants
}

/** What attention of a chunk reads. Positions that a token sees are numbered from the first of them on. */
export interface CacheView {
  readonly keys: Argument; // [rows][kvHeads * keyDim]
  readonly values: Argument; // [rows][kvHeads * valueDim]
  readonly bases: Float32Array; // [T] row of the first position that the token sees
  readonly columns: number; // of the scores: no less than the positions that any token sees
}

/** The first position that a token sees, which sees `window` of them. */
export function firstSeen(position: number, window = Number.POSITIVE_INFINITY): number {
  return Math.max(0, position + 1 - window);
}

/** What a conv of K weights a column reads. */
export interface ConvRows {
  readonly rows: Argument; // those of the chunk, behind the K - 1 that each sequence keeps
  readonly firsts: Float32Array; // [T] the first of the K rows of each token
}

/** Recurrent states, and keys and values of the positions computed so far, float32 whatever type was asked for. */
export interface KvCache {
  readonly bytes: number;
  /** Puts keys and values of the chunk's tokens, a row each, in their places. */
  append(state: StateId, keys: Tensor, values: Tensor, chunk: Chunk): void;
  /** @param window positions that a token sees; default all */
  view(state: StateId, chunk: Chunk, window?: number): CacheView;
  /** Puts rows [T][columns] of the chunk behind those that its sequences keep, of which it then keeps the last. */
  follow(state: StateId, x: Tensor, chunk: Chunk, columns: number): ConvRows;
  /** Makes positions 0..upto-1 of sequence `to` equal those of `from`. */
  copy(from: number, to: number, upto: number): void;
  /** What holds positions 0..upto-1 of a sequence: of each state its keys, then its values, [upto][columns]; then recurrent states. */
  read(sequence: number, upto: number): Promise<Float32Array[]>;
  /** Puts what `read` gave in its place; `next` gives so many numbers of it. */
  write(sequence: number, upto: number, next: (count: number) => Float32Array<ArrayBuffer>): void;
  dispose(): void;
}

export interface Device {
  readonly mode: Mode;
  readonly threads: number;
  readonly integer: IntegerLiteral;
  readonly description: string;
  readonly info?: DeviceInfo;
  /** Largest constant or result, bytes. */
  readonly maxBytes: number;
  /** Most tokens of a call. */
  readonly maxTokens: number;
  /** All tokens of a call belong to one sequence. */
  readonly oneSequence: boolean;
  kernel(source: KernelSource, options?: KernelOptions): Kernel;
  /** The numbers of a matrix one after the other, as an argument. */
  flat(tensor: Tensor): Argument;
  read(tensor: Tensor): Promise<Float32Array>;
  newCache(program: Pick<Program, 'states' | 'limits'>): KvCache;
  input(values: Float32Array, size: readonly number[]): Input;
  /** What `work` promises, or a UserError of kind memory where it does not fit. */
  fitting<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Rejects with a UserError of kind device once that failed. */
  settled(): Promise<void>;
  dispose(): Promise<void>;
}

export interface Kernel {
  /**
   * Computes a result of `size`, which is seen as one of size `as`. On a GPU the kernel's next call
   * overwrites it.
   */
  run(args: readonly Argument[], size: Size, as?: Size): Tensor | Promise<Tensor>;
  dispose(): void;
}

/**
 * gpu.js exchanges a kernel that its mode cannot run for one in mode cpu, with no more than a line on the
 * console. So every kernel is asked, once it has run, what it runs in.
 */
export function checkMode({ name }: KernelSource, { kernel }: KernelFunction, wanted: Mode): void {
  const { mode } = kernel.constructor;
  if (mode === wanted) return;
  throw new UserError(
    `Expected gpu.js to run its kernel ${name} in mode ${wanted}, but it runs in mode ${mode}: ` +
      `${kernel.fallbackReason ?? 'it does not say why'}.`,
    'Choose another mode of gpu.js, or another backend.',
  );
}

export function doesNotFit(cause: unknown): UserError {
  return new UserError(
    'Expected the model, its context and its activations to fit into memory; they do not.',
    'Use a shorter context (--ctx N), a smaller model or quantization, or another backend.',
    { kind: 'memory', cause },
  );
}

/** Loops end where the text says, not after gpu.js's 1000 turns. */
export const MAX_TURNS = 2 ** 30;
