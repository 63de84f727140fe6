/**
 * Rotates pair i of every head by the angle position * inverseFrequencies[i] (Su et al., RoFormer, eq. 34).
 * Dimensions beyond the pairs pass through.
 *
 * @param x [H * D]
 * @param layout interleaved: pairs (2i, 2i + 1); half: pairs (i, i + n), n = inverseFrequencies.length
 * @returns [H * D]
 */
export function rope(
  x: Float64Array,
  heads: number,
  position: number,
  { layout, inverseFrequencies }: { layout: 'interleaved' | 'half'; inverseFrequencies: readonly number[] },
): Float64Array {
  const out = x.slice();
  const pairs = inverseFrequencies.length;
  const [step, apart] = layout === 'interleaved' ? [2, 1] : [1, pairs];
  for (let head = 0; head < x.length; head += x.length / heads) {
    for (let i = 0; i < pairs; i++) {
      const [a, b] = [head + i * step, head + i * step + apart];
      const cos = Math.cos(position * inverseFrequencies[i]!);
      const sin = Math.sin(position * inverseFrequencies[i]!);
      out[a] = x[a]! * cos - x[b]! * sin;
      out[b] = x[a]! * sin + x[b]! * cos;
    }
  }
  return out;
}
