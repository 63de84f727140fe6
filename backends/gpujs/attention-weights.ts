/** The attention weights of a step, of the exponentials that its kernels mix values by. */
import type { AttentionShape } from '../backend.ts';

/** What one attention op leaves of a token. */
export interface Exponentials {
  readonly rows: Float32Array; // [heads][columns]: a column for each position seen, and some beyond
  readonly seen: number; // positions, the last of them the token's own
}

/** @returns [heads of all ops][length], each row over its sum, 0 in front of what the op sees */
export function attentionWeights(
  exponentials: readonly Exponentials[],
  { heads }: AttentionShape,
  length: number,
): Float32Array {
  const rows = exponentials.flatMap(({ rows, seen }, op) => {
    const columns = rows.length / heads[op]!;
    return Array.from({ length: heads[op]! }, (_, h) => rows.subarray(h * columns, h * columns + seen));
  });
  const weights = new Float32Array(rows.length * length);
  rows.forEach((row, i) => {
    const sum = row.reduce((a, b) => a + b, 0);
    weights.set(
      row.map((value) => value / sum),
      (i + 1) * length - row.length,
    );
  });
  return weights;
}
