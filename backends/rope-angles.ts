/** Angles of a rope as kernels read them: f32 [position][pairs]{cos, sin}, computed in float64. */
import { magnitudeAt } from '../kernels/reference/rope.ts';
import type { RopeSpec } from './backend.ts';

/** Floats of a position. */
export function angleFloats({ inverseFrequencies }: RopeSpec): number {
  return 2 * inverseFrequencies.length;
}

/**
 * Computes positions first to end - 1.
 * @param table begins at position `first`
 */
export function fillAngles(rope: RopeSpec, table: Float32Array, first: number, end: number): void {
  for (let position = first, i = 0; position < end; position++) {
    const scale = magnitudeAt(position, rope);
    for (const frequency of rope.inverseFrequencies) {
      table[i++] = scale * Math.cos(position * frequency);
      table[i++] = scale * Math.sin(position * frequency);
    }
  }
}
