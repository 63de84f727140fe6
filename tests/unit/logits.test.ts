import { describe, expect, it } from 'vitest';
import { argmax, largest, logSumExp } from '../../backends/logits.ts';

const row = (...values: number[]) => Float32Array.from(values);

function largestOf(values: Float32Array, count: number): number[] {
  const ids = new Int32Array(count);
  return [...ids.subarray(0, largest(values, count, ids))];
}

describe('argmax', () => {
  it.each([
    ['the lowest index among equals', row(1, 3, 2, 3), 1],
    ['the first that is NaN', row(1, NaN, 9, NaN), 1],
    ['the first that is Infinity', row(1, Infinity, NaN), 1],
    ['0 if all are -Infinity', row(-Infinity, -Infinity), 0],
  ])('is %s', (_, values, index) => expect(argmax(values)).toBe(index));
});

describe('largest', () => {
  it('is in order, lower index first among equals', () => {
    expect(largestOf(row(1, 3, 2, 3, 0), 3)).toEqual([1, 3, 2]);
  });

  it('leaves out -Infinity, and finds nothing for a count of 0', () => {
    expect(largestOf(row(-Infinity, 2, -Infinity, 5), 4)).toEqual([3, 1]);
    expect(largestOf(row(1, 2), 0)).toEqual([]);
  });

  it.each([NaN, Infinity])('is only the first %d, wherever it is', (bad) => {
    for (const at of [0, 1, 4]) {
      expect(largestOf(row(5, 4, 3, 2, 1).with(at, bad), 2)).toEqual([at]);
    }
  });
});

describe('logSumExp', () => {
  it('does not overflow, and reads only its range', () => {
    expect(logSumExp(row(0, 1000, 1000, 0), 1, 3)).toBeCloseTo(1000 + Math.log(2), 9);
  });
});
