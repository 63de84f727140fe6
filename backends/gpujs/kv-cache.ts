/** Keys and values of the positions computed so far, float32 whatever type was asked for. */
import type { StateId } from '../backend.ts';
import type { Argument, Tensor } from './device.ts';

/** Tokens of a step that go through the kernels together. */
export interface Chunk {
  readonly tokens: Int32Array; // [T] ids
  readonly positions: Float32Array; // [T]
  readonly sequences: Int32Array; // [T]
  readonly outputs: Float32Array; // [S] rows of the chunk that the step wants
}

/** What attention of a chunk reads. */
export interface CacheView {
  readonly keys: Argument; // [rows][kvHeads * keyDim]
  readonly values: Argument; // [rows][kvHeads * valueDim]
  readonly bases: Float32Array; // [T] row of position 0 of the token's sequence
  readonly columns: number; // of the scores: no less than the positions that any token sees
}

export interface KvCache {
  readonly bytes: number;
  /** Puts keys and values of the chunk's tokens, a row each, in their places. */
  append(state: StateId, keys: Tensor, values: Tensor, chunk: Chunk): void;
  view(state: StateId, chunk: Chunk): CacheView;
  /** Makes positions 0..upto-1 of sequence `to` equal those of `from`. */
  copy(from: number, to: number, upto: number): void;
  /** What holds positions 0..upto-1 of a sequence: of each state its keys, then its values, [upto][columns]. */
  read(sequence: number, upto: number): Promise<Float32Array[]>;
  /** Puts what `read` gave in its place; `next` gives so many numbers of it. */
  write(sequence: number, upto: number, next: (count: number) => Float32Array<ArrayBuffer>): void;
  dispose(): void;
}
