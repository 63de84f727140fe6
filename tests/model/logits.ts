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
  return logSumExp(logits) - logits[id]!;
}

/** KL divergence of two distributions, given by their logits, in nats: sum over i of p[i] * log(p[i] / q[i]). */
export function divergence(expected: Float32Array, got: Float32Array): number {
  if (expected.length !== got.length) return Number.NaN;
  const [p, q] = [logSumExp(expected), logSumExp(got)];
  return expected.reduce((sum, value, i) => {
    return sum + Math.exp(value - p) * (value - p - (got[i]! - q));
  }, 0);
}

/**
 * The same where only a few log probabilities are known, as [id, log p]: all other ids count as one. Merging outcomes
 * never increases a divergence, so this is a lower bound of it.
 */
export function divergenceOfTop(
  top: readonly (readonly [id: number, logProbability: number])[],
  got: Float32Array,
): number {
  const q = logSumExp(got);
  const [rest, sum] = top.reduce(
    ([rest, sum], [id, log]) => {
      const p = Math.exp(log);
      return [{ p: rest.p - p, q: rest.q - Math.exp(got[id]! - q) }, sum + p * (log - (got[id]! - q))];
    },
    [{ p: 1, q: 1 }, 0],
  );
  const [p, others] = [Math.max(rest.p, ROUNDED), Math.max(rest.q, ROUNDED)];
  return sum + p * Math.log(p / others);
}

/** Log probabilities have 4 decimals: what they leave of 1 may be below 0 by about this. */
const ROUNDED = 1e-4;

function logSumExp(logits: Float32Array): number {
  const max = logits.reduce((a, b) => Math.max(a, b));
  return Math.log(logits.reduce((total, value) => total + Math.exp(value - max), 0)) + max;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
