/**
 * Renders tables with lines between the columns. Cells wrap if the terminal is too narrow. If cells would become too
 * narrow, each row becomes a record with one line per cell.
 */
import type { Tokens } from 'marked';
import type { RenderOptions } from '../theme.ts';
import { inlineText } from './inline.ts';
import { columnsOf } from './width.ts';
import { hangingLines, wrapLines } from './wrap.ts';

const LEAST = 8; // least columns of a cell, unless it needs fewer

type Align = Tokens.Table['align'][number];

export function tableLines(table: Tokens.Table, options: RenderOptions): string[] {
  const header = table.header.map((cell) => options.theme.strong(inlineText(cell.tokens, options)));
  const rows = table.rows.map((row) => row.map((cell) => inlineText(cell.tokens, options)));
  const widths = columnWidths([header, ...rows], options.columns);
  if (!widths) return records(header, rows, options.columns);
  const drawn = rows.map((row) => drawRow(row, widths, table.align, options));
  const rule = drawRule(widths, options);
  // If a row has several lines, lines separate the rows.
  const ruled = drawn.some((lines) => lines.length > 1);
  return [
    ...drawRow(header, widths, table.align, options),
    rule,
    ...drawn.flatMap((lines, i) => (ruled && i > 0 ? [rule, ...lines] : lines)),
  ];
}

/** Undefined if the terminal is too narrow. */
function columnWidths(rows: readonly string[][], columns: number): number[] | undefined {
  const count = rows[0]!.length;
  const room = columns - (3 * count + 1); // minus lines, and a space on each side of a cell
  const widths = Array.from({ length: count }, (_, i) =>
    Math.max(1, ...rows.map((row) => Math.min(room, cellWidth(row[i] ?? '')))),
  );
  const least = widths.reduce((sum, width) => sum + Math.min(width, LEAST), 0);
  if (least > room) return undefined;
  for (let over = widths.reduce((sum, width) => sum + width, 0) - room; over > 0; over--) {
    widths[widths.indexOf(Math.max(...widths))]!--;
  }
  return widths;
}

function cellWidth(cell: string): number {
  return Math.max(...cell.split('\n').map(columnsOf));
}

function drawRow(
  cells: readonly string[],
  widths: readonly number[],
  align: readonly Align[],
  { theme }: RenderOptions,
): string[] {
  const wrapped = widths.map((width, i) => wrapLines(cells[i] ?? '', width));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  const bar = theme.dim(theme.glyphs.table.vertical);
  return Array.from({ length: height }, (_, y) => {
    const parts = widths.map((width, i) => ` ${aligned(wrapped[i]![y] ?? '', width, align[i] ?? null)} `);
    return bar + parts.map((part) => part + bar).join('');
  });
}

function aligned(text: string, width: number, align: Align): string {
  const free = Math.max(0, width - columnsOf(text));
  const left = align === 'right' ? free : align === 'center' ? free >> 1 : 0;
  return ' '.repeat(left) + text + ' '.repeat(free - left);
}

function drawRule(widths: readonly number[], { theme }: RenderOptions): string {
  const { horizontal, cross, left, right } = theme.glyphs.table;
  return theme.dim(left + widths.map((width) => horizontal.repeat(width + 2)).join(cross) + right);
}

/** `name: cell` lines, with an empty line between rows. A table without rows shows its names. */
function records(header: readonly string[], rows: readonly string[][], columns: number): string[] {
  if (rows.length === 0) return header.flatMap((name) => wrapLines(name, columns));
  return rows.flatMap((row, i) => {
    const lines = header.flatMap((name, j) => {
      const text = [name && `${name}:`, row[j]].filter(Boolean).join(' ');
      return hangingLines(text, columns, 2);
    });
    return i > 0 ? ['', ...lines] : lines;
  });
}
