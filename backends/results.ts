/** Results of slices, cut from the output rows of a step, and results made from logits. */
import type { Result, Slice, TopLogits, Want } from './backend.ts';
import { argmax, largest, logSumExp } from './logits.ts';

/** The logits [rows, V] of a slice that wanted them. Throws TypeError for another result. */
export function logitsOf(result: Result | undefined): Float32Array {
  if (result?.kind === 'logits') return result.logits;
  throw new TypeError(`Expected a result of kind logits, got ${result?.kind}.`);
}

/** Number of output rows of a slice. */
export function rowsWanted({ tokens, want }: Slice): number {
  if (!want || want.kind === 'attention' || want.kind === 'values') return 0;
  return want.kind === 'logits' && want.rows === 'all' ? tokens.length : 1;
}

/**
 * Results of slices that want logits or nothing.
 * @param logits [S, V] of all slices; results are views of it
 */
export function resultsFromLogits(slices: readonly Slice[], logits: Float32Array): Result[] {
  const rows = slices.reduce((sum, slice) => sum + rowsWanted(slice), 0);
  const V = rows === 0 ? 0 : logits.length / rows;
  let at = 0;
  return slices.map((slice): Result => {
    const count = rowsWanted(slice);
    if (count === 0) return { kind: 'none' };
    at += count;
    return { kind: 'logits', logits: logits.subarray((at - count) * V, at * V) };
  });
}

/** The result that a slice wants, from its row of logits [V]. Of several greedy ids it has the first. */
export function resultFromRow(want: Want, row: Float32Array): Result {
  if (want.kind === 'top') return { kind: 'top', ...topOf(row, want.count) };
  if (want.kind === 'greedy') return { kind: 'greedy', ids: Int32Array.of(argmax(row)) };
  return { kind: 'logits', logits: row };
}

/** The `count` largest logits of a row [V], without those of -Infinity. */
export function topOf(row: Float32Array, count: number): TopLogits {
  const places = new Int32Array(Math.min(count, row.length));
  const ids = places.slice(0, largest(row, places.length, places));
  return { ids, logits: Float32Array.from(ids, (id) => row[id]!), logSumExp: logSumExp(row) };
}

/** Rows one after the other, in new memory. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
