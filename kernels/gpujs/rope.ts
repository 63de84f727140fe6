/**
 * Rotates pairs of dimensions of every head. The host computes cosines and sines in float64: WGSL's own are only good
 * to 2^-11. Each dimension has a partner: out = x * cosine + x of the partner * sine, with the right signs. Both
 * layouts, and dimensions that pass through, have this form.
 */
import { magnitudeAt, type Rotation } from '../reference/rope.ts';
import type { KernelSource } from './kernel-source.ts';

/** cosines, sines: [T][D], from `rotations` */
export function rope(headDim: number, { layout, inverseFrequencies }: Rotation): KernelSource {
  const pairs = inverseFrequencies.length;
  const partner =
    layout === 'interleaved'
      ? `if (d < ${2 * pairs}) { partner = 1; if (Math.floor(d / 2) * 2 < d) { partner = -1; } }`
      : `if (d < ${2 * pairs}) { partner = ${-pairs}; if (d < ${pairs}) { partner = ${pairs}; } }`;
  const text = `function (x, cosines, sines) {
    const d = this.thread.x - Math.floor((this.thread.x + 0.5) / ${headDim}) * ${headDim};
    let partner = 0;
    ${partner}
    return x[this.thread.y][this.thread.x] * cosines[this.thread.y][d]
      + x[this.thread.y][this.thread.x + partner] * sines[this.thread.y][d];
  }`;
  return { name: 'rope', text, args: ['Array', 'Array', 'Array'] };
}

/** Cosine and signed sine of each dimension of a head at a position, float32. */
export function rotations(
  position: number,
  headDim: number,
  rotation: Rotation,
): { cosines: Float32Array; sines: Float32Array } {
  const [cosines, sines] = [new Float32Array(headDim).fill(1), new Float32Array(headDim)];
  const { layout, inverseFrequencies } = rotation;
  const scale = magnitudeAt(position, rotation);
  const [step, apart] = layout === 'interleaved' ? [2, 1] : [1, inverseFrequencies.length];
  for (const [i, frequency] of inverseFrequencies.entries()) {
    const [a, b] = [i * step, i * step + apart];
    cosines[a] = cosines[b] = scale * Math.cos(position * frequency);
    sines[b] = scale * Math.sin(position * frequency);
    sines[a] = -sines[b];
  }
  return { cosines, sines };
}
