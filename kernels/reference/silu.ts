/** y = x * sigmoid(x) (Elfwing et al., SiLU). @param x [C] @returns [C] */
export function silu(x: Float64Array): Float64Array {
  return x.map((value) => value / (1 + Math.exp(-value)));
}
