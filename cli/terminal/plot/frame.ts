/** Axes around a canvas: values to the left, right aligned, and below. */
import { padded } from '../text/width.ts';
import type { Theme } from '../theme.ts';
import { type Axis, axisOf } from './axes.ts';
import { BrailleCanvas } from './braille.ts';
import type { AxisSpec } from './scene.ts';

/** Cells of a plot, its axes included. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Axes {
  readonly x: { readonly spec: AxisSpec; readonly values: readonly number[] };
  readonly y: { readonly spec: AxisSpec; readonly values: readonly number[] };
}

/** Where a value lies on a canvas, in dots. */
export interface Placing {
  readonly canvas: BrailleCanvas;
  column(x: number): number;
  row(y: number): number;
}

const TICK_COLUMNS = 9; // that a tick of the lower axis needs
const TICK_ROWS = 3;
const LOW_ROWS = 6; // below that the lower axis is named, not drawn

/** A plot of `size`, whose lines are all as wide: `draw` fills the inside. */
export function framedPlot(axes: Axes, size: Size, theme: Theme, draw: (plot: Placing) => void): string[] {
  const below = size.rows < LOW_ROWS ? 1 : 2;
  const rows = Math.max(1, size.rows - below);
  const y = axisOf(axes.y.values, axes.y.spec, Math.max(2, Math.round(rows / TICK_ROWS) + 1));
  const labels = rowLabels(y, rows);
  const left = Math.max(...[...labels.values()].map((text) => text.length));
  const columns = Math.max(4, size.columns - left - 2);
  const x = axisOf(axes.x.values, axes.x.spec, Math.max(2, Math.floor(columns / TICK_COLUMNS)));
  const canvas = new BrailleCanvas(columns, rows);
  draw({
    canvas,
    column: (value) => Math.round(x.at(value) * (canvas.width - 1)),
    row: (value) => Math.round((1 - y.at(value)) * (canvas.height - 1)),
  });
  const { vertical, right } = theme.glyphs.table;
  const inside = canvas.lines(theme).map((line, row) => {
    const label = labels.get(row);
    return `${theme.dim(`${(label ?? '').padStart(left)} ${label === undefined ? vertical : right}`)}${line}`;
  });
  const gap = ' '.repeat(left + 1);
  const axis = below === 2 ? [`${gap}${theme.dim(axisLine(x, columns, theme))}`] : [];
  const foot = `${gap} ${theme.dim(columnLabels(x, axes.x.spec.unit, columns))}`;
  return [...inside, ...axis, foot].map((line) => padded(line, size.columns));
}

/** By row; of two in one row the higher value is kept. */
function rowLabels({ ticks, at }: Axis, rows: number): Map<number, string> {
  return new Map(ticks.map(({ value, text }) => [Math.round((1 - at(value)) * (rows - 1)), text]));
}

function cellOf({ at }: Axis, value: number, columns: number): number {
  return Math.round(at(value) * (columns - 1));
}

function axisLine(x: Axis, columns: number, { glyphs, look }: Theme): string {
  const [corner, tick] = look.ascii ? ['+', '+'] : ['└', '┴'];
  const line = new Array<string>(columns).fill(glyphs.table.horizontal);
  for (const { value } of x.ticks) {
    const cell = cellOf(x, value, columns);
    if (cell > 0) line[cell] = tick;
  }
  return corner + line.join('');
}

/** Centred under their ticks where they do not meet; the unit stands behind the last. */
function columnLabels(x: Axis, unit: string, columns: number): string {
  let line = '';
  for (const [i, { value, text }] of x.ticks.entries()) {
    const isLast = i === x.ticks.length - 1;
    const label = isLast && unit ? `${text} ${unit}` : text;
    const centred = cellOf(x, value, columns) - Math.floor(text.length / 2);
    const start = Math.max(0, Math.min(centred, columns - label.length));
    if (start > 0 && start <= line.length) continue;
    line = line.padEnd(start) + label;
  }
  return line.slice(0, columns);
}
