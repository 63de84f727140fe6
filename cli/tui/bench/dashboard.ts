/** The screen of a bench as lines: a stack of blocks, the more important ones where it is too small for all. Pure. */
import { digits } from '../../../bench/formats.ts';
import { type Machine, machineInWords } from '../../../bench/machine.ts';
import { commonName, kernelScenes, letterOf, type Phase, speedScenes } from '../../bench/scenes.ts';
import type { BenchState } from '../../bench/state.ts';
import { formatBytes } from '../../sizes.ts';
import { bar } from '../../terminal/plot/bars.ts';
import type { LaneScene, LineScene, RooflineScene } from '../../terminal/plot/scene.ts';
import {
  laneLines,
  lineChart,
  ratioLines,
  rooflineChart,
  rooflineLegend,
  type Size,
} from '../../terminal/plot/terminal.ts';
import { columnsOf, padded } from '../../terminal/text/width.ts';
import { truncate } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';
import { keyBar } from '../chat/key-bar.ts';

export interface Moment {
  readonly state: BenchState;
  readonly machine: Machine;
  readonly seconds: number; // since the bench began
}

/** Fewer lines than the screen has rows, each narrower than it. */
export function dashboardLines(moment: Moment, screen: Size, theme: Theme): string[] {
  const columns = screen.columns - 1;
  const { state } = moment;
  const blocks =
    state.targets.length > 0
      ? speedBlocks(state, { columns, rows: screen.rows }, theme)
      : kernelBlocks(kernelScenes(state, letterOf).at(-1), columns, theme);
  const lines = stacked(
    [
      titleBlock(moment, theme),
      machineBlock(moment, theme),
      ...blocks,
      memoryBlock(moment, theme),
      { importance: 11, least: 1, lines: () => [progressLine(moment, columns, theme)] },
      { importance: 10, least: 1, lines: () => [keyBar(KEYS, columns, theme)] },
    ],
    screen.rows - 1,
  );
  return lines.map((line) => truncate(line, columns, theme.glyphs.ellipsis));
}

const KEYS = ['Esc or q stop and leave', 'the table of the runs so far is printed'];

function titleBlock({ state }: Moment, theme: Theme): Block {
  const what = state.targets.length > 0 ? commonName(state.targets) : 'kernels';
  const line = `${theme.accent('percept bench')}  ${theme.strong(what)}`;
  return { importance: 9, least: 1, lines: () => [line] };
}

function machineBlock({ machine }: Moment, theme: Theme): Block {
  return { importance: 4, least: 1, gap: true, lines: () => [theme.dim(machineInWords(machine))] };
}

function memoryBlock({ state }: Moment, theme: Theme): Block {
  const { memory, loadMs } = state;
  const parts = memory
    ? [
        ...(loadMs === undefined ? [] : [`loaded in ${digits(loadMs / 1e3)} s`]),
        `process memory ${formatBytes(memory.process)}`,
        `weights ${formatBytes(memory.weights)}`,
        `cache ${formatBytes(memory.kv)}`,
        `scratch ${formatBytes(memory.arena)}`,
      ]
    : [];
  return { importance: 3, least: 1, lines: () => [theme.dim(parts.join(` ${theme.glyphs.dot} `))] };
}

const PROGRESS_CELLS = 20;

function progressLine({ state, seconds }: Moment, columns: number, theme: Theme): string {
  const { progress, doing, targets } = state;
  const { begun, total } = progress;
  const [begin, end] = theme.look.ascii ? ['[', ']'] : ['▕', '▏'];
  const cells = Math.min(PROGRESS_CELLS, Math.floor(columns / 5));
  const filled = bar(Math.max(0, begun - 1) / Math.max(1, total), cells, theme);
  const count = begun > 0 ? `${targets.length > 0 ? 'run ' : ''}${begun} of ${total}  ` : '';
  return `${clock(seconds)} ${theme.dim(begin)}${theme.accent(filled)}${theme.dim(end)} ${count}${doing}`;
}

/** 3:05 */
function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${`${whole % 60}`.padStart(2, '0')}`;
}

// ----- speeds of models

const GAP = '  ';
const LEAST_CURVE_ROWS = 5;
const MOST_CURVE_ROWS = 12;
const LEAST_ROOFLINE_ROWS = 7;
const MOST_ROOFLINE_ROWS = 16;
const SIDE_BY_SIDE = 64; // columns
const LANES_SIDE_BY_SIDE = 100;
const LEGEND_SHARE = 0.45;

const TALL = 30; // rows of a screen that has room for every plot

function speedBlocks(state: BenchState, screen: Size, theme: Theme): Block[] {
  const { columns } = screen;
  const { phases, ratios, roofline } = speedScenes(state);
  const ratioRows = Math.max(ratios.ratios.length, ratioCount(state));
  const beside: Block = {
    importance: ratioRows > 0 ? 7 : 0,
    least: 2,
    wanted: ratioRows + 1,
    gap: true,
    lines: (rows) => [
      titleLine(ratios.title, '', theme),
      ...ratioLines(ratios, columns, theme).slice(1 - rows),
    ],
  };
  return [laneBlock(aligned(phases), columns, theme), beside, ...plotBlocks(phases, roofline, screen, theme)];
}

/** Curves above a roofline. On a low screen only the curve of decode, if there is one, and the roofline beside it. */
function plotBlocks(
  phases: readonly Phase[],
  roofline: RooflineScene,
  { columns, rows: screenRows }: Size,
  theme: Theme,
): Block[] {
  const drawn = phases.filter(({ curves }) => curves);
  if (drawn.length === 0) return [rooflineBlock(roofline, columns, theme)];
  const curves: Block = {
    importance: 6,
    least: LEAST_CURVE_ROWS + 1,
    most: MOST_CURVE_ROWS + 1,
    gap: true,
    lines: (rows) => curveLines(drawn, { columns, rows }, theme),
  };
  if (screenRows >= TALL) return [curves, rooflineBlock(roofline, columns, theme)];
  const shown = drawn.slice(-1);
  const width = widthBeside(columns, 2);
  const lines = (rows: number) => {
    if (columns < SIDE_BY_SIDE) return curveLines(shown, { columns, rows }, theme);
    const size = { columns: width, rows };
    return sideBySide(
      [curveChart(shown[0]!.curves!, size, theme), rooflineColumn(roofline, size, theme)],
      width,
    );
  };
  return [{ ...curves, lines }];
}

/** The most ratios that can come. Their room is kept free, so that nothing moves when they do. */
function ratioCount({ targets, peers }: BenchState): number {
  return targets.reduce((sum, { tests }) => sum + tests.length, 0) * peers;
}

/** Pads labels and texts to one width in both phases, so that their bars align. */
function aligned(phases: readonly Phase[]): Phase[] {
  const all = phases.flatMap(({ lanes }) => lanes.lanes);
  const labelColumns = Math.max(...all.map(({ label }) => columnsOf(label)));
  const textColumns = Math.max(...all.map(({ text }) => columnsOf(text)));
  return phases.map((phase) => {
    const lanes = phase.lanes.lanes.map((lane) => ({
      ...lane,
      label: padded(lane.label, labelColumns),
      text: lane.text.padStart(textColumns),
    }));
    return { ...phase, lanes: { ...phase.lanes, lanes } };
  });
}

/** Prefill and decode: side by side, each above its curve, on a wide screen; else one below the other. */
function laneBlock(phases: readonly Phase[], columns: number, theme: Theme): Block {
  const heights = phases.map(({ lanes }) => lanes.lanes.length + 1);
  const block = { importance: 8, gap: true };
  if (columns >= LANES_SIDE_BY_SIDE) {
    const width = widthBeside(columns, phases.length);
    const lines = (rows: number) => phases.map((phase) => phaseLanes(phase, { columns: width, rows }, theme));
    return {
      ...block,
      least: 2,
      wanted: Math.max(...heights),
      lines: (rows) => sideBySide(lines(rows), width),
    };
  }
  return {
    ...block,
    least: 2,
    wanted: heights.reduce((sum, height) => sum + height, 0),
    lines: (rows) => {
      if (rows < 2 * phases.length) return phaseLanes(currentPhase(phases), { columns, rows }, theme);
      const shares = sharedRows(heights, rows);
      return phases.flatMap((phase, i) => phaseLanes(phase, { columns, rows: shares[i]! }, theme));
    },
  };
}

/** Equal shares of the rows; what a block does not need goes to the next ones. */
function sharedRows(heights: readonly number[], rows: number): number[] {
  let left = rows;
  return heights.map((height, i) => {
    const later = heights.slice(i + 1).reduce((sum, other) => sum + other, 0);
    const own = Math.min(height, Math.max(Math.floor(left / (heights.length - i)), left - later));
    left -= own;
    return own;
  });
}

function phaseLanes({ lanes }: Phase, { columns, rows }: Size, theme: Theme): string[] {
  const lines = laneLines(lanes, columns, theme);
  return [titleLine(lanes.title, lanes.unit, theme), ...laneWindow(lanes, rows - 1, lines)];
}

/** As many `lines` as fit into `rows`, around the running lane or else the last one that ran. */
function laneWindow({ lanes }: LaneScene, rows: number, lines: readonly string[]): readonly string[] {
  const at = lanes.findLastIndex(({ state }) => state !== 'waiting');
  const start = Math.max(0, Math.min(at - Math.floor(rows / 2), lines.length - rows));
  return lines.slice(start, start + rows);
}

function titleLine(title: string, unit: string, theme: Theme): string {
  return unit ? `${theme.strong(title)}${theme.dim(`, ${unit}`)}` : theme.strong(title);
}

/** Phases with curves, side by side; on a narrow screen only the running one. */
function curveLines(phases: readonly Phase[], { columns, rows }: Size, theme: Theme): string[] {
  const shown = columns >= SIDE_BY_SIDE ? phases : [currentPhase(phases)];
  const width = widthBeside(columns, shown.length);
  return sideBySide(
    shown.map(({ curves }) => curveChart(curves!, { columns: width, rows }, theme)),
    width,
  );
}

function currentPhase(phases: readonly Phase[]): Phase {
  return phases.find(({ isRunning }) => isRunning) ?? phases.at(-1)!;
}

function curveChart(scene: LineScene, { columns, rows }: Size, theme: Theme): string[] {
  const title = titleLine(scene.title, scene.y.unit, theme);
  if (scene.series.length === 0) return [title, theme.dim('after the first run')];
  return [title, ...lineChart(scene, { columns, rows: rows - 1 }, theme)];
}

function widthBeside(columns: number, count: number): number {
  return Math.floor((columns - GAP.length * (count - 1)) / count);
}

function sideBySide(charts: readonly string[][], width: number): string[] {
  const height = Math.max(...charts.map((lines) => lines.length));
  return Array.from({ length: height }, (_, i) =>
    charts
      .map((lines) => padded(lines[i] ?? '', width))
      .join(GAP)
      .trimEnd(),
  );
}

// ----- rooflines

function rooflineBlock(scene: RooflineScene, columns: number, theme: Theme): Block {
  return {
    importance: 5,
    least: LEAST_ROOFLINE_ROWS + 1,
    most: MOST_ROOFLINE_ROWS + 1,
    gap: true,
    lines: (rows) => rooflineLines(scene, { columns, rows }, theme),
  };
}

/** The chart, and on a wide screen a legend beside it. */
function rooflineLines(scene: RooflineScene, { columns, rows }: Size, theme: Theme): string[] {
  const title = rooflineTitle(scene, columns, theme);
  if (scene.dots.length === 0) return [title, theme.dim('after the first run')];
  const isWide = columns >= SIDE_BY_SIDE;
  const legendColumns = isWide ? Math.floor(columns * LEGEND_SHARE) : 0;
  const size = { columns: columns - legendColumns - (isWide ? 2 : 0), rows: rows - 1 };
  const named = withNames(scene, rows - 1);
  const chart = rooflineChart(named, size, theme);
  if (!isWide) return [title, ...chart];
  const legend = rooflineLegend(named, legendColumns, theme);
  return [title, ...sideBySide([chart, legend], size.columns)];
}

/** The chart, and below it a legend if there is room. */
function rooflineColumn(scene: RooflineScene, { columns, rows }: Size, theme: Theme): string[] {
  const title = rooflineTitle(scene, columns, theme);
  if (scene.dots.length === 0) return [title, theme.dim('after the first run')];
  const named = withNames(scene, Math.max(0, rows - LEAST_ROOFLINE_ROWS));
  const legend = rooflineLegend(named, columns, theme);
  return [title, ...rooflineChart(named, { columns, rows: rows - 1 - legend.length }, theme), ...legend];
}

function rooflineTitle({ title, roofs }: RooflineScene, columns: number, theme: Theme): string {
  const [roof] = roofs.slice(-1);
  if (!roof) return theme.strong(title);
  const [memory, multiply] = [`${digits(roof.bandwidth)} GB/s`, `${digits(roof.peak)} GMAC/s`];
  const long = `memory ${memory}, multiply ${multiply}`;
  const text = columnsOf(title) + 2 + columnsOf(long) <= columns ? long : `${memory}, ${multiply}`;
  return `${theme.strong(title)}  ${theme.dim(text)}`;
}

/** The last `count` dots have names, so that each letter occurs once; the others are faint. */
function withNames(scene: RooflineScene, count: number): RooflineScene {
  const first = scene.dots.length - count;
  return { ...scene, dots: scene.dots.map((dot, i) => ({ ...dot, faint: i < first })) };
}

/** Only the roofline; on a low screen only a legend of the last kernels. */
function kernelBlocks(scene: RooflineScene | undefined, columns: number, theme: Theme): Block[] {
  if (!scene) return [];
  const lines = (rows: number) => {
    if (rows > LEAST_ROOFLINE_ROWS) return rooflineLines(scene, { columns, rows }, theme);
    return rooflineLegend({ ...scene, dots: scene.dots.slice(-rows) }, columns, theme);
  };
  return [{ importance: 5, least: 1, most: Number.POSITIVE_INFINITY, gap: true, lines }];
}

// ----- layout

/** Lines that are shown together. */
interface Block {
  /** Where not all fit, the more important ones are shown; 0 never is. */
  readonly importance: number;
  readonly least: number; // rows
  readonly wanted?: number; // rows it gets before any less important block; default: `least`
  readonly most?: number; // rows it can use; default: `wanted`
  /** An empty line below it comes before more rows for others. */
  readonly gap?: boolean;
  readonly lines: (rows: number) => readonly string[];
}

/** At most `rows` lines. Blocks keep their order; spare rows go to those that can use them. */
export function stacked(blocks: readonly Block[], rows: number): string[] {
  const heights = new Map<Block, number>();
  let spare = rows;
  for (const block of blocks.toSorted((a, b) => b.importance - a.importance)) {
    if (block.importance === 0 || block.least > spare) continue;
    const height = Math.min(wantedOf(block), spare);
    heights.set(block, height);
    spare -= height;
  }
  const kept = blocks.filter((block) => heights.has(block));
  const gaps = new Set(
    kept
      .slice(0, -1)
      .filter(({ gap }) => gap)
      .slice(0, spare),
  );
  dealOut(heights, spare - gaps.size);
  return kept.flatMap((block) => {
    const height = heights.get(block)!;
    const lines = block.lines(height).slice(0, height);
    return gaps.has(block) ? [...lines, ''] : lines;
  });
}

function wantedOf({ least, wanted = least }: Block): number {
  return wanted;
}

/** Gives a row to each block that can use one, again and again. */
function dealOut(heights: Map<Block, number>, spare: number): void {
  for (let dealt = true; dealt; ) {
    dealt = false;
    for (const [block, height] of heights) {
      if (spare === 0 || height >= (block.most ?? wantedOf(block))) continue;
      heights.set(block, height + 1);
      spare--;
      dealt = true;
    }
  }
}
