/**
 * y[c] = x[c] / sqrt(mean(x^2) + eps) * weight[c] (Zhang and Sennrich, Root Mean Square Layer Normalization), for every
 * head of D columns by itself.
 *
 * @param x [heads * D]
 * @param weight [D]
 * @returns [heads * D]
 */
export function rmsNorm(x: Float64Array, weight: Float32Array | Float64Array, eps: number): Float64Array {
  const D = weight.length;
  const y = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += D) y.set(normalized(x.subarray(at, at + D), weight, eps), at);
  return y;
}

/** @param x [D] @returns [D] */
function normalized(x: Float64Array, weight: Float32Array | Float64Array, eps: number): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const scale = 1 / Math.sqrt(meanSquare + eps);
  return x.map((value, c) => value * scale * weight[c]!);
}
