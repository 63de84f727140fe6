/**
 * p[i] = exp(x[i]) / sum over j of exp(x[j]). The maximum is subtracted first, so exp never overflows.
 *
 * @param x [P]
 * @returns [P]
 */
export function softmax(x: Float64Array): Float64Array {
  let max = -Infinity;
  for (const value of x) max = Math.max(max, value);
  const exp = x.map((value) => Math.exp(value - max));
  let sum = 0;
  for (const value of exp) sum += value;
  return exp.map((value) => value / sum);
}
