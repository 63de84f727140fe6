/**
 * y[c] = x[c] / sqrt(mean(x^2) + eps) * weight[c] (Zhang and Sennrich, Root Mean Square Layer Normalization).
 *
 * @param x [C]
 * @param weight [C]
 * @returns [C]
 */
export function rmsNorm(x: Float64Array, weight: Float32Array | Float64Array, eps: number): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const scale = 1 / Math.sqrt(meanSquare + eps);
  return x.map((value, c) => value * scale * weight[c]!);
}
