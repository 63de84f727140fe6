/** The rows of x for which a step wants output. @param x [T, C] @returns [S, C] */
export function select(x: readonly Float64Array[], rows: ArrayLike<number>): Float64Array[] {
  return Array.from(rows, (row) => x[row]!);
}
