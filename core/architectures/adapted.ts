/** The products that adapters add to those of a model's own matrices. */
import type { Stored } from '../checkpoint/stored.ts';

/** y += B (A x) */
export interface AdapterPair {
  readonly a: Stored; // [r, cols]; of experts [count, r, cols]; of a table of embeddings [r, V]
  readonly b: Stored; // [rows, r]; of experts [count, rows, r]; scaled already
}

export interface Adapter {
  readonly path: string;
  readonly factor: number;
  readonly pairs: ReadonlyMap<string, AdapterPair>; // by the name of the matrix's tensor
}
