/** Speeds under the roofs of a machine, in cells. */

import { percent } from '../../../bench/formats.ts';
import { columnsOf } from '../text/width.ts';
import { truncate } from '../text/wrap.ts';
import type { Theme } from '../theme.ts';
import { labelOf } from './cut.ts';
import { framedPlot, type Size } from './frame.ts';
import type { AxisSpec, Roof, RooflineDot, RooflineScene } from './scene.ts';

/** Room left beside and below the outermost dots. */
const MARGIN = 1.5;

/** What both painters draw over: decades around the dots and the ridge, the point from which multiplying limits. */
export function rooflineAxes({ roofs, dots }: RooflineScene) {
  const ridges = roofs.map(({ bandwidth, peak }) => peak / bandwidth);
  const intensities = [...ridges, ...dots.map(({ intensity }) => intensity)];
  const peaks = roofs.map(({ peak }) => peak);
  const speeds = [...peaks, ...dots.map(({ speed }) => speed)];
  const spread = (values: number[]) =>
    values.length > 0 ? [Math.min(...values) / MARGIN, Math.max(...values) * MARGIN] : [];
  const log = true;
  return {
    x: { spec: { unit: 'MAC/B', log } as AxisSpec, values: spread(intensities) },
    y: { spec: { unit: 'GMAC/s', log } as AxisSpec, values: spread(speeds) },
  };
}

/** The speed that a roof allows at an intensity. */
export function roofAt({ bandwidth, peak }: Roof, intensity: number): number {
  return Math.min(peak, bandwidth * intensity);
}

/** Roofs as dim lines, a letter a dot. */
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
      if (!faint)
        canvas.letter(column(intensity), row(speed), mark, theme.series[color % theme.series.length]!);
    }
  });
}

/** `A q4_0 576 -> 1536  38 GB/s (71 % of roof)`, a line a dot that has a name. */
export function rooflineLegend({ dots }: RooflineScene, columns: number, theme: Theme): string[] {
  const named = dots.filter(({ faint }) => !faint);
  const widest = (texts: readonly string[]) => Math.max(0, ...texts.map(columnsOf));
  const labelColumns = widest(named.map(({ label }) => label));
  const long = named.map(roofText);
  const isRoomy = 3 + labelColumns + widest(long) <= columns;
  const texts = isRoomy ? long : named.map(({ text, share }) => (share ? `${text} ${percent(share)}` : text));
  const room = Math.max(0, Math.min(labelColumns, columns - widest(texts) - 3));
  const { ellipsis } = theme.glyphs;
  return named.map(({ mark, label, color }, i) => {
    const paint = theme.series[color % theme.series.length]!;
    return truncate(
      `${paint(mark)} ${labelOf(label, room, ellipsis)} ${theme.dim(texts[i]!)}`,
      columns,
      ellipsis,
    );
  });
}

/** 38 GB/s (71 % of roof) */
export function roofText({ text, share }: RooflineDot): string {
  return share === undefined ? text : `${text} (${percent(share)} of roof)`;
}
