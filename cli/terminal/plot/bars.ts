/** Values as cells of one line: a bar, a range, a sparkline. */
import type { Theme } from '../theme.ts';

/** A bar of `cells`, filled up to `share`, 0 to 1; in eighths of a cell where the glyphs allow. */
export function bar(share: number, cells: number, { glyphs }: Theme): string {
  const parts = glyphs.eighths.length - 1;
  const filled = Math.round(Math.max(0, Math.min(1, share)) * cells * parts);
  const whole = Math.floor(filled / parts);
  const part = whole < cells ? glyphs.eighths[filled % parts]! : '';
  return `${glyphs.eighths[parts]!.repeat(whole)}${part}`.padEnd(cells);
}

/** Positions on a scale, 0 to 1. */
export interface Range {
  readonly least: number;
  readonly middle: number;
  readonly most: number;
  /** A line to read the range against. */
  readonly mark?: number;
}

/** A range on a scale of `cells`: ├──●──┤, and a line at `mark` where that cell is free. */
export function rangeBar({ least, middle, most, mark }: Range, cells: number, { glyphs }: Theme): string {
  const { left, right, horizontal, vertical } = glyphs.table;
  const cellOf = (share: number) => Math.round(Math.max(0, Math.min(1, share)) * (cells - 1));
  const line = new Array<string>(cells).fill(' ');
  if (mark !== undefined && mark >= 0 && mark <= 1) line[cellOf(mark)] = vertical;
  line.fill(horizontal, cellOf(least), cellOf(most));
  line[cellOf(least)] = left;
  line[cellOf(most)] = right;
  line[cellOf(middle)] = glyphs.on;
  return line.join('');
}

/** One cell per value, from zero to the largest. With more values than `cells`, a cell shows the largest of several. */
export function sparkline(values: readonly number[], { glyphs }: Theme, cells = values.length): string {
  const most = Math.max(...values, Number.MIN_VALUE);
  const steps = glyphs.spark.length;
  return largestOf(values, cells)
    .map((value) => glyphs.spark[Math.max(0, Math.min(steps - 1, Math.floor((value / most) * steps)))])
    .join('');
}

function largestOf(values: readonly number[], cells: number): readonly number[] {
  if (values.length <= cells) return values;
  const start = (i: number) => Math.floor((i * values.length) / cells);
  return Array.from({ length: cells }, (_, i) => Math.max(...values.slice(start(i), start(i + 1))));
}
