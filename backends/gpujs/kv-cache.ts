/** What sequences keep: keys and values of the positions computed so far, and recurrent states. All of it in float32. */
import type { StateId } from '../backend.ts';
import type { Argument, Tensor } from './device.ts';

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
  dispose(): void;
}
