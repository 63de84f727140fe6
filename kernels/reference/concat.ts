/**
 * Each head of a, then that of b, head by head.
 *
 * @param a [heads * A]
 * @param b [heads * B]
 * @returns [heads * (A + B)]
 */
export function concat(a: Float64Array, b: Float64Array, heads: number): Float64Array {
  const out = new Float64Array(a.length + b.length);
  const [A, B] = [a.length / heads, b.length / heads];
  for (let h = 0; h < heads; h++) {
    out.set(a.subarray(h * A, (h + 1) * A), h * (A + B));
    out.set(b.subarray(h * B, (h + 1) * B), h * (A + B) + A);
  }
  return out;
}
