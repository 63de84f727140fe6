import type { Theme } from '../theme.ts';
import type { Paint } from './braille.ts';
import { framedPlot, type Placing, type Size } from './frame.ts';
import { pointColumns } from './point-columns.ts';
import type { LineScene, Point, Series } from './scene.ts';

/** Series over x as lines of text, all `size.columns` wide. The title is the caller's. */
export function lineChart({ x, y, series }: LineScene, size: Size, theme: Theme): string[] {
  const points = series.flatMap(({ points }) => points);
  const axes = {
    x: { spec: x, values: points.map(([x]) => x) },
    y: { spec: y, values: points.map(([, y]) => y) },
  };
  return framedPlot(axes, size, theme, (plot) => {
    for (const each of series) drawSeries(each, plot, theme);
  });
}

function drawSeries({ points, mark, color, faint }: Series, plot: Placing, theme: Theme): void {
  const paint = faint ? theme.dim : theme.series[color % theme.series.length]!;
  const end = drawPoints(points, plot, paint);
  if (mark && end) plot.canvas.letter(end[0] + 2, end[1], mark, paint);
}

/**
 * In every column of dots the least and the greatest value are drawn, so that a spike survives however many points share
 * the column. Returns the dot where the line ends.
 */
function drawPoints(points: readonly Point[], plot: Placing, paint: Paint) {
  const { canvas } = plot;
  let before: readonly [x: number, y: number] | undefined;
  for (const { x, first, upper, lower, last, joined } of pointColumns(points, plot)) {
    if (before && joined) canvas.segment(...before, x, first, paint);
    canvas.segment(x, upper, x, lower, paint);
    before = [x, last];
  }
  return before;
}
