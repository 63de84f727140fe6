/** Axes: where a value lies between the ends, and the round values that are named. */
import type { AxisSpec } from './scene.ts';

export interface Tick {
  readonly value: number;
  readonly text: string;
}

export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly Tick[];
  /** 0 at the beginning, 1 at the end. */
  at(value: number): number;
}

const STEPS = [1, 2, 5, 10] as const;

/** An axis over `values`, with about as many ticks as there is room for. */
export function axisOf(values: readonly number[], spec: AxisSpec, room: number): Axis {
  const known = values.filter((value) => Number.isFinite(value) && (!spec.log || value > 0));
  const from = spec.from ?? known.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const to = spec.to ?? known.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (!(from <= to)) return axisOf(spec.log ? [1, 10] : [0, 1], { unit: spec.unit, log: spec.log }, room);
  return spec.log ? logAxis(from, to, room) : linearAxis(from, to, room);
}

function linearAxis(least: number, most: number, room: number): Axis {
  const width = most > least ? most - least : Math.abs(most) || 1;
  const step = roundStep(width / Math.max(1, room - 1));
  const first = Math.floor(least / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(most / step - 1e-9));
  const values = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  const [from, to] = [values[0]!, values.at(-1)!];
  return {
    ...{ from, to },
    ticks: values.map((value) => ({ value, text: tickText(value, step) })),
    at: (value) => (value - from) / (to - from),
  };
}

/** The next of 1, 2, 5, 10, 20, 50, ... that is not less. */
function roundStep(least: number): number {
  const decade = 10 ** Math.floor(Math.log10(least));
  return decade * STEPS.find((step) => step * decade >= least * (1 - 1e-9))!;
}

/** From one of 1, 2, 5, 10, ... to another; all of them are ticks where there is room, else decades. */
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
    ...{ from, to },
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
  [1e4, 'k'], // 2000 is shorter than 2.0k is clear
] as const;

/** As many decimals as tell neighbours apart that lie `step` from each other. */
function tickText(value: number, step: number): string {
  const [least, letter] = UNITS.find(([least]) => Math.abs(value) >= least) ?? [1, ''];
  const unit = letter === 'k' ? 1e3 : least;
  const decimals = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  return (value / unit).toFixed(Math.min(decimals, 9)) + letter;
}
