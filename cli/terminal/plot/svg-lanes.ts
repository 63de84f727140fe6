/** Lanes and ratios as panels of an SVG picture. */
import { ratioScale } from './lanes.ts';
import type { Lane, LaneScene, RangedRatio, RatioScene } from './scene.ts';
import { colorClass, element, fitted, movedBy, type Panel, pixels, textAt, textWidth } from './svg.ts';
import { badge, HEADING, heading, MARK } from './svg-frame.ts';

const LANE = 26; // pixels
const VALUE = 92;
const LABEL_SHARE = [0.25, 0.5] as const; // of the width, least and most

/** Where bars begin, behind the labels, and how long they are. */
interface BarRoom {
  readonly from: number;
  readonly length: number;
  readonly width: number; // of the panel
}

function barRoom(labels: readonly string[], width: number): BarRoom {
  const widest = MARK + 10 + Math.max(0, ...labels.map((label) => textWidth(label)));
  const from = Math.round(Math.max(LABEL_SHARE[0] * width, Math.min(LABEL_SHARE[1] * width, widest)));
  return { from, length: width - from - VALUE, width };
}

/** Bars on one scale, with their spread as whiskers. */
export function lanePanel({ lanes, title, unit }: LaneScene, width: number): Panel {
  const most = Math.max(Number.MIN_VALUE, ...lanes.map(({ value = 0, spread = 0 }) => value + spread));
  const room = barRoom(
    lanes.map(({ label }) => label),
    width,
  );
  const rows = lanes.map((lane, i) => movedBy(0, HEADING + LANE * i, laneRow(lane, most, room)));
  return {
    width,
    height: HEADING + LANE * lanes.length,
    label: `${title}, ${unit}: ${lanes.map(({ label, text }) => `${label} ${text}`).join(', ')}`,
    body: [heading(title, unit, width), ...rows].join('\n'),
  };
}

function laneRow(
  { mark, label, value = 0, spread = 0, text, color }: Lane,
  most: number,
  room: BarRoom,
): string {
  const filled = (room.length * value) / most;
  const reach = (room.length * spread) / most;
  const end = room.from + filled;
  const bar = { x: room.from, y: 3, width: filled, height: 14, rx: 3, class: `fill ${colorClass(color)}` };
  const parts = [
    ...rowStart(mark, label, color, room),
    element('rect', bar),
    textAt(room.width, 14, text, { anchor: 'end' }),
  ];
  if (reach > 0.5) {
    parts.push(whisker(Math.max(room.from, end - reach), Math.min(room.from + room.length, end + reach)));
  }
  return parts.join('');
}

function rowStart(mark: string, label: string, color: number, { from, length }: BarRoom): string[] {
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
  const room = barRoom(
    ratios.map(({ label }) => label),
    width,
  );
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
  const { mark, label, median, least, most, color } = ratio;
  const x = (value: number) => room.from + room.length * at(value);
  const range = `M${pixels(x(least))} 10H${pixels(x(most))}`;
  const spread = `${least.toFixed(2)} to ${most.toFixed(2)}`;
  return [
    ...rowStart(mark, label, color, room),
    element('path', { d: range, class: `stroke ${colorClass(color)}`, 'stroke-width': 4 }),
    element('circle', { cx: x(median), cy: 10, r: 5, class: `fill ${colorClass(color)}` }),
    textAt(room.width, 9, median.toFixed(2), { anchor: 'end' }),
    textAt(room.width, 21, spread, { anchor: 'end', class: 'small note' }),
  ].join('');
}
