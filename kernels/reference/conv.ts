/**
 * Causal convolution of each column by itself: y[c] = bias[c] + sum over j of weight[c][j] * rows[j][c].
 *
 * @param rows K rows of [C], the last of them the token's own
 * @param weight [C, K]
 * @param bias [C]; default 0
 */
export function conv(
  rows: readonly Float64Array[],
  weight: Float32Array | Float64Array,
  bias?: Float32Array | Float64Array,
): Float64Array {
  const K = rows.length;
  return rows[0]!.map((_, c) =>
    rows.reduce((sum, row, j) => sum + weight[c * K + j]! * row[c]!, bias?.[c] ?? 0),
  );
}
