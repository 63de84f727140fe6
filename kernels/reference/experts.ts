/** Products with the matrices of the picked experts, and the sum of what they make. */
import { matmul } from './matmul.ts';

/**
 * @param x [K], or [k, K] with a part for each pick
 * @param weights [experts, N, K]
 * @param bias [experts, N]; zeros without it
 * @param picks [2 k] (route.ts); without them every matrix is picked once, in order
 * @returns [k, N]
 */
export function expertMatmul(
  x: Float64Array,
  weights: Float32Array | Float64Array,
  bias: Float32Array | Float64Array | undefined,
  picks: Float64Array | undefined,
  { experts, K }: { readonly experts: number; readonly K: number },
): Float64Array {
  const size = weights.length / experts;
  const N = size / K;
  const count = picks ? picks.length / 2 : experts;
  const out = new Float64Array(count * N);
  for (let i = 0; i < count; i++) {
    const e = picks ? picks[i]! : i;
    const row = x.length === K ? x : x.subarray(i * K, (i + 1) * K);
    const own = bias?.subarray(e * N, (e + 1) * N);
    out.set(matmul(row, weights.subarray(e * size, (e + 1) * size), own), i * N);
  }
  return out;
}

/**
 * @param x [k, N]
 * @param picks [2 k]
 * @returns [N], the parts of x times their weights, added
 */
export function mix(x: Float64Array, picks: Float64Array): Float64Array {
  const count = picks.length / 2;
  const out = new Float64Array(x.length / count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < out.length; c++) out[c]! += picks[count + i]! * x[i * out.length + c]!;
  }
  return out;
}
