/** Cursor motions. Line start and end refer to the whole line; up and down move by rows of the soft wrap. */
import { boundaryAfter, boundaryBefore, wordsOf } from './segments.ts';
import { cellsBefore, offsetAt, rowIndexAt, rowsOf, textWidth } from './wrap.ts';

export interface Position {
  readonly row: number;
  readonly col: number; // UTF-16 offset at a grapheme boundary
}

export type Motion =
  | 'left'
  | 'right'
  | 'word-left'
  | 'word-right'
  | 'line-start'
  | 'line-end'
  | 'text-start'
  | 'text-end';

type Lines = readonly string[];

export const MOTIONS: Readonly<Record<Motion, (lines: Lines, at: Position) => Position>> = {
  left: (lines, { row, col }) =>
    col > 0 ? { row, col: boundaryBefore(lines[row]!, col) } : endOfPrevious(lines, row),
  right: (lines, { row, col }) =>
    col < lines[row]!.length ? { row, col: boundaryAfter(lines[row]!, col) } : startOfNext(lines, row),
  'word-left': (lines, { row, col }) => {
    if (col === 0) return endOfPrevious(lines, row);
    const word = wordsOf(lines[row]!).findLast(({ start }) => start < col);
    return { row, col: word?.start ?? 0 };
  },
  'word-right': (lines, { row, col }) => {
    const line = lines[row]!;
    if (col === line.length) return startOfNext(lines, row);
    const word = wordsOf(line).find(({ end }) => end > col);
    return { row, col: word?.end ?? line.length };
  },
  'line-start': (_, { row }) => ({ row, col: 0 }),
  'line-end': (lines, { row }) => ({ row, col: lines[row]!.length }),
  'text-start': () => ({ row: 0, col: 0 }),
  'text-end': (lines) => ({ row: lines.length - 1, col: lines.at(-1)!.length }),
};

export function endOf(lines: Lines): Position {
  return MOTIONS['text-end'](lines, { row: 0, col: 0 });
}

interface Page {
  readonly lines: Lines;
  readonly pastes: readonly string[];
  readonly columns: number; // of the terminal
}

/** One row up or down, to cell `aim` of the row if possible; undefined if there is no such row. */
export function vertical(
  { lines, pastes, columns }: Page,
  { row, col }: Position,
  step: -1 | 1,
  aim: number | undefined,
): { at: Position; aim: number } | undefined {
  const width = textWidth(columns);
  const rows = rowsOf(lines[row]!, width, pastes);
  const index = rowIndexAt(rows, col);
  const x = aim ?? cellsBefore(rows[index]!, col);
  const inside = rows[index + step];
  if (inside) {
    return { at: { row, col: offsetAt(inside, x, index + step === rows.length - 1) }, aim: x };
  }
  const other = lines[row + step];
  if (other === undefined) return undefined;
  const others = rowsOf(other, width, pastes);
  const target = step < 0 ? others.length - 1 : 0;
  const to = offsetAt(others[target]!, x, target === others.length - 1);
  return { at: { row: row + step, col: to }, aim: x };
}

/** The last position in the first row of the wrapped text. From there, up leaves the text. */
export function endOfFirstRow({ lines, pastes, columns }: Page): Position {
  const rows = rowsOf(lines[0]!, textWidth(columns), pastes);
  return { row: 0, col: offsetAt(rows[0]!, Number.POSITIVE_INFINITY, rows.length === 1) };
}

function endOfPrevious(lines: Lines, row: number): Position {
  return row > 0 ? { row: row - 1, col: lines[row - 1]!.length } : { row, col: 0 };
}

function startOfNext(lines: Lines, row: number): Position {
  return row + 1 < lines.length ? { row: row + 1, col: 0 } : { row, col: lines[row]!.length };
}
