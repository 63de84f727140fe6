import type { Theme } from '../theme.ts';

/** A cell a value, from zero to the largest; of more values than `cells` the largest of each stretch. */
export function sparkline(values: readonly number[], { glyphs }: Theme, cells = values.length): string {
  const most = Math.max(...values, Number.MIN_VALUE);
  const steps = glyphs.spark.length;
  return stretches(values, cells)
    .map((value) => glyphs.spark[Math.max(0, Math.min(steps - 1, Math.floor((value / most) * steps)))])
    .join('');
}

function stretches(values: readonly number[], cells: number): readonly number[] {
  if (values.length <= cells) return values;
  const start = (i: number) => Math.floor((i * values.length) / cells);
  return Array.from({ length: cells }, (_, i) => Math.max(...values.slice(start(i), start(i + 1))));
}
