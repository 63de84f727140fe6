/** Progress in words. */
import type { LoadProgress } from '../../core/load-progress.ts';
import { formatBytes, formatDuration } from '../sizes.ts';
import { terminalLine } from '../terminal/terminal-text.ts';

export interface Progress {
  readonly activity: string; // downloading
  readonly subject?: string; // the object, such as a file; shortened if room is short
  readonly unit: 'bytes' | 'tokens' | 'texts' | 'pieces';
  readonly done?: number; // absent if nothing is counted
  readonly total?: number; // absent while unknown
  /** The current piece; left out if room is short. */
  readonly detail?: string;
}

/** Speed and remaining time, as pace.ts computes them. */
export interface Rate {
  readonly speed?: number; // units a second
  readonly left?: number; // seconds
}

/** The stages of a load in words, for a progress line and for the footer of a chat. */
export const LOADING_STAGES: Readonly<Record<LoadProgress['stage'], string>> = {
  header: 'reading the header',
  backend: 'starting the backend',
  weights: 'loading weights',
  kernels: 'compiling kernels',
};

/** Separates the parts of a line. */
export const GAP = '  ';

/** A line for a log. */
export function plainLine(progress: Progress, rate: Rate): string {
  const { detail } = progress;
  const facts = [amountOf(progress), speedOf(progress, rate), leftOf(rate), detail && terminalLine(detail)];
  return [labelOf(progress), ...facts].filter(Boolean).join(GAP);
}

/** The last line for a log: `units` were done in `seconds`. */
export function endLine(progress: Progress, units: number, seconds: number): string {
  const speed = units > 0 ? speedOf(progress, { speed: units / seconds }) : undefined;
  const facts = [amountOf(progress), `done in ${formatDuration(seconds)}`, speed];
  return [labelOf(progress), ...facts].filter(Boolean).join(GAP);
}

export function labelOf({ subject, activity }: Progress): string {
  return terminalLine(subject === undefined ? activity : `${subject}: ${activity}`);
}

export function amountOf({ unit, done, total }: Progress): string | undefined {
  const known = [done, total].filter((count) => count !== undefined);
  if (known.length === 0) return undefined;
  const amounts = known.map((count) => (unit === 'bytes' ? formatBytes(count) : String(count)));
  return `${amounts.join(' of ')}${unit === 'tokens' || unit === 'texts' ? ` ${unit}` : ''}`;
}

export function speedOf({ unit }: Progress, { speed }: Rate): string | undefined {
  if (speed === undefined || unit === 'pieces') return undefined;
  if (unit === 'bytes') return `${formatBytes(speed)}/s`;
  const number = speed > 0 && speed < 10 ? speed.toFixed(1) : Math.round(speed);
  return `${number} ${unit === 'texts' ? unit : 'tok'}/s`;
}

export function leftOf({ left }: Rate): string | undefined {
  return left === undefined ? undefined : `${formatDuration(left)} left`;
}
