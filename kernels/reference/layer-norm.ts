/**
 * y[c] = (x[c] - mean(x)) / sqrt(variance(x) + eps) * weight[c] + bias[c] (Ba et al., Layer Normalization).
 *
 * @param x [C]
 * @param weight [C]
 * @param bias [C]; zeros without it
 * @returns [C]
 */
export function layerNorm(
  x: Float64Array,
  weight: Float32Array | Float64Array,
  bias: Float32Array | Float64Array | undefined,
  eps: number,
): Float64Array {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const scale = 1 / Math.sqrt(variance + eps);
  return x.map((value, c) => (value - mean) * scale * weight[c]! + (bias?.[c] ?? 0));
}
