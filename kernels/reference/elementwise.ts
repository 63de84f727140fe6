/** y[c] = a[c] * b[c] */
export function mul(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, c) => value * b[c]!);
}

/** y[c] = a[c] + b[c] */
export function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, c) => value + b[c]!);
}
