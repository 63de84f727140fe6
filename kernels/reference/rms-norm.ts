/**
 * y[c] = x[c] / sqrt(mean(x^2) + eps) * weight[c] (Zhang and Sennrich, Root Mean Square Layer Normalization), for every
 * head of D columns by itself.
 *
 * @param x [heads * D]
 * @param weight [D], or [heads * D] of own weights of each head
 * @returns [heads * D]
 */
export function rmsNorm(
  x: Float64Array,
  weight: Float32Array | Float64Array,
  eps: number,
  heads = x.length / weight.length,
): Float64Array {
  const D = x.length / heads;
  const y = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += D) {
    const own = weight.length > D ? weight.subarray(at, at + D) : weight;
    y.set(normalized(x.subarray(at, at + D), own, eps), at);
  }
  return y;
}

/** @param x [D] @returns [D] */
function normalized(x: Float64Array, weight: Float32Array | Float64Array, eps: number): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const scale = 1 / Math.sqrt(meanSquare + eps);
  return x.map((value, c) => value * scale * weight[c]!);
}
