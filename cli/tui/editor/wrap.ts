/**
 * Soft wrap: a line as rows of cells. A cell is one grapheme, or one folded paste, and is never split. Rows break after
 * spaces and around wide characters if possible, else anywhere.
 */
import { terminalText } from '../../terminal/terminal-text.ts';
import { type Cluster, clusters, columnsOf } from '../../terminal/text/width.ts';
import { isAtom, labelOf } from './pastes.ts';

/** Left of the text: the prompt glyph, one cell wide, and a space. */
export const GUTTER = 2;

const TAB = '    ';
const PRINTABLE_ASCII = /^[ -~]*$/;

interface Cell {
  readonly start: number; // offset in the line
  readonly text: string; // what is drawn
  readonly width: number;
  readonly atom: boolean;
}

/** The offsets `start` to `end` of a line. A row begins at the end of the row before. */
export interface Row {
  readonly start: number;
  readonly end: number;
  readonly cells: readonly Cell[];
}

/** Cells for text. The last column stays free for the cursor after a full row. */
export function textWidth(columns: number): number {
  return Math.max(2, columns - GUTTER - 1);
}

/** At least one row. A space after a full row has no cell, so that words can fill rows to the end. */
export function rowsOf(line: string, width: number, pastes: readonly string[]): Row[] {
  return PRINTABLE_ASCII.test(line) ? asciiRows(line, width) : cellRows(line, width, pastes);
}

/** Wraps by offsets alone: making a cell for each character of a very long line would slow down typing. */
function asciiRows(line: string, width: number): Row[] {
  const rows: Row[] = [];
  let start = 0;
  while (line.length - start > width) {
    const limit = start + width;
    const space = line.lastIndexOf(' ', limit - 1);
    const end = line[limit] === ' ' ? limit + 1 : space >= start ? space + 1 : limit;
    rows.push(asciiRow(line, start, end, width));
    start = end;
  }
  rows.push(asciiRow(line, start, line.length, width));
  return rows;
}

function asciiRow(line: string, start: number, end: number, width: number): Row {
  return {
    start,
    end,
    get cells() {
      return Array.from(line.slice(start, end), (text, i) => {
        return i < width ? cellOf(start + i, text, 1) : cellOf(start + i, '', 0);
      });
    },
  };
}

function cellRows(line: string, width: number, pastes: readonly string[]): Row[] {
  const rows: Row[] = [];
  let cells: Cell[] = [];
  let used = 0;
  let breakAt = 0; // number of cells after which the row can break
  let next = 0; // offset of the current cell
  const close = (count: number) => {
    const rest = cells.slice(count);
    const start = cells[0]!.start;
    const end = rest[0]?.start ?? next;
    rows.push({ start, end, cells: cells.slice(0, count) });
    cells = rest;
    used = rest.reduce((sum, cell) => sum + cell.width, 0);
    breakAt = 0;
  };
  for (const cell of cellsOf(line, width, pastes)) {
    next = cell.start;
    if (used + cell.width > width && cell.text === ' ' && cells.length > 0) {
      cells.push(cellOf(cell.start, '', 0));
      next++;
      close(cells.length);
      continue;
    }
    const wide = cell.width > 1;
    if (wide) breakAt = cells.length;
    while (used + cell.width > width && cells.length > 0) close(breakAt || cells.length);
    cells.push(cell);
    used += cell.width;
    if (wide || cell.text === ' ') breakAt = cells.length;
  }
  rows.push({ start: cells[0]?.start ?? line.length, end: line.length, cells });
  return rows;
}

/** The row that shows the cursor; at the border of two rows, the later one. */
export function rowIndexAt(rows: readonly Row[], col: number): number {
  return rows.findLastIndex((row) => row.start <= col);
}

/** Cells left of `col`. */
export function cellsBefore(row: Row, col: number): number {
  return row.cells.reduce((sum, cell) => (cell.start < col ? sum + cell.width : sum), 0);
}

/** The offset of the cell at `x`, or the last offset of the row. */
export function offsetAt(row: Row, x: number, isLast: boolean): number {
  let left = 0;
  for (const cell of row.cells) {
    left += cell.width;
    if (left > x) return cell.start;
  }
  return isLast ? row.end : (row.cells.at(-1)?.start ?? row.start);
}

function* cellsOf(line: string, width: number, pastes: readonly string[]): Generator<Cell> {
  let start = 0;
  for (const cluster of clusters(line)) {
    yield drawn(start, cluster, width, pastes);
    start += cluster.text.length;
  }
}

function drawn(start: number, cluster: Cluster, width: number, pastes: readonly string[]): Cell {
  if (isAtom(cluster.text)) {
    const label = labelOf(cluster.text, pastes).slice(0, width);
    return cellOf(start, label, label.length, true);
  }
  if (cluster.text === '\t') return cellOf(start, TAB.slice(0, width), Math.min(TAB.length, width));
  const text = terminalText(cluster.text);
  const columns = text === cluster.text ? cluster.width : columnsOf(text);
  // A grapheme with many marks may be wider than a row.
  return columns > width ? cellOf(start, '\ufffd', 1) : cellOf(start, text, columns);
}

function cellOf(start: number, text: string, width: number, atom = false): Cell {
  return { start, text, width, atom };
}
