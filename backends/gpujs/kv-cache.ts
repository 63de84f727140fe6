/** Keys and values of the positions computed so far, float32 whatever type was asked for. */
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
  readonly keys: Argument; // [rows][kvHeads * D]
  readonly values: Argument;
  readonly bases: Float32Array; // [T] row of position 0 of the token's sequence
  readonly columns: number; // of the scores: no less than the positions that any token sees
}

export interface KvCache {
  readonly bytes: number;
  /** Puts keys and values of the chunk's tokens, [T][kvHeads * D], in their places. */
  append(layer: number, keys: Tensor, values: Tensor, chunk: Chunk): void;
  view(layer: number, chunk: Chunk): CacheView;
  /** Makes positions 0..upto-1 of sequence `to` equal those of `from`. */
  copy(from: number, to: number, upto: number): void;
  dispose(): void;
}
