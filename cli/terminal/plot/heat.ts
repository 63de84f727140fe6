/** Maps of values as colours: two rows in a line of half blocks. */
import { Chalk } from 'chalk';
import type { Look, Theme } from '../theme.ts';

type Color = readonly [red: number, green: number, blue: number];

/** Cold to hot, at equal distances: matplotlib's inferno, and ColorBrewer's YlOrRd on a white background. */
const RAMPS: Readonly<Record<Look['background'], readonly Color[]>> = {
  dark: [
    [0, 0, 4],
    [87, 16, 110],
    [188, 55, 84],
    [249, 142, 9],
    [252, 255, 164],
  ],
  light: [
    [255, 255, 204],
    [254, 217, 118],
    [253, 141, 60],
    [227, 26, 28],
    [128, 0, 38],
  ],
};

/**
 * Rows of values, 0 to 1, a cell each. With 256 colours or more a line holds two rows: the upper one is the foreground
 * of ▀, the lower one its background. Else a line holds one row, in shades.
 */
export function heatmap(rows: readonly (readonly number[])[], theme: Theme): string[] {
  const { look, glyphs } = theme;
  if (look.color < 2 || look.ascii) {
    const { shades } = glyphs;
    return rows.map((row) => row.map((value) => shades[stepOf(value, shades.length)]).join(''));
  }
  const chalk = new Chalk({ level: look.color });
  const ramp = RAMPS[look.background];
  return Array.from({ length: Math.ceil(rows.length / 2) }, (_, i) => {
    const [upper, lower] = [rows[2 * i]!, rows[2 * i + 1]];
    return upper
      .map((value, column) => {
        const ink = chalk.rgb(...colorOf(value, ramp));
        return (lower ? ink.bgRgb(...colorOf(lower[column]!, ramp)) : ink)('▀');
      })
      .join('');
  });
}

function stepOf(value: number, steps: number): number {
  return Math.max(0, Math.min(steps - 1, Math.floor(value * steps)));
}

function colorOf(value: number, ramp: readonly Color[]): [red: number, green: number, blue: number] {
  const place = Math.max(0, Math.min(1, value || 0)) * (ramp.length - 1);
  const index = Math.min(ramp.length - 2, Math.floor(place));
  const [from, to] = [ramp[index]!, ramp[index + 1]!];
  const part = place - index;
  return [0, 1, 2].map((i) => Math.round(from[i]! + (to[i]! - from[i]!) * part)) as [number, number, number];
}
