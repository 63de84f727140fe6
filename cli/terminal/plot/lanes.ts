import { columnsOf } from '../text/width.ts';
import type { Theme } from '../theme.ts';
import { bar, rangeBar } from './bars.ts';
import { labelOf } from './cut.ts';
import type { Lane, LaneScene, RangedRatio, RatioScene } from './scene.ts';

const LEAST_BAR = 6; // cells
const MOST_LABEL_SHARE = 0.4; // of the columns
const MARK = 2; // columns, with the space behind it

/** A line a lane, all bars on one scale from zero: `A cpu ▕████▋  ▏ 412 ±6`. The title is the caller's. */
export function laneLines({ lanes }: LaneScene, columns: number, theme: Theme): string[] {
  const most = Math.max(Number.MIN_VALUE, ...lanes.map(({ value = 0, spread = 0 }) => value + spread));
  return rowsOf(lanes, columns, theme, ({ value = 0 }, cells) => bar(value / most, cells, theme));
}

/** A line a ratio, on one scale around 1, which is marked: `A cpu ▕  ├─●┤ │ ▏ 0.92 (0.88 to 0.97)`. */
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

/** From a ratio to its share of a scale that holds all of them, with 1 in the middle: halves lie as far off as doubles. */
export function ratioScale(ratios: readonly RangedRatio[]): (ratio: number) => number {
  const distances = ratios.flatMap(({ least, most }) => [
    Math.abs(Math.log(least)),
    Math.abs(Math.log(most)),
  ]);
  const farthest = Math.max(0.1, ...distances);
  return (ratio) => 0.5 + Math.log(ratio) / (2.2 * farthest);
}

type Row = Pick<Lane, 'mark' | 'label' | 'text' | 'color'> & Partial<Pick<Lane, 'state'>>;

/** Mark, label, a drawing where there is room for one, text. */
function rowsOf<R extends Row>(
  rows: readonly R[],
  columns: number,
  theme: Theme,
  draw: (row: R, cells: number) => string,
): string[] {
  const widest = Math.max(0, ...rows.map(({ label }) => columnsOf(label)));
  const textColumns = Math.max(0, ...rows.map(({ text }) => columnsOf(text)));
  const room = columns - MARK - textColumns - 1; // for label and drawing
  const besides = Math.min(widest, Math.floor(columns * MOST_LABEL_SHARE));
  const cells = room - besides - 3; // without the ends and a space
  const hasRoom = cells >= LEAST_BAR;
  const labelColumns = hasRoom ? besides : Math.max(0, Math.min(widest, room));
  const [begin, end] = theme.look.ascii ? ['[', ']'] : ['▕', '▏'];
  return rows.map((row) => {
    const paint = theme.series[row.color % theme.series.length]!;
    const calm = row.state === 'waiting' ? theme.dim : (text: string) => text;
    const drawing = hasRoom ? `${theme.dim(begin)}${paint(draw(row, cells))}${theme.dim(end)} ` : '';
    const label = labelOf(row.label, labelColumns, theme.glyphs.ellipsis);
    return `${paint(row.mark)} ${calm(label)} ${drawing}${calm(row.text.padStart(textColumns))}`;
  });
}
