/** How the conformance table judges rows: an error in one part must not vanish among the others. */
import { expect, it } from 'vitest';
import { ReferenceBackend } from '../../backends/reference.ts';
import { CHECKED_CASES } from '../../bench/conformance/cases.ts';
import { errorOf, limitOf, runCase } from '../../bench/conformance/judge.ts';
import { nameOf } from '../../bench/conformance/op-case.ts';

const HEADS = 2;
const D = 50;
const ATTENTION = CHECKED_CASES.find((each) =>
  nameOf(each).startsWith('attention 2/2 heads of 50, held as q8'),
)!;

it('finds any head of any token left at zero', async () => {
  const { rows } = await runCase(ATTENTION, new ReferenceBackend());
  const expected = rowsOf(Float64Array.from(rows));
  const limit = limitOf(ATTENTION, { name: 'cpu' });
  expect(errorOf(rows, expected, HEADS)).toBe(0);
  const passed: number[] = [];
  for (let part = 0; part < rows.length / D; part++) {
    const damaged = rows.slice().fill(0, part * D, (part + 1) * D);
    if (errorOf(damaged, expected, HEADS) <= limit) passed.push(part);
  }
  expect(passed).toEqual([]);
});

it('is infinite for a wrong number of values, and NaN for NaN', () => {
  const rows = [Float64Array.of(1, 2)];
  expect(errorOf(Float32Array.of(1), rows, 1)).toBe(Number.POSITIVE_INFINITY);
  expect(errorOf(Float32Array.of(1, Number.NaN), rows, 2)).toBe(Number.NaN);
});

function rowsOf(values: Float64Array): Float64Array[] {
  const cols = HEADS * D;
  return Array.from({ length: values.length / cols }, (_, i) => values.subarray(i * cols, (i + 1) * cols));
}
