/** Paints scenes as lines of text. Titles are left to the caller, except that axes name their units. */
import { percent } from '../../../bench/formats.ts';
import { type Cluster, clusters, columnsOf, padded } from '../text/width.ts';
import { truncate } from '../text/wrap.ts';
import type { Theme } from '../theme.ts';
import { bar, rangeBar } from './bars.ts';
import { BrailleCanvas, type Paint } from './braille.ts';
import {
  type Axes,
  type Axis,
  axisOf,
  type Lane,
  type LaneScene,
  type LineScene,
  laneScale,
  lineAxes,
  pointColumns,
  type RangedRatio,
  type RatioScene,
  type RooflineScene,
  ratioScale,
  roofAt,
  rooflineAxes,
  roofText,
  type Series,
} from './scene.ts';

/** Cells of a plot, axes included. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

function seriesPaint({ series }: Theme, color: number): Paint {
  return series[color % series.length]!;
}

// ----- lanes and ratios

const LEAST_BAR = 6; // cells
const MOST_LABEL_SHARE = 0.4; // of the columns
const MARK = 2; // columns, including the space after it

/** A line per lane, all bars on one scale from zero: `A cpu ▕████▋  ▏ 412 ±6`. */
export function laneLines(scene: LaneScene, columns: number, theme: Theme): string[] {
  const most = laneScale(scene);
  return rowsOf(scene.lanes, columns, theme, ({ value = 0 }, cells) => bar(value / most, cells, theme));
}

/** A line per ratio, on one scale around 1, which is marked: `A cpu ▕  ├─●┤ │ ▏ 0.92 (0.88 to 0.97)`. */
export function ratioLines({ ratios }: RatioScene, columns: number, theme: Theme): string[] {
  const at = ratioScale(ratios);
  const rows = ratios.map((ratio) => ({ ...ratio, text: ratioText(ratio) }));
  return rowsOf(rows, columns, theme, ({ least, median, most }, cells) =>
    rangeBar({ least: at(least), middle: at(median), most: at(most), mark: at(1) }, cells, theme),
  );
}

function ratioText({ median, least, most }: RangedRatio): string {
  return `${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
}

type Row = Pick<Lane, 'mark' | 'label' | 'text' | 'color'> & Partial<Pick<Lane, 'state'>>;

/** Mark, label, drawing (if there is room), text. */
function rowsOf<R extends Row>(
  rows: readonly R[],
  columns: number,
  theme: Theme,
  draw: (row: R, cells: number) => string,
): string[] {
  const widest = Math.max(0, ...rows.map(({ label }) => columnsOf(label)));
  const textColumns = Math.max(0, ...rows.map(({ text }) => columnsOf(text)));
  const room = columns - MARK - textColumns - 1; // for label and drawing
  const beside = Math.min(widest, Math.floor(columns * MOST_LABEL_SHARE));
  const cells = room - beside - 3; // without its two ends and a space
  const hasRoom = cells >= LEAST_BAR;
  const labelColumns = hasRoom ? beside : Math.max(0, Math.min(widest, room));
  const [begin, end] = theme.look.ascii ? ['[', ']'] : ['▕', '▏'];
  return rows.map((row) => {
    const paint = seriesPaint(theme, row.color);
    const calm = row.state === 'waiting' ? theme.dim : (text: string) => text;
    const drawing = hasRoom ? `${theme.dim(begin)}${paint(draw(row, cells))}${theme.dim(end)} ` : '';
    const label = fittedLabel(row.label, labelColumns, theme);
    return `${paint(row.mark)} ${calm(label)} ${drawing}${calm(row.text.padStart(textColumns))}`;
  });
}

// ----- series over x

/** All lines are `size.columns` wide. */
export function lineChart(scene: LineScene, size: Size, theme: Theme): string[] {
  return framedPlot(lineAxes(scene), size, theme, (plot) => {
    for (const series of scene.series) drawSeries(series, plot, theme);
  });
}

function drawSeries({ points, mark, color, faint }: Series, plot: Plot, theme: Theme): void {
  const paint = faint ? theme.dim : seriesPaint(theme, color);
  const { canvas } = plot;
  let end: readonly [x: number, y: number] | undefined;
  for (const { x, first, upper, lower, last, joined } of pointColumns(points, plot.column, plot.row)) {
    if (end && joined) canvas.segment(...end, x, first, paint);
    canvas.segment(x, upper, x, lower, paint);
    end = [x, last];
  }
  if (mark && end) canvas.letter(end[0] + 2, end[1], mark, paint);
}

// ----- rooflines

/** Roofs as dim lines, a letter per dot; faint dots stay dots. */
export function rooflineChart(scene: RooflineScene, size: Size, theme: Theme): string[] {
  const axes = rooflineAxes(scene);
  return framedPlot(axes, size, theme, ({ canvas, column, row }) => {
    const [from = 1, to = 10] = axes.x.values;
    for (const roof of scene.roofs) {
      const ridge = roof.peak / roof.bandwidth;
      const corners = [from / 10, ridge, to * 10].map((x) => [column(x), row(roofAt(roof, x))] as const);
      canvas.segment(...corners[0]!, ...corners[1]!, theme.dim);
      canvas.segment(...corners[1]!, ...corners[2]!, theme.dim);
    }
    for (const { intensity, speed, faint } of scene.dots) {
      if (faint) canvas.dot(column(intensity), row(speed), theme.dim);
    }
    for (const { intensity, speed, mark, color, faint } of scene.dots) {
      if (!faint) canvas.letter(column(intensity), row(speed), mark, seriesPaint(theme, color));
    }
  });
}

/** `A q4_0 576 -> 1536  38 GB/s (71 % of roof)`: a line per dot that has a name. */
export function rooflineLegend({ dots }: RooflineScene, columns: number, theme: Theme): string[] {
  const named = dots.filter(({ faint }) => !faint);
  const widest = (texts: readonly string[]) => Math.max(0, ...texts.map(columnsOf));
  const labelColumns = widest(named.map(({ label }) => label));
  const long = named.map(roofText);
  const isRoomy = 3 + labelColumns + widest(long) <= columns;
  const texts = isRoomy ? long : named.map(({ text, share }) => (share ? `${text} ${percent(share)}` : text));
  const room = Math.max(0, Math.min(labelColumns, columns - widest(texts) - 3));
  return named.map(({ mark, label, color }, i) => {
    const line = `${seriesPaint(theme, color)(mark)} ${fittedLabel(label, room, theme)} ${theme.dim(texts[i]!)}`;
    return truncate(line, columns, theme.glyphs.ellipsis);
  });
}

// ----- axes around a canvas

/** A canvas, and the dots on it that values map to. */
interface Plot {
  readonly canvas: BrailleCanvas;
  readonly column: (x: number) => number;
  readonly row: (y: number) => number;
}

const TICK_COLUMNS = 9; // that a tick of the lower axis needs
const TICK_ROWS = 3;
const LOW_ROWS = 6; // with fewer rows the lower axis has labels, but no line

/** A plot of `size` with axes: labels of y to the left, right aligned, those of x below. `draw` fills the inside. */
function framedPlot(axes: Axes, size: Size, theme: Theme, draw: (plot: Plot) => void): string[] {
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

/** Labels by row; of two in one row the higher value stays. */
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

/** Labels centred under their ticks, without those that would touch; the unit follows the last. */
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

// ----- labels

/** A label of exactly `columns`. A long one loses its middle, because names differ at their ends. It may be padded. */
function fittedLabel(label: string, columns: number, { glyphs }: Theme): string {
  const text = label.trimEnd();
  if (columnsOf(text) <= columns) return padded(text, columns);
  const parts = [...clusters(text)];
  const room = Math.max(0, columns - columnsOf(glyphs.ellipsis));
  const end = fitting(parts.toReversed(), Math.floor(room / 2)).toReversed();
  const start = fitting(parts, room - widthOf(end));
  const written = [...start, { text: glyphs.ellipsis }, ...end].map(({ text }) => text).join('');
  return padded(written, columns);
}

/** The longest beginning of `parts` that takes at most `columns`. */
function fitting(parts: readonly Cluster[], columns: number): readonly Cluster[] {
  let room = columns;
  const over = parts.findIndex(({ width }) => {
    room -= width;
    return room < 0;
  });
  return over < 0 ? parts : parts.slice(0, over);
}

function widthOf(parts: readonly Cluster[]): number {
  return parts.reduce((sum, { width }) => sum + width, 0);
}
