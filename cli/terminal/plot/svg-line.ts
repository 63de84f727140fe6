/** Series over x as a panel of an SVG picture. */
import { axisOf } from './axes.ts';
import { type PointColumn, pointColumns } from './point-columns.ts';
import type { LineScene } from './scene.ts';
import { colorClass, element, type Panel, pixels } from './svg.ts';
import { badge, FOOT, framed, heading, TICKS } from './svg-frame.ts';

const HEIGHT = 190; // pixels

/** The last series is on top; a mark stands at the end of those that have one. */
export function linePanel({ title, x, y, series }: LineScene, width: number): Panel {
  const points = series.flatMap(({ points }) => points);
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const size = { width, height: HEIGHT, unit: x.unit };
  const frame = framed(axisOf(xs, x, width / TICKS.across), axisOf(ys, y, HEIGHT / TICKS.down), size);
  const grid = { column: (value: number) => Math.round(frame.x(value)), row: frame.y };
  const lines = series.map(({ points, color, faint, mark }) => {
    const columns = pointColumns(points, grid);
    const kind = `line stroke ${colorClass(color)}${faint ? ' faint' : ''}`;
    const path = element('path', { d: pathOf(columns), class: kind });
    const end = columns.at(-1);
    return mark && end ? path + badge(mark, color, Math.min(frame.right - 8, end.x + 12), end.last) : path;
  });
  return {
    width,
    height: frame.bottom + FOOT,
    label: `${title}, ${y.unit} over ${x.unit}`,
    body: [heading(title, y.unit, width), frame.body, ...lines].join('\n'),
  };
}

function pathOf(columns: readonly PointColumn[]): string {
  return columns
    .map(({ x, first, upper, lower, last, joined }) => {
      const start = `${joined ? 'L' : 'M'}${pixels(x)} ${pixels(first)}`;
      return upper === lower ? start : `${start}V${pixels(upper)}V${pixels(lower)}V${pixels(last)}`;
    })
    .join('');
}
