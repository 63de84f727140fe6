/**
 * Lays out the table of a report in columns of text. On a narrow terminal cells are wrapped at words, and after commas. A row
 * with a longer word, such as a path, continues on lines of its own; there a path is broken only if it is wider than them.
 */
import { columnsOf, padded } from './width.ts';
import { wrapWords } from './wrap.ts';

const GAP = '  ';
const LEAST = 8; // least columns of a cell, unless it needs fewer
const INDENT = '    '; // of the lines below a row

/** Lines no wider than `columns`, unless a single word is. Cells have one line and no escapes. */
export function columnLines(rows: readonly (readonly string[])[], columns: number): string[] {
  const widths = columnWidths(rows, columns);
  return rows.flatMap((row) => rowLines(row, widths, columns));
}

/** The widest columns are cut until all fit. */
function columnWidths(rows: readonly (readonly string[])[], columns: number): number[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) =>
    Math.max(0, ...rows.map((row) => columnsOf(row[i] ?? ''))),
  );
  const room = columns - GAP.length * (count - 1);
  for (let over = widths.reduce((sum, width) => sum + width, 0) - room; over > 0; over--) {
    const widest = Math.max(...widths);
    if (widest <= LEAST) break;
    widths[widths.lastIndexOf(widest)]!--;
  }
  return widths;
}

/** The cells up to the first that does not fit stand side by side, the others below. */
function rowLines(row: readonly string[], widths: readonly number[], columns: number): string[] {
  const wrapped = row.map((cell, i) => wrapAt(/(?<=,)/, cell, widths[i]!));
  const alien = wrapped.findIndex((lines, i) => {
    const end = widths.slice(0, i + 1).reduce((sum, width) => sum + width, i * GAP.length);
    return end > columns || lines.some((line) => columnsOf(line) > widths[i]!);
  });
  const beside = wrapped.slice(0, alien < 0 ? undefined : alien);
  const below = alien < 0 ? [] : row.slice(alien).filter((cell) => cell !== '');
  const height = Math.max(0, ...beside.map((lines) => lines.length));
  const lines = Array.from({ length: height }, (_, y) =>
    beside
      .map((cell, i) => padded(cell[y] ?? '', widths[i]!))
      .join(GAP)
      .trimEnd(),
  );
  const more = below.flatMap((cell) => wrapAt(/(?<=[,/\\])/, cell, columns - INDENT.length));
  return [...lines, ...more.map((line, i) => (i === 0 && alien === 0 ? line : INDENT + line))];
}

/** Wraps at words, and breaks longer words at `places` if that is enough. */
function wrapAt(places: RegExp, cell: string, columns: number): string[] {
  return wrapWords(cell, columns).flatMap((line) => {
    const parts = columnsOf(line) > columns ? line.split(places) : [line];
    if (parts.some((part) => columnsOf(part) > columns)) return [line];
    const lines = [''];
    for (const part of parts) {
      if (columnsOf(lines.at(-1)! + part) > columns) lines.push('');
      lines[lines.length - 1] += part;
    }
    return lines;
  });
}
