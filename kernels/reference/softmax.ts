/**
 * p[i] = exp(x[i]) / sum over j of exp(x[j]). The maximum is subtracted first, so exp never overflows.
 *
 * @param x [P]
 * @returns [P]
 */
export function softmax(x: Float64Array): Float64Array {
  const max = x.reduce((a, b) => Math.max(a, b), -Infinity);
  const exp = x.map((value) => Math.exp(value - max));
  const sum = exp.reduce((a, b) => a + b, 0);
  return exp.map((value) => value / sum);
}
