/** Statistics of a few noisy samples. */
import type { Roofs } from '../backends/backend.ts';

/** Throws RangeError for no values, as `standardDeviation`, `median` and `pairedRatio` do. */
export function mean(values: readonly number[]): number {
  return some(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** Sample standard deviation (n - 1); 0 for one sample. */
export function standardDeviation(values: readonly number[]): number {
  const center = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  return values.length === 1 ? 0 : Math.sqrt(squares / (values.length - 1));
}

export function median(values: readonly number[]): number {
  const sorted = some(values).toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The best of each roof, because whatever else computes only lowers it; undefined for no roofs. */
export function bestRoofs(roofs: readonly Roofs[]): Roofs | undefined {
  if (roofs.length === 0) return undefined;
  return {
    readBytesPerSecond: Math.max(...roofs.map((each) => each.readBytesPerSecond)),
    multiplyAddsPerSecond: Math.max(...roofs.map((each) => each.multiplyAddsPerSecond)),
  };
}

export interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/**
 * How many times faster a is than b, both in units a second. Samples i of both were taken side by side, so noise that
 * slows both cancels out in their ratio.
 */
export function pairedRatio(a: readonly number[], b: readonly number[]): Ratio {
  if (a.length !== b.length) throw new RangeError(`Expected pairs, got ${a.length} and ${b.length} samples.`);
  const ratios = a.map((value, i) => value / b[i]!);
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

function some(values: readonly number[]): readonly number[] {
  if (values.length === 0) throw new RangeError('Expected at least one sample, got none.');
  return values;
}
