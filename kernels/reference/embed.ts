/**
 * Row `token` of the embedding table.
 *
 * @param table [V, C]
 * @param cols C
 * @returns [C]
 */
export function embed(table: Float32Array | Float64Array, cols: number, token: number): Float64Array {
  return Float64Array.from(table.subarray(token * cols, (token + 1) * cols));
}
