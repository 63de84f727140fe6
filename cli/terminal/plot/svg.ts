/** Paints scenes as panels of an SVG picture. */
import { digits } from '../../../bench/formats.ts';
import {
  type Axis,
  axisOf,
  type Lane,
  type LaneScene,
  type LineScene,
  laneScale,
  lineAxes,
  type PointColumn,
  pointColumns,
  type RangedRatio,
  type RatioScene,
  type Roof,
  type RooflineDot,
  type RooflineScene,
  ratioScale,
  roofAt,
  rooflineAxes,
  roofText,
  type Series,
} from './scene.ts';
import {
  colorClass,
  element,
  fitted,
  movedBy,
  type Panel,
  pixels,
  textAt,
  textWidth,
} from './svg-picture.ts';

const HEADING = 30; // pixels, as all sizes below

/** A title, and to the right the meaning of the numbers below. */
function heading(title: string, unit: string, width: number): string {
  const right = unit ? textAt(width, 13, unit, { class: 'small note', anchor: 'end' }) : '';
  return textAt(0, 13, title, { class: 'heading' }) + right;
}

const MARK = 24; // a mark at the beginning of a line of text

/** A mark in a disc; (x, y) is its middle. */
function badge(mark: string, color: number, x: number, y: number): string {
  const size = mark.length > 2 ? ' tiny' : '';
  return (
    element('circle', { cx: x, cy: y, r: 8, class: `fill ${colorClass(color)}` }) +
    textAt(x, y + (size ? 3 : 4), mark, { class: `mark on${size}`, anchor: 'middle' })
  );
}

// ----- lanes and ratios

const LANE = 26;
const VALUE = 92;
const LABEL_SHARE = [0.25, 0.5] as const; // of the width, least and most

/** The place of bars, after the labels. */
interface BarRoom {
  readonly from: number;
  readonly length: number;
  readonly width: number; // of the panel
}

function barRoom(rows: readonly { readonly label: string }[], width: number): BarRoom {
  const widest = MARK + 10 + Math.max(0, ...rows.map(({ label }) => textWidth(label)));
  const from = Math.round(Math.max(LABEL_SHARE[0] * width, Math.min(LABEL_SHARE[1] * width, widest)));
  return { from, length: width - from - VALUE, width };
}

/** Bars on one scale, with their spread as whiskers. */
export function lanePanel(scene: LaneScene, width: number): Panel {
  const { lanes, title, unit } = scene;
  const most = laneScale(scene);
  const room = barRoom(lanes, width);
  const rows = lanes.map((lane, i) => movedBy(0, HEADING + LANE * i, laneRow(lane, most, room)));
  return {
    width,
    height: HEADING + LANE * lanes.length,
    label: `${title}, ${unit}: ${lanes.map(({ label, text }) => `${label} ${text}`).join(', ')}`,
    body: [heading(title, unit, width), ...rows].join('\n'),
  };
}

function laneRow({ value = 0, spread = 0, text, ...lane }: Lane, most: number, room: BarRoom): string {
  const filled = (room.length * value) / most;
  const reach = (room.length * spread) / most;
  const end = room.from + filled;
  const kind = `fill ${colorClass(lane.color)}`;
  const parts = [
    ...rowStart(lane, room),
    element('rect', { x: room.from, y: 3, width: filled, height: 14, rx: 3, class: kind }),
    textAt(room.width, 14, text, { anchor: 'end' }),
  ];
  if (reach > 0.5) {
    parts.push(whisker(Math.max(room.from, end - reach), Math.min(room.from + room.length, end + reach)));
  }
  return parts.join('');
}

/** Mark, label and the empty track of a bar. */
function rowStart(
  { mark, label, color }: Pick<Lane, 'mark' | 'label' | 'color'>,
  { from, length }: BarRoom,
): string[] {
  return [
    badge(mark, color, 9, 10),
    textAt(MARK, 14, fitted(label, from - MARK - 6)),
    element('rect', { x: from, y: 3, width: length, height: 14, rx: 3, class: 'track' }),
  ];
}

function whisker(from: number, to: number): string {
  const [a, b] = [pixels(from), pixels(to)];
  return element('path', { d: `M${a} 10H${b}M${a} 6v8M${b} 6v8`, class: 'whisker' });
}

/** Ratios as ranges on one scale around 1. */
export function ratioPanel({ title, ratios }: RatioScene, width: number): Panel {
  const at = ratioScale(ratios);
  const room = barRoom(ratios, width);
  const height = HEADING + LANE * ratios.length + 16;
  const one = room.from + room.length * at(1);
  const rows = ratios.map((ratio, i) => movedBy(0, HEADING + LANE * i, ratioRow(ratio, at, room)));
  const line = element('path', { d: `M${pixels(one)} ${HEADING - 4}V${height - 14}`, class: 'roof' });
  return {
    width,
    height,
    label: `${title}: ${ratios.map(({ label, median }) => `${label} ${median.toFixed(2)}`).join(', ')}`,
    body: [
      heading(title, 'median, least to most', width),
      ...rows,
      line,
      textAt(one, height - 2, '1, as fast', { class: 'small note', anchor: 'middle' }),
    ].join('\n'),
  };
}

function ratioRow(ratio: RangedRatio, at: (ratio: number) => number, room: BarRoom): string {
  const { median, least, most, color } = ratio;
  const x = (value: number) => room.from + room.length * at(value);
  const range = `M${pixels(x(least))} 10H${pixels(x(most))}`;
  const spread = `${least.toFixed(2)} to ${most.toFixed(2)}`;
  return [
    ...rowStart(ratio, room),
    element('path', { d: range, class: `stroke ${colorClass(color)}`, 'stroke-width': 4 }),
    element('circle', { cx: x(median), cy: 10, r: 5, class: `fill ${colorClass(color)}` }),
    textAt(room.width, 9, median.toFixed(2), { anchor: 'end' }),
    textAt(room.width, 21, spread, { anchor: 'end', class: 'small note' }),
  ].join('');
}

// ----- series over x

const LINE_HEIGHT = 190;

/** Draws the mark of a series at its end. */
export function linePanel(scene: LineScene, width: number): Panel {
  const { title, x, y } = scene;
  const axes = lineAxes(scene);
  const size = { width, height: LINE_HEIGHT, unit: x.unit };
  const frame = framed(
    axisOf(axes.x.values, x, width / TICKS.across),
    axisOf(axes.y.values, y, LINE_HEIGHT / TICKS.down),
    size,
  );
  return {
    width,
    height: frame.bottom + FOOT,
    label: `${title}, ${y.unit} over ${x.unit}`,
    body: [
      heading(title, y.unit, width),
      frame.body,
      ...scene.series.map((series) => seriesPath(series, frame)),
    ].join('\n'),
  };
}

function seriesPath({ points, color, faint, mark }: Series, frame: Frame): string {
  const columns = pointColumns(points, (value) => Math.round(frame.x(value)), frame.y);
  const kind = `line stroke ${colorClass(color)}${faint ? ' faint' : ''}`;
  const path = element('path', { d: columns.map(columnPath).join(''), class: kind });
  const end = columns.at(-1);
  return mark && end ? path + badge(mark, color, Math.min(frame.right - 8, end.x + 12), end.last) : path;
}

function columnPath({ x, first, upper, lower, last, joined }: PointColumn): string {
  const start = `${joined ? 'L' : 'M'}${pixels(x)} ${pixels(first)}`;
  return upper === lower ? start : `${start}V${pixels(upper)}V${pixels(lower)}V${pixels(last)}`;
}

// ----- rooflines

const ROOFLINE_HEIGHT = { few: 190, many: 380 } as const;
/** Most dots that are drawn as discs. More are too close: they become small dots, with marks if there is room. */
const FEW_DOTS = 24;
const ROOF_NAME = 20; // height with some air

type Spot = readonly [x: number, y: number];

/** Roofs, a dot with its mark for each speed, and below them a legend of the marks. */
export function rooflinePanel(scene: RooflineScene, width: number): Panel {
  const { title, roofs, dots } = scene;
  const isCrowded = dots.length > FEW_DOTS;
  const height = isCrowded ? ROOFLINE_HEIGHT.many : ROOFLINE_HEIGHT.few;
  const axes = rooflineAxes(scene);
  const x = axisOf(axes.x.values, axes.x.spec, width / TICKS.across);
  const y = axisOf(axes.y.values, axes.y.spec, height / TICKS.down);
  const frame = framed(x, y, { width, height, unit: axes.x.spec.unit });
  const legend = legendOf(dots, width);
  const top = frame.bottom + FOOT + 14;
  return {
    width,
    height: top + legend.height,
    label: `${title}: ${dots.map((dot) => `${dot.label} ${roofText(dot)}`).join(', ')}`,
    body: [
      heading(title, axes.y.spec.unit, width),
      frame.body,
      ...drawnRoofs(roofs, { x, y }, frame),
      ...(isCrowded ? smallDots(dots, frame) : discs(dots, frame)),
      movedBy(0, top, legend.body),
    ].join('\n'),
  };
}

/** Slope and flat part of each roof, named where no other is near. */
function drawnRoofs(roofs: readonly Roof[], { x, y }: { x: Axis; y: Axis }, frame: Frame): string[] {
  const slopes = roofs.map(({ bandwidth }) => frame.y(bandwidth * x.from));
  const flats = roofs.map(({ peak }) => frame.y(peak));
  const isAlone = (all: readonly number[], i: number) =>
    all.every((other, j) => j === i || Math.abs(other - all[i]!) > ROOF_NAME);
  return roofs.flatMap((roof, i) => {
    const { bandwidth, peak } = roof;
    const [start, ridge, end] = [Math.max(x.from, y.from / bandwidth), peak / bandwidth, x.to].map(
      (value): Spot => [frame.x(value), frame.y(roofAt(roof, value))],
    ) as [Spot, Spot, Spot];
    const d = `M${[start, ridge, end].map(([px, py]) => `${pixels(px)} ${pixels(py)}`).join('L')}`;
    const kind = roofs.length > 1 ? `roof stroke ${colorClass(roof.color)}` : 'roof';
    return [
      element('path', { d, class: kind }),
      ...(isAlone(slopes, i) ? [nameAlong(start, ridge, `${digits(bandwidth)} GB/s`)] : []),
      ...(isAlone(flats, i) ? [nameAlong(ridge, end, `${digits(peak)} GMAC/s`)] : []),
    ];
  });
}

/** Text above the middle of a line, rotated with it. */
function nameAlong(from: Spot, to: Spot, name: string): string {
  const [x, y] = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
  const angle = (Math.atan2(to[1] - from[1], to[0] - from[0]) * 180) / Math.PI;
  const text = textAt(x, y - 6, name, { class: 'small note', anchor: 'middle' });
  return element('g', { transform: `rotate(${pixels(angle)} ${pixels(x)} ${pixels(y)})` }, text);
}

const LEGEND = { line: 19, column: 400, gap: 28 } as const; // a column is at least so wide

function legendOf(dots: readonly RooflineDot[], width: number): { height: number; body: string } {
  const columns = Math.max(1, Math.floor(width / LEGEND.column));
  const each = (width - LEGEND.gap * (columns - 1)) / columns;
  const lines = Math.ceil(dots.length / columns);
  const rows = dots.map((dot, i) => {
    const left = Math.floor(i / lines) * (each + LEGEND.gap);
    return movedBy(left, LEGEND.line * (i % lines), legendRow(dot, each));
  });
  return { height: LEGEND.line * lines, body: rows.join('\n') };
}

function legendRow(dot: RooflineDot, width: number): string {
  const { mark, label, color } = dot;
  const text = roofText(dot);
  return [
    badge(mark, color, 9, 8),
    textAt(MARK, 12, fitted(label, width - MARK - textWidth(text) - 8)),
    textAt(width, 12, text, { anchor: 'end', class: 'note' }),
  ].join('');
}

/** Discs on the dots. One that would cover another is moved aside, with a line to its dot. */
function discs(dots: readonly RooflineDot[], frame: Frame): string[] {
  const taken: Spot[] = [];
  return dots.map(({ mark, color, intensity, speed }) => {
    const spot: Spot = [frame.x(intensity), frame.y(speed)];
    const place = freePlace(spot, DISC_PLACES, frame, (other) => taken.every((t) => distance(t, other) > 17));
    const [x, y] = place ?? spot;
    taken.push([x, y]);
    if (x === spot[0] && y === spot[1]) return badge(mark, color, x, y);
    const line = `M${pixels(spot[0])} ${pixels(spot[1])}L${pixels(x)} ${pixels(y)}`;
    const leader = element('path', { d: line, class: `stroke ${colorClass(color)}` });
    return leader + dotAt(spot, color, 2.5) + badge(mark, color, x, y);
  });
}

/** Small dots, with their marks beside them if there is room. */
function smallDots(dots: readonly RooflineDot[], frame: Frame): string[] {
  const spots = dots.map(({ intensity, speed }): Spot => [frame.x(intensity), frame.y(speed)]);
  const taken = [...spots];
  const marks = dots.map(({ mark }, i) => {
    const isFree = (other: Spot) => taken.every((t) => t === spots[i] || distance(t, other) > 9);
    const place = freePlace(spots[i]!, MARK_PLACES, frame, isFree);
    if (!place) return '';
    taken.push(place);
    return textAt(place[0], place[1] + 3, mark, { class: 'tiny', anchor: 'middle' });
  });
  return [...spots.map((spot, i) => dotAt(spot, dots[i]!.color, 3)), ...marks];
}

function dotAt([cx, cy]: Spot, color: number, r: number): string {
  return element('circle', { cx, cy, r, class: `fill ${colorClass(color)}` });
}

/** The first free place around a spot that is inside the frame. */
function freePlace(
  [x, y]: Spot,
  places: readonly Spot[],
  { left, right, top, bottom }: Frame,
  isFree: (spot: Spot) => boolean,
): Spot | undefined {
  const isInside = ([px, py]: Spot) => px > left + 8 && px < right - 8 && py > top + 8 && py < bottom - 8;
  return places.map(([dx, dy]): Spot => [x + dx, y + dy]).find((spot) => isInside(spot) && isFree(spot));
}

function distance([x0, y0]: Spot, [x1, y1]: Spot): number {
  return Math.hypot(x1 - x0, y1 - y0);
}

/** Offsets around a spot. */
function ring(radius: number, count: number): Spot[] {
  return Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    return [radius * Math.cos(angle), -radius * Math.sin(angle)];
  });
}

const DISC_PLACES: readonly Spot[] = [[0, 0], ...ring(18, 12), ...ring(30, 12), ...ring(44, 12)];
const MARK_PLACES: readonly Spot[] = [...ring(10, 8), ...ring(14, 8)];

// ----- axes with their grid

const TICKS = { across: 80, down: 31 } as const; // least distance of two ticks
const FOOT = 22; // below a plot, for its ticks
const LETTER = 6; // of small text, about

interface Frame {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly body: string; // grid and ticks
}

/** A frame below a heading; the unit follows the last tick of x. */
function framed(
  x: Axis,
  y: Axis,
  { width, height, unit }: { width: number; height: number; unit: string },
): Frame {
  const longest = Math.max(...y.ticks.map(({ text }) => text.length));
  const [left, top, right, bottom] = [longest * 6.5 + 8, HEADING, width - 4, HEADING + height];
  const toX = (value: number) => left + x.at(value) * (right - left);
  const toY = (value: number) => bottom - y.at(value) * (bottom - top);
  const across = y.ticks.map(({ value, text }) => {
    const at = toY(value);
    const line = `M${pixels(left)} ${pixels(at)}H${pixels(right)}`;
    const label = textAt(left - 6, at + 4, text, { class: 'small note', anchor: 'end' });
    return element('path', { d: line, class: 'grid' }) + label;
  });
  const end = lastLabel(x, unit, toX, right);
  const down = x.ticks.map(({ value, text }, i) => {
    const at = toX(value);
    const line = element('path', { d: `M${pixels(at)} ${pixels(top)}V${pixels(bottom)}`, class: 'grid' });
    if (i === x.ticks.length - 1) {
      return line + textAt(end.right, bottom + 16, end.text, { class: 'small note', anchor: 'end' });
    }
    if (at + (LETTER * text.length) / 2 > end.left - 12) return line;
    return line + textAt(at, bottom + 16, text, { class: 'small note', anchor: 'middle' });
  });
  return { left, top, right, bottom, x: toX, y: toY, body: [...across, ...down].join('\n') };
}

/** The last tick and the unit, centred unless that would leave the plot. */
function lastLabel({ ticks }: Axis, unit: string, x: (value: number) => number, right: number) {
  const { value, text } = ticks.at(-1)!;
  const label = `${text} ${unit}`;
  const width = LETTER * label.length;
  const end = Math.min(right, x(value) + width / 2);
  return { text: label, left: end - width, right: end };
}
