/** Attention weights of a step, from the exponentials that its kernels mix values with. */
import { PARTIALS } from '../../kernels/gpujs/kernel-source.ts';
import type { AttentionShape } from '../backend.ts';

/** The exponentials of one attention op, for one token. */
export interface Exponentials {
  readonly rows: Float32Array; // [heads][columns]; columns beyond the positions seen are unused
  readonly seen: number; // positions, the last of them the token's own
  readonly beside?: Float32Array; // [heads]: the exponentials of sinks
}

/** @param maxima [heads][PARTIALS], of the scores, by parts */
export function besideOf(sinks: Float32Array, maxima: Float32Array): Float32Array {
  return sinks.map((sink, h) =>
    Math.exp(sink - Math.max(...maxima.subarray(h * PARTIALS, (h + 1) * PARTIALS))),
  );
}

/** @returns [heads of all ops][length]: each row divided by its sum, 0 before the positions that its op sees */
export function attentionWeights(
  exponentials: readonly Exponentials[],
  { heads }: AttentionShape,
  length: number,
): Float32Array {
  const beside = exponentials.flatMap(({ beside }, op) => [...(beside ?? new Float32Array(heads[op]!))]);
  const rows = exponentials.flatMap(({ rows, seen }, op) => {
    const columns = rows.length / heads[op]!;
    return Array.from({ length: heads[op]! }, (_, h) => rows.subarray(h * columns, h * columns + seen));
  });
  const weights = new Float32Array(rows.length * length);
  rows.forEach((row, i) => {
    const sum = row.reduce((a, b) => a + b, beside[i]!);
    weights.set(
      row.map((value) => value / sum),
      (i + 1) * length - row.length,
    );
  });
  return weights;
}
