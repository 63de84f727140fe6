/** Results of slices, as every backend cuts them from the rows of a step; and what may be made of logits afterwards. */
import type { Result, Slice, TopLogits, Want } from './backend.ts';
import { argmax, largest, logSumExp } from './logits.ts';

/** The result of a slice that is known to want logits, [rows, V]. Throws TypeError for another. */
export function logitsOf(result: Result | undefined): Float32Array {
  if (result?.kind === 'logits') return result.logits;
  throw new TypeError(`Expected a result of kind logits, got ${result?.kind}.`);
}

/** How many output rows a slice has. */
export function rowsWanted({ tokens, want }: Slice): number {
  if (!want || want.kind === 'attention' || want.kind === 'values') return 0;
  return want.kind === 'logits' && want.rows === 'all' ? tokens.length : 1;
}

/**
 * Results of slices that want logits or nothing.
 * @param logits [S, V] of all slices; what is handed on are views of it
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

/** What a device would make of a row of logits [V] for a slice that wants it; of several greedy ids the first. */
export function resultFromRow(want: Want, row: Float32Array): Result {
  if (want.kind === 'top') return { kind: 'top', ...topOf(row, want.count) };
  if (want.kind === 'greedy') return { kind: 'greedy', ids: Int32Array.of(argmax(row)) };
  return { kind: 'logits', logits: row };
}

/** The `count` largest of a row [V]; those of -Infinity are left out. */
export function topOf(row: Float32Array, count: number): TopLogits {
  const places = new Int32Array(Math.min(count, row.length));
  const ids = places.slice(0, largest(row, places.length, places));
  return { ids, logits: Float32Array.from(ids, (id) => row[id]!), logSumExp: logSumExp(row) };
}
