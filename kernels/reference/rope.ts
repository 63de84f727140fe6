/** What rotates, and by how much. */
export interface Rotation {
  readonly layout: 'interleaved' | 'half';
  readonly inverseFrequencies: readonly number[];
  readonly magnitude?: number; // factor of rotated numbers; default 1
  readonly growth?: { readonly every: number; readonly by: number };
}

/** The factor of rotated numbers at a position: YaRN's constant, and what grows with a context (Meta AI, Llama 4). */
export function magnitudeAt(position: number, { magnitude = 1, growth }: Rotation): number {
  return growth ? magnitude * (1 + growth.by * Math.log(1 + Math.floor(position / growth.every))) : magnitude;
}

/**
 * Rotates pair i of every head by the angle position * inverseFrequencies[i] (Su et al., RoFormer, eq. 34).
 * Dimensions beyond the pairs pass through.
 *
 * @param x [H * D]
 * @param layout interleaved: pairs (2i, 2i + 1); half: pairs (i, i + n), n = inverseFrequencies.length
 * @returns [H * D]
 */
export function rope(x: Float64Array, heads: number, position: number, rotation: Rotation): Float64Array {
  const { layout, inverseFrequencies } = rotation;
  const out = x.slice();
  const scale = magnitudeAt(position, rotation);
  const pairs = inverseFrequencies.length;
  const [step, apart] = layout === 'interleaved' ? [2, 1] : [1, pairs];
  for (let head = 0; head < x.length; head += x.length / heads) {
    for (let i = 0; i < pairs; i++) {
      const [a, b] = [head + i * step, head + i * step + apart];
      const cos = scale * Math.cos(position * inverseFrequencies[i]!);
      const sin = scale * Math.sin(position * inverseFrequencies[i]!);
      out[a] = x[a]! * cos - x[b]! * sin;
      out[b] = x[a]! * sin + x[b]! * cos;
    }
  }
  return out;
}
