/** Speeds under the roofs of a machine as a panel of an SVG picture. */
import { digits } from '../../../bench/formats.ts';
import { type Axis, axisOf } from './axes.ts';
import { roofAt, rooflineAxes, roofText } from './roofline.ts';
import type { Roof, RooflineDot, RooflineScene } from './scene.ts';
import { colorClass, element, fitted, movedBy, type Panel, pixels, textAt, textWidth } from './svg.ts';
import { badge, FOOT, type Frame, framed, heading, MARK, TICKS } from './svg-frame.ts';

const HEIGHT = { few: 190, many: 380 } as const; // pixels
/** More dots are too close for discs: they are numbered where there is room. */
const FEW_DOTS = 24;
const LEGEND = 19; // pixels a line
const LEGEND_COLUMN = 400; // at least
const LEGEND_GAP = 28;
const ROOF_NAME = 20; // its height and some air

type Spot = readonly [x: number, y: number];

/** Roofs, a dot with its mark for each speed, and below what the marks mean. */
export function rooflinePanel(scene: RooflineScene, width: number): Panel {
  const { title, roofs, dots } = scene;
  const height = dots.length > FEW_DOTS ? HEIGHT.many : HEIGHT.few;
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
      ...(dots.length > FEW_DOTS ? smallDots(dots, frame) : discs(dots, frame)),
      movedBy(0, top, legend.body),
    ].join('\n'),
  };
}

/** Slope and flat of each roof, named where no other is near. */
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

/** Above the middle of a line, turned like it. */
function nameAlong(from: Spot, to: Spot, name: string): string {
  const [x, y] = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
  const angle = (Math.atan2(to[1] - from[1], to[0] - from[0]) * 180) / Math.PI;
  const text = textAt(x, y - 6, name, { class: 'small note', anchor: 'middle' });
  return element('g', { transform: `rotate(${pixels(angle)} ${pixels(x)} ${pixels(y)})` }, text);
}

function legendOf(dots: readonly RooflineDot[], width: number): { height: number; body: string } {
  const columns = Math.max(1, Math.floor(width / LEGEND_COLUMN));
  const each = (width - LEGEND_GAP * (columns - 1)) / columns;
  const lines = Math.ceil(dots.length / columns);
  const rows = dots.map((dot, i) => {
    const left = Math.floor(i / lines) * (each + LEGEND_GAP);
    return movedBy(left, LEGEND * (i % lines), legendRow(dot, each));
  });
  return { height: LEGEND * lines, body: rows.join('\n') };
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

/** Discs where the dots are; one that would cover another is moved beside it, with a line to where it belongs. */
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

/** Many dots as they lie, and beside them their marks where nothing is. */
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

function freePlace(
  [x, y]: Spot,
  places: readonly Spot[],
  { left, right, top, bottom }: Frame,
  isFree: (spot: Spot) => boolean,
): Spot | undefined {
  return places
    .map(([dx, dy]): Spot => [x + dx, y + dy])
    .find(
      (spot) =>
        spot[0] > left + 8 &&
        spot[0] < right - 8 &&
        spot[1] > top + 8 &&
        spot[1] < bottom - 8 &&
        isFree(spot),
    );
}

function distance([x0, y0]: Spot, [x1, y1]: Spot): number {
  return Math.hypot(x1 - x0, y1 - y0);
}

/** Offsets in pixels around a dot. */
function ring(radius: number, count: number): Spot[] {
  return Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    return [radius * Math.cos(angle), -radius * Math.sin(angle)];
  });
}

const DISC_PLACES: readonly Spot[] = [[0, 0], ...ring(18, 12), ...ring(30, 12), ...ring(44, 12)];
const MARK_PLACES: readonly Spot[] = [...ring(10, 8), ...ring(14, 8)];
