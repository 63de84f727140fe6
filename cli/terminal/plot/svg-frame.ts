/** What panels of an SVG picture share: headings, marks, and axes with their grid. */
import type { Axis } from './axes.ts';
import { colorClass, element, pixels, textAt } from './svg.ts';

export const HEADING = 30; // pixels that a heading takes

/** A title, and to the right what the numbers below mean. */
export function heading(title: string, unit: string, width: number): string {
  const right = unit ? textAt(width, 13, unit, { class: 'small note', anchor: 'end' }) : '';
  return textAt(0, 13, title, { class: 'heading' }) + right;
}

/** Pixels that a mark takes at the beginning of a line of text. */
export const MARK = 24;

/** A mark in a disc; (x, y) is its middle. */
export function badge(mark: string, color: number, x: number, y: number): string {
  const size = mark.length > 2 ? ' tiny' : '';
  return (
    element('circle', { cx: x, cy: y, r: 8, class: `fill ${colorClass(color)}` }) +
    textAt(x, y + (size ? 3 : 4), mark, { class: `mark on${size}`, anchor: 'middle' })
  );
}

/** Pixels between two ticks at least. */
export const TICKS = { across: 80, down: 31 } as const;
/** Below the plot, for its ticks. */
export const FOOT = 22;

const LETTER = 6; // pixels of small text, about

export interface Frame {
  readonly left: number; // pixels, as all others
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly body: string; // grid and ticks
}

/** A plot of so many pixels below a heading; the unit stands behind the last tick of x. */
export function framed(
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

/** The last tick with the unit behind it: centred, unless it would reach beyond the plot. */
function lastLabel({ ticks }: Axis, unit: string, x: (value: number) => number, right: number) {
  const { value, text } = ticks.at(-1)!;
  const label = `${text} ${unit}`;
  const width = LETTER * label.length;
  const end = Math.min(right, x(value) + width / 2);
  return { text: label, left: end - width, right: end };
}
