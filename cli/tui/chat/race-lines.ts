/** A race as lines: two columns, or one below the other on a narrow terminal. Pure. */
import stringWidth from 'string-width';
import { type Lane, textAfter } from '../../chat/race.ts';
import { bar } from '../../terminal/plot/bars.ts';
import { terminalLine, terminalText } from '../../terminal/terminal-text.ts';
import { columnsOf } from '../../terminal/text/width.ts';
import { truncate, wrapLines } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';
import type { Room } from './inspector-lines.ts';
import { keyBar } from './key-bar.ts';
import { laneFigures, type RaceState } from './race-model.ts';

const SIDE_BY_SIDE_COLUMNS = 60;
const LEAST_FOR_BARS = 50; // columns

/** @param now by performance.now() */
export function raceLines(
  { lanes, clock, over, prompt }: RaceState,
  room: Room,
  theme: Theme,
  now: number,
): string[] {
  const width = room.columns - 1;
  const elapsed = clock > 0 ? now - clock : 0;
  const running = lanes.findLastIndex(({ status }) => status !== 'waiting' && status !== 'loading');
  const texts = lanes.map((lane, i) => textAfter(lane, i === running ? Number.POSITIVE_INFINITY : elapsed));
  const fastest = Math.max(1e-9, ...lanes.map(({ tokensPerSecond }) => tokensPerSecond));
  const head = [
    truncate(`${theme.strong('Race')}  ${theme.dim(terminalLine(prompt))}`, width, theme.glyphs.ellipsis),
    ...lanes.map((lane, i) => laneLine(lane, texts[i]!.tokens, fastest, lanes, width, theme)),
    truncate(theme.dim(note(lanes, running, elapsed, over)), width, theme.glyphs.ellipsis),
    '',
  ];
  const rows = Math.max(2, room.rows - head.length - 1);
  const text =
    width >= SIDE_BY_SIDE_COLUMNS
      ? besides(texts, width, rows, theme)
      : below(texts, width, rows, lanes, theme);
  const keys = [over ? 'Esc leave' : 'Esc stop and leave'];
  return [...[...head, ...text].slice(0, room.rows - 1), keyBar(keys, width, theme)];
}

function laneLine(
  lane: Lane,
  tokens: number,
  fastest: number,
  lanes: readonly Lane[],
  width: number,
  theme: Theme,
): string {
  const nameWidth = Math.max(...lanes.map(({ name }) => name.length));
  const color = theme.series[lanes.findIndex(({ name }) => name === lane.name) % theme.series.length]!;
  const won =
    lane.status === 'finished' &&
    lane.tokensPerSecond === fastest &&
    lanes.every(({ status }) => status === 'finished');
  const cells = Math.max(6, Math.min(24, width - nameWidth - 50));
  const mark = won ? theme.ok(theme.glyphs.check) : ' ';
  const share = width < LEAST_FOR_BARS ? '' : ` ${color(bar(lane.tokensPerSecond / fastest, cells, theme))}`;
  const front = `${mark} ${color(lane.name.padEnd(nameWidth))}${share} ${`${tokens}`.padStart(4)} tokens  `;
  const all = laneFigures(lane);
  const room = width - columnsOf(front);
  const fits = (count: number) => count === 1 || columnsOf(all.slice(0, count).join(', ')) <= room;
  const count = all.findLastIndex((_, i) => fits(i + 1)) + 1;
  return truncate(front + all.slice(0, count).join(', '), width, theme.glyphs.ellipsis);
}

function note(lanes: readonly Lane[], running: number, elapsed: number, over: boolean): string {
  if (over) return 'each ran alone; both are shown on one clock';
  if (running <= 0) return 'they run one after the other, so that neither slows the other';
  return `${lanes[running]!.name} is running, ${lanes[0]!.name} is replayed beside it: ${(elapsed / 1000).toFixed(1)} s`;
}

function besides(said: readonly { text: string }[], width: number, rows: number, theme: Theme): string[] {
  const cell = Math.floor((width - 3) / 2);
  const columns = said.map(({ text }) => tail(text, cell, rows));
  const height = Math.max(...columns.map((lines) => lines.length));
  return Array.from({ length: height }, (_, i) => {
    const [left = '', right = ''] = columns.map((lines) => lines[i] ?? '');
    return `${left}${' '.repeat(Math.max(0, cell - stringWidth(left)))} ${theme.dim(theme.glyphs.side)} ${right}`;
  });
}

function below(
  said: readonly { text: string }[],
  width: number,
  rows: number,
  lanes: readonly Lane[],
  theme: Theme,
): string[] {
  const each = Math.max(1, Math.floor(rows / 2) - 1);
  return said.flatMap(({ text }, i) => [theme.strong(lanes[i]!.name), ...tail(text, width, each)]);
}

function tail(text: string, width: number, rows: number): string[] {
  return terminalText(text)
    .split('\n')
    .flatMap((line) => wrapLines(line, width))
    .slice(-rows);
}
