/** The attention weights of a step, of the exponentials that its kernels mix values by. */
import type { AttentionShape } from '../backend.ts';

/**
 * @param exponentials of each attention op, [heads][columns]: one column a position, and some beyond
 * @returns [ops][heads][length], each row over its sum
 */
export function attentionWeights(
  exponentials: readonly Float32Array[],
  { heads }: AttentionShape,
  length: number,
): Float32Array {
  const weights = new Float32Array(exponentials.length * heads * length);
  exponentials.forEach((all, op) => {
    const columns = all.length / heads;
    for (let h = 0; h < heads; h++) {
      const row = all.subarray(h * columns, h * columns + length);
      const sum = row.reduce((a, b) => a + b, 0);
      weights.set(
        row.map((value) => value / sum),
        (op * heads + h) * length,
      );
    }
  });
  return weights;
}
