/**
 * y = x W^T + bias, one row of it: y[n] = bias[n] + sum over k of x[k] * weight[n * K + k].
 *
 * @param x [K]
 * @param weight [N, K]
 * @param bias [N], or nothing for zeros
 * @returns [N]
 */
export function matmul(
  x: Float64Array,
  weight: Float32Array | Float64Array,
  bias?: Float32Array | Float64Array,
): Float64Array {
  const out = new Float64Array(weight.length / x.length);
  let w = 0;
  for (let n = 0; n < out.length; n++) {
    let sum = bias ? bias[n]! : 0;
    for (let k = 0; k < x.length; k++) sum += x[k]! * weight[w++]!;
    out[n] = sum;
  }
  return out;
}
