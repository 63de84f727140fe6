import type { Point } from './scene.ts';

/** The points that share a column of dots or pixels; rows count down. */
export interface PointColumn {
  readonly x: number;
  readonly first: number;
  upper: number;
  lower: number;
  last: number;
  /** Whether a line leads there from the column before; not behind a gap. */
  readonly joined: boolean;
}

interface Grid {
  column(x: number): number; // whole
  row(y: number): number;
}

/** A line of points reduced to what can be seen: in every column the ends and the extremes, so that a spike survives. */
export function pointColumns(points: readonly Point[], { column, row }: Grid): PointColumn[] {
  const columns: PointColumn[] = [];
  let joined = false;
  for (const [px, py] of points) {
    const [x, y] = [column(px), row(py)];
    const isGap = !Number.isFinite(x) || !Number.isFinite(y);
    const current = columns.at(-1);
    if (!isGap && joined && current?.x === x) {
      current.upper = Math.min(current.upper, y);
      current.lower = Math.max(current.lower, y);
      current.last = y;
    } else if (!isGap) columns.push({ x, first: y, upper: y, lower: y, last: y, joined });
    joined = !isGap;
  }
  return columns;
}
