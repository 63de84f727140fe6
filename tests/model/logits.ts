/** Logits of whole token lists, for comparison with goldens. */
import type { Model } from '../../core/model.ts';
import { allRows } from '../backend/steps.ts';

/** Rows of logits per step; few, so that a large vocabulary needs little memory. */
const ROWS = 32;

/** The logits after each of `ids` in sequence `seq`, whose cache they replace; in steps of at most `rows`. */
export async function* logitsOf(
  { executable }: Pick<Model, 'executable'>,
  ids: readonly number[],
  { seq = 0, rows = ROWS } = {},
): AsyncGenerator<Float32Array> {
  for (let pos = 0; pos < ids.length; pos += rows) {
    const tokens = ids.slice(pos, pos + rows);
    const logits = await allRows(executable, { seq, pos, tokens });
    const V = logits.length / tokens.length;
    for (let t = 0; t < tokens.length; t++) yield logits.slice(t * V, (t + 1) * V);
  }
}

/** Index of the largest value, the first of equal ones. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** Largest distance between two lists. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.NaN;
  return Array.from(a).reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}

/** -log of the probability of `id`. */
export function surprise(logits: Float32Array, id: number): number {
  const max = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, value) => total + Math.exp(value - max), 0);
  return Math.log(sum) + max - logits[id]!;
}
