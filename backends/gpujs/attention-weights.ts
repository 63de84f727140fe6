/** The attention weights of a step, of the exponentials that its kernels mix values by. */
import type { AttentionShape } from '../backend.ts';

/**
 * @param exponentials of each attention op, [heads][columns]: one column a position, and some beyond
 * @returns [heads of all ops][length], each row over its sum
 */
export function attentionWeights(
  exponentials: readonly Float32Array[],
  { heads }: AttentionShape,
  length: number,
): Float32Array {
  const rows = exponentials.flatMap((all, op) => {
    const columns = all.length / heads[op]!;
    return Array.from({ length: heads[op]! }, (_, h) => all.subarray(h * columns, h * columns + length));
  });
  const weights = new Float32Array(rows.length * length);
  rows.forEach((row, i) => {
    const sum = row.reduce((a, b) => a + b, 0);
    weights.set(
      row.map((value) => value / sum),
      i * length,
    );
  });
  return weights;
}
