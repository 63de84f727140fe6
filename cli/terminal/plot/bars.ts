import type { Theme } from '../theme.ts';

/** A bar of so many cells, filled as far as `share`, 0 to 1, says; in parts of a cell where there are glyphs for it. */
export function bar(share: number, cells: number, { glyphs }: Theme): string {
  const parts = glyphs.eighths.length - 1;
  const filled = Math.round(Math.max(0, Math.min(1, share)) * cells * parts);
  const whole = Math.floor(filled / parts);
  const part = whole < cells ? glyphs.eighths[filled % parts]! : '';
  return `${glyphs.eighths[parts]!.repeat(whole)}${part}`.padEnd(cells);
}

/** Shares of a scale, 0 to 1. */
export interface Range {
  readonly least: number;
  readonly middle: number;
  readonly most: number;
  /** What the range is read against. */
  readonly mark?: number;
}

/** A range on a scale of so many cells: ├──●──┤, and a line at `mark` where nothing else is. */
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
