/** The state of a bench as scenes, which the dashboard and the report paint. */
import { basename } from 'node:path';
import type { Roofs } from '../../backends/backend.ts';
import type { Mark } from '../../bench/events.ts';
import { digits, threadsInWords, withSpread } from '../../bench/formats.ts';
import type { KernelRow } from '../../bench/rows.ts';
import { roofsOf } from '../../bench/speed-rows.ts';
import { labelOf, type SpeedTest, testName } from '../../bench/speed-test.ts';
import { bestRoofs, mean, median, pairedRatio, standardDeviation } from '../../bench/statistics.ts';
import { type RoofShares, roofShares, type Work } from '../../bench/work.ts';
import type {
  Lane,
  LaneScene,
  LineScene,
  Point,
  RangedRatio,
  RatioScene,
  Roof,
  RooflineDot,
  RooflineScene,
} from '../terminal/plot/scene.ts';
import { SERIES_COLORS } from '../terminal/plot/svg-picture.ts';
import { terminalText } from '../terminal/terminal-text.ts';
import type { BenchState, TargetState, TestState } from './state.ts';

export interface SpeedScenes {
  readonly phases: readonly Phase[]; // prefill and decode, without the one that has no test
  readonly ratios: RatioScene;
  readonly roofline: RooflineScene;
}

export interface Phase {
  readonly kind: SpeedTest['kind'];
  readonly lanes: LaneScene;
  readonly curves?: LineScene; // absent where each run is one step: its speed is in the lane
  readonly isRunning: boolean;
}

/** A test of a target: a lane, a curve and a dot, all with one mark. */
interface Row {
  readonly mark: string;
  readonly color: number;
  readonly label: string;
  readonly target: TargetState;
  readonly test: TestState;
  readonly work?: Work;
  readonly roofs?: Roofs; // of the target
  readonly steps: number; // of a run
  readonly isRunning: boolean;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A letter; after z they repeat. */
export function letterOf(index: number): string {
  return LETTERS[index % LETTERS.length]!;
}

export function speedScenes(state: BenchState): SpeedScenes {
  const rows = rowsOf(state);
  return {
    phases: [phaseOf('pp', 'prefill', rows), phaseOf('tg', 'decode', rows)].filter(
      ({ lanes }) => lanes.lanes.length > 0,
    ),
    ratios: { title: 'speed as a multiple of the peer', ratios: rows.flatMap(ratiosOf) },
    roofline: {
      title: 'roofline',
      roofs: roofsByTarget(state, rows),
      dots: rows.flatMap(testDot),
    },
  };
}

/** The roofs of each target, in the colour of its first row. */
function roofsByTarget({ targets }: BenchState, rows: readonly Row[]): Roof[] {
  return targets.flatMap((target) => {
    const color = rows.find((row) => row.target === target)?.color ?? 0;
    return roofOf(targetName(target), roofsOf(target.tests), color);
  });
}

/** Colours tell rows apart; where they do not suffice, targets, or the tests of a single target. */
function rowsOf({ targets, running }: BenchState): Row[] {
  const names = targetNames(targets);
  const count = targets.reduce((sum, { tests }) => sum + tests.length, 0);
  let index = 0;
  const colorOf = (target: number) => (count <= SERIES_COLORS || targets.length === 1 ? index : target);
  return targets.flatMap((target, t) =>
    target.tests.map((test, i) => ({
      color: colorOf(t),
      mark: letterOf(index++),
      label: `${names[t]} ${labelOf(testName(test.test), test.test.depth)}`,
      target,
      test,
      work: target.loaded?.work[i],
      roofs: roofsOf(target.tests),
      steps: target.loaded?.steps[i] ?? (test.test.kind === 'tg' ? test.test.tokens : 1),
      isRunning: running?.target === t && running.test === i && running.own,
    })),
  );
}

function phaseOf(kind: SpeedTest['kind'], title: string, all: readonly Row[]): Phase {
  const rows = all.filter(({ test }) => test.test.kind === kind);
  return {
    kind,
    lanes: { title, unit: 'tok/s', lanes: rows.map(laneOf) },
    curves: curvesScene(`${title} over its tokens`, rows),
    isRunning: rows.some(({ isRunning }) => isRunning),
  };
}

/** Of the tests whose runs have several steps. Over tokens, not seconds: a slow target is as wide as a fast one. */
function curvesScene(title: string, all: readonly Row[]): LineScene | undefined {
  const rows = all.filter(({ steps }) => steps > 1);
  if (rows.length === 0) return undefined;
  return {
    title,
    x: { unit: 'tokens', exact: true, from: 0, to: Math.max(...rows.map(({ test }) => tokensOf(test.test))) },
    y: { unit: 'tok/s', from: 0 },
    series: rows.flatMap(({ test, color, mark, label, isRunning }) => {
      const { shown, faint } = curvesOf(test, isRunning);
      const ofRow = { name: label, color };
      return [
        ...faint.map((marks) => ({ ...ofRow, points: speedCurve(marks), faint: true })),
        ...shown.map((marks) => ({ ...ofRow, points: speedCurve(marks), mark })),
      ];
    }),
  };
}

/** Tokens of a run, all sequences together, as in its marks. */
function tokensOf({ tokens, batch }: SpeedTest): number {
  return tokens * batch;
}

/** Other runs drawn beside the chosen one. */
const MOST_FAINT = 4;

/** The current run or else the one of median speed, and faint ones before it. */
function curvesOf({ curves, samples }: TestState, isRunning: boolean) {
  const drawn = curves.filter((marks) => marks.length > 0);
  const middle = samples.toSorted((a, b) => a - b)[samples.length >> 1];
  const chosen = isRunning ? drawn.at(-1) : (drawn[samples.indexOf(middle!)] ?? drawn.at(-1));
  return {
    shown: chosen ? [chosen] : [],
    faint: drawn.filter((marks) => marks !== chosen).slice(-MOST_FAINT),
  };
}

function laneOf({ mark, color, label, test, isRunning }: Row): Lane {
  const { samples, curves } = test;
  const lane = { mark, color, label };
  if (samples.length === 0) {
    const speed = isRunning ? speedSoFar(curves.at(-1) ?? []) : undefined;
    const text = speed === undefined ? (isRunning ? 'runs' : 'waits') : digits(speed);
    return { ...lane, value: speed, text, state: isRunning ? 'running' : 'waiting' };
  }
  const value = mean(samples);
  const spread = standardDeviation(samples);
  const text = withSpread(value, spread, samples.length, ' ±');
  return { ...lane, value, spread, text, state: isRunning ? 'running' : 'done' };
}

function speedSoFar(marks: readonly Mark[]): number | undefined {
  const [seconds, tokens] = marks.at(-1) ?? [0, 0];
  return seconds > 0 ? tokens / seconds : undefined;
}

function ratiosOf({ mark, color, label, test }: Row): RangedRatio[] {
  return test.peers.map(({ name, samples }) => {
    const own = test.samples.slice(0, samples.length);
    return { mark, color, label: `${label} / ${name}`, ...pairedRatio(own, samples) };
  });
}

function roofOf(name: string, known: Roofs | undefined, color: number): Roof[] {
  if (!known) return [];
  return [
    { name, color, bandwidth: known.readBytesPerSecond / 1e9, peak: known.multiplyAddsPerSecond / 1e9 },
  ];
}

function testDot({ mark, color, label, test, work, roofs }: Row): RooflineDot[] {
  if (!work || test.samples.length === 0) return [];
  const speed = median(test.samples);
  const shares = roofShares(work, speed, roofs);
  const done = { bytes: (work.bytes * speed) / 1e9, macs: (work.macs * speed) / 1e9 };
  const unlimited = test.test.kind === 'pp' ? 'macs' : 'bytes';
  return [{ mark, color, label, ...placed(done, shares, unlimited) }];
}

/**
 * The dot's place, and how near it is to its nearest roof.
 * @param done billions a second
 * @param unlimited what is told of a backend without roofs
 */
function placed(done: Work, { memory, multiply }: RoofShares, unlimited: keyof Work) {
  const isBoundByMemory = memory === null ? unlimited === 'bytes' : memory >= (multiply ?? 0);
  const text = isBoundByMemory ? `${digits(done.bytes)} GB/s` : `${digits(done.macs)} GMAC/s`;
  const share = memory === null ? undefined : Math.max(memory, multiply ?? 0);
  return { intensity: done.macs / done.bytes, speed: done.macs, text, share };
}

/** A scene per backend and number of threads. A kernel that multiplies nothing is not under a roof and has no dot. */
export function kernelScenes({ kernels }: BenchState, markOf: (index: number) => string): RooflineScene[] {
  const groups = Map.groupBy(kernels, ({ row }) => kernelGroup(row));
  return [...groups].map(([title, group], color) => {
    const roofs = bestRoofs(group.flatMap(({ roofs }) => roofs ?? []));
    const steps = [...new Set(group.map(({ row }) => row.tokens))];
    return {
      title,
      roofs: roofOf(title, roofs, color),
      dots: group
        .filter(({ row }) => row.gmac_s > 0)
        .map(({ row }, i) => ({ mark: markOf(i), color: steps.indexOf(row.tokens), ...kernelDot(row) })),
    };
  });
}

function kernelGroup({ backend, threads }: KernelRow): string {
  return [backend, threadsInWords(threads)].filter(Boolean).join(', ');
}

function kernelDot({ op, type, shape, tokens, gb_s, gmac_s, ...row }: KernelRow) {
  const what = op === 'matmul' ? type?.toLowerCase() : op;
  const shares = { memory: row.memory_roof_share, multiply: row.multiply_roof_share };
  return {
    label: `${what} ${shape} x ${tokens}`,
    ...placed({ bytes: gb_s, macs: gmac_s }, shares, 'bytes'),
  };
}

// ----- names

/** Model, backend, threads and cache of a target, in words; as asked for until it is loaded. Safe on a terminal. */
function partsOf({ target, loaded }: TargetState): readonly string[] {
  const { path, backend, threads, kvType } = target;
  if (!loaded) {
    const cache = kvType === undefined || kvType === 'auto' ? '' : `${kvType} cache`;
    return [terminalText(basename(path, '.gguf')), backend, threadsInWords(threads ?? 0), cache];
  }
  const model = terminalText(`${loaded.model} ${loaded.type}`);
  return [model, loaded.backend, threadsInWords(loaded.threads), `${loaded.kvType} cache`];
}

const BACKEND = 1; // its place in these parts

/** For each part, whether names of targets have it: it tells them apart, or nothing does and it is the backend. */
function isNamed(targets: readonly TargetState[]): boolean[] {
  const asked = targets.map((target) => partsOf({ ...target, loaded: undefined }));
  const differs = (asked[0] ?? []).map((part, i) => asked.some((other) => other[i] !== part));
  return differs.includes(true) ? differs : differs.map((_, i) => i === BACKEND);
}

/** Short names: the parts that tell targets apart. */
function targetNames(targets: readonly TargetState[]): string[] {
  const named = isNamed(targets);
  return targets.map((target) =>
    partsOf(target)
      .filter((part, i) => part !== '' && named[i])
      .join(', '),
  );
}

function targetName(target: TargetState): string {
  return partsOf(target).filter(Boolean).join(', ');
}

/** The parts that are in no short name, because all targets share them. @param targets one at least */
export function commonName(targets: readonly TargetState[]): string {
  const named = isNamed(targets);
  return partsOf(targets[0]!)
    .filter((part, i) => part !== '' && !named[i])
    .join(', ');
}

// ----- curves

/** A run of fewer steps is drawn step by step. */
const FEW_STEPS = 16;
/** Of a longer run each speed is that of a window, one of so many, to hide the grain of the clock. */
const WINDOWS = 30;

/** Tokens a second over the tokens of a run. */
export function speedCurve(marks: readonly Mark[]): Point[] {
  if (marks.length < FEW_STEPS) return steps(marks);
  const window = marks.at(-1)![0] / WINDOWS; // seconds
  const points: Point[] = [];
  let from = 0; // the first mark of the window; the one before it, or else (0, 0), is its beginning
  for (const [i, [seconds, tokens]] of marks.entries()) {
    while (from < i && seconds - marks[from]![0] > window) from++;
    const [start, before] = from > 0 ? marks[from - 1]! : [0, 0];
    points.push([tokens, (tokens - before) / (seconds - start)]);
  }
  return points;
}

/** Each step at its own speed, from its beginning to its end. */
function steps(marks: readonly Mark[]): Point[] {
  let [start, before] = [0, 0];
  return marks.flatMap(([seconds, tokens]) => {
    const speed = (tokens - before) / (seconds - start);
    const points: Point[] = [
      [before, speed],
      [tokens, speed],
    ];
    [start, before] = [seconds, tokens];
    return points;
  });
}
