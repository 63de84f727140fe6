/**
 * Plots as plain data, and the geometry that every painter of them needs. terminal.ts paints a scene as lines of text,
 * svg.ts as a panel of a picture.
 */
import { percent } from '../../../bench/formats.ts';

// ----- scenes

export type Point = readonly [x: number, y: number];

/** The least range of an axis; its ends are moved out to ticks, unless it is exact. */
export interface AxisSpec {
  readonly unit: string; // written once, after the last tick
  readonly log?: boolean;
  readonly from?: number; // default: the least value
  readonly to?: number; // default: the greatest
  readonly exact?: boolean; // ends at `to`, not at a tick after it; for a linear axis from 0
}

export interface Series {
  readonly name: string;
  /** A character at its end that identifies it without colours. */
  readonly mark?: string;
  readonly points: readonly Point[]; // x ascending; NaN is a gap
  readonly color: number; // index into Theme.series, modulo its length
  readonly faint?: boolean; // background for the others
}

export interface LineScene {
  readonly title: string;
  readonly x: AxisSpec;
  readonly y: AxisSpec;
  readonly series: readonly Series[]; // the last is on top
}

/** Bars on one scale that begins at zero. */
export interface LaneScene {
  readonly title: string;
  readonly unit: string;
  readonly lanes: readonly Lane[];
}

export interface Lane {
  readonly mark: string;
  readonly label: string;
  readonly value?: number; // absent before there is one
  readonly spread?: number; // standard deviation; absent for a value that still changes
  readonly text: string; // the value in words, or why there is none
  readonly color: number;
  readonly state: 'waiting' | 'running' | 'done';
}

/** Speeds under the limits of a machine: y = min(peak, bandwidth * x), both axes logarithmic. */
export interface RooflineScene {
  readonly title: string;
  readonly roofs: readonly Roof[];
  readonly dots: readonly RooflineDot[];
}

export interface Roof {
  readonly name: string;
  readonly bandwidth: number; // GB/s
  readonly peak: number; // GMAC/s
  readonly color: number;
}

export interface RooflineDot {
  readonly mark: string;
  readonly label: string;
  readonly text: string; // 38 GB/s
  readonly share?: number; // of the roof; absent without one
  readonly intensity: number; // multiply-adds a byte
  readonly speed: number; // GMAC/s
  readonly color: number;
  readonly faint?: boolean; // a dot without a name
}

/** Ratios with their spread, around 1. */
export interface RatioScene {
  readonly title: string;
  readonly ratios: readonly RangedRatio[];
}

export interface RangedRatio {
  readonly mark: string;
  readonly label: string;
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly color: number;
}

// ----- axes

export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly { readonly value: number; readonly text: string }[];
  /** Position of a value: 0 at `from`, 1 at `to`. */
  at(value: number): number;
}

const STEPS = [1, 2, 5, 10] as const;

/** An axis over `values` with round ends. @param room how many ticks fit, about */
export function axisOf(values: readonly number[], spec: AxisSpec, room: number): Axis {
  const known = values.filter((value) => Number.isFinite(value) && (!spec.log || value > 0));
  const from = spec.from ?? known.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const to = spec.to ?? known.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (!(from <= to)) return axisOf(spec.log ? [1, 10] : [0, 1], { unit: spec.unit, log: spec.log }, room);
  if (spec.log) return logAxis(from, to, room);
  return spec.exact ? exactAxis(to, room) : linearAxis(from, to, room);
}

function linearAxis(least: number, most: number, room: number): Axis {
  const width = most > least ? most - least : Math.abs(most) || 1;
  const step = roundStep(width / Math.max(1, room - 1));
  const first = Math.floor(least / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(most / step - 1e-9));
  const values = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  const [from, to] = [values[0]!, values.at(-1)!];
  return {
    from,
    to,
    ticks: values.map((value) => ({ value, text: tickText(value, step) })),
    at: (value) => (value - from) / (to - from),
  };
}

/** From 0 to `most`. */
function exactAxis(most: number, room: number): Axis {
  const step = roundStep(most / Math.max(3, room - 1)); // at most 5/6 of `most`, so there are two ticks
  const values = Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, i) => i * step);
  return {
    from: 0,
    to: most,
    ticks: values.map((value) => ({ value, text: tickText(value, step) })),
    at: (value) => value / most,
  };
}

/** The least of 1, 2, 5, 10, 20, 50, ... that is `least` or more. */
function roundStep(least: number): number {
  const decade = 10 ** Math.floor(Math.log10(least));
  return decade * STEPS.find((step) => step * decade >= least * (1 - 1e-9))!;
}

/** Both ends are one of 1, 2, 5, 10, ... Those between are ticks if there is room; otherwise powers of ten are. */
function logAxis(least: number, most: number, room: number): Axis {
  const [first, last] = [Math.floor(Math.log10(least) + 1e-9), Math.ceil(Math.log10(most) - 1e-9)];
  const all = Array.from({ length: last - first + 1 }, (_, i) => i + first).flatMap((decade) =>
    STEPS.slice(0, 3).map((step) => step * 10 ** decade),
  );
  const start = all.findLastIndex((value) => value <= least * (1 + 1e-9));
  const end = all.findIndex((value) => value >= most * (1 - 1e-9));
  const values = all.slice(start, Math.max(end, start + 1) + 1);
  const [from, to] = [values[0]!, values.at(-1)!];
  return {
    from,
    to,
    ticks: thinned(values, room).map((value) => ({ value, text: tickText(value, value) })),
    at: (value) => Math.log10(value / from) / Math.log10(to / from),
  };
}

function thinned(values: readonly number[], room: number): readonly number[] {
  if (values.length <= room) return values;
  const decades = values.filter(
    (value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9,
  );
  const every = Math.ceil(decades.length / Math.max(1, room));
  const kept = decades.filter((_, i) => i % every === 0);
  return kept.length > 0 ? kept : values.slice(0, 1);
}

const UNITS = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e4, 'k'], // from here on: 2000 is as short as 2.0k
] as const;

/** `value` with the decimals that tell it from a neighbour `step` away. */
function tickText(value: number, step: number): string {
  const [least, letter] = UNITS.find(([least]) => Math.abs(value) >= least) ?? [1, ''];
  const unit = letter === 'k' ? 1e3 : least;
  const decimals = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  return (value / unit).toFixed(Math.min(decimals, 9)) + letter;
}

// ----- geometry

/** Values and specs of both axes of a plot. */
export interface Axes {
  readonly x: { readonly spec: AxisSpec; readonly values: readonly number[] };
  readonly y: { readonly spec: AxisSpec; readonly values: readonly number[] };
}

export function lineAxes({ x, y, series }: LineScene): Axes {
  const points = series.flatMap(({ points }) => points);
  return {
    x: { spec: x, values: points.map(([x]) => x) },
    y: { spec: y, values: points.map(([, y]) => y) },
  };
}

/** Factor of room left around the outermost dots. */
const ROOFLINE_MARGIN = 1.5;

/** Decades around the dots and the ridges, where bandwidth and peak limit alike. */
export function rooflineAxes({ roofs, dots }: RooflineScene): Axes {
  const ridges = roofs.map(({ bandwidth, peak }) => peak / bandwidth);
  const peaks = roofs.map(({ peak }) => peak);
  const spread = (values: number[]) =>
    values.length > 0 ? [Math.min(...values) / ROOFLINE_MARGIN, Math.max(...values) * ROOFLINE_MARGIN] : [];
  return {
    x: {
      spec: { unit: 'MAC/B', log: true },
      values: spread([...ridges, ...dots.map(({ intensity }) => intensity)]),
    },
    y: { spec: { unit: 'GMAC/s', log: true }, values: spread([...peaks, ...dots.map(({ speed }) => speed)]) },
  };
}

/** The greatest speed that a roof allows at an intensity. */
export function roofAt({ bandwidth, peak }: Roof, intensity: number): number {
  return Math.min(peak, bandwidth * intensity);
}

/** 38 GB/s (71 % of roof) */
export function roofText({ text, share }: RooflineDot): string {
  return share === undefined ? text : `${text} (${percent(share)} of roof)`;
}

/** The value at which a full bar of a lane ends. */
export function laneScale({ lanes }: LaneScene): number {
  return Math.max(Number.MIN_VALUE, ...lanes.map(({ value = 0, spread = 0 }) => value + spread));
}

/** Maps a ratio to 0..1 with 1 in the middle: a half is as far from it as a double. All of `ratios` fit. */
export function ratioScale(ratios: readonly RangedRatio[]): (ratio: number) => number {
  const distances = ratios.flatMap(({ least, most }) => [
    Math.abs(Math.log(least)),
    Math.abs(Math.log(most)),
  ]);
  const farthest = Math.max(0.1, ...distances);
  return (ratio) => 0.5 + Math.log(ratio) / (2.2 * farthest);
}

/** The points that share a column of dots or pixels; y grows downwards. */
export interface PointColumn {
  readonly x: number;
  readonly first: number;
  upper: number;
  lower: number;
  last: number;
  /** Whether a line leads here from the column before; false after a gap. */
  readonly joined: boolean;
}

/** Reduces a line of points to its visible part: the ends and extremes of each column, so that a spike survives. */
export function pointColumns(
  points: readonly Point[],
  column: (x: number) => number, // whole
  row: (y: number) => number,
): PointColumn[] {
  const columns: PointColumn[] = [];
  let joined = false;
  for (const [px, py] of points) {
    const [x, y] = [column(px), row(py)];
    const isGap = !Number.isFinite(x) || !Number.isFinite(y);
    const current = columns.at(-1);
    if (!isGap && joined && current?.x === x) {
      current.upper = Math.min(current.upper, y);
      current.lower = Math.max(current.lower, y);
      current.last = y;
    } else if (!isGap) columns.push({ x, first: y, upper: y, lower: y, last: y, joined });
    joined = !isGap;
  }
  return columns;
}
