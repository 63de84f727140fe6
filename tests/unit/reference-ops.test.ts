/** The reference kernels against values worked out by hand. Every backend is compared with these kernels. */
import { describe, expect, it } from 'vitest';
import { attention, attentionWeights } from '../../kernels/reference/attention.ts';
import { embed } from '../../kernels/reference/embed.ts';
import { map } from '../../kernels/reference/map.ts';
import { matmul } from '../../kernels/reference/matmul.ts';
import { rmsNorm } from '../../kernels/reference/rms-norm.ts';
import { rope } from '../../kernels/reference/rope.ts';
import { select } from '../../kernels/reference/select.ts';
import { softmax } from '../../kernels/reference/softmax.ts';
import { zip } from '../../kernels/reference/zip.ts';

const row = (...values: number[]) => Float64Array.of(...values);
const weight = (...values: number[]) => Float32Array.of(...values);

function expectClose(got: Float64Array, expected: readonly number[]): void {
  expect(got.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 14);
}

describe('kernels/reference', () => {
  it('embed takes the row of the token', () => {
    expect([...embed(weight(1, 2, 3, 4, 5, 6), 2, 1)]).toEqual([3, 4]);
  });

  it('rms-norm divides by the root of mean square plus eps', () => {
    // mean of squares (9 + 16) / 2 = 12.5, plus 3.5 = 16, root 4
    expectClose(rmsNorm(row(3, 4), weight(1, 2), 3.5), [0.75, 2]);
  });

  it('matmul multiplies by the transposed weight and adds the bias', () => {
    const w = weight(1, 2, 3, 4, 5, 6); // [3, 2]
    expectClose(matmul(row(10, 1), w), [12, 34, 56]);
    expectClose(matmul(row(10, 1), w, weight(-12, 0, 1)), [0, 34, 57]);
  });

  it('rope rotates interleaved pairs, counterclockwise, and nothing else', () => {
    const inverseFrequencies = [Math.PI / 4, Math.PI / 2];
    const spec = { layout: 'interleaved', inverseFrequencies } as const;
    // Position 2 rotates pair 0 by 90 degrees, pair 1 by 180.
    expectClose(rope(row(1, 2, 3, 4, 9), 1, 2, spec), [-2, 1, -3, -4, 9]);
  });

  it('rope rotates pairs half a rotation width apart in every head', () => {
    const inverseFrequencies = [Math.PI / 4, Math.PI / 2];
    const spec = { layout: 'half', inverseFrequencies } as const;
    const rotated = rope(row(1, 2, 3, 4, 9, 5, 6, 7, 8, 9), 2, 2, spec);
    expectClose(rotated, [-3, -2, 1, -4, 9, -7, -6, 5, -8, 9]);
  });

  it('rope does not change position 0', () => {
    const spec = { layout: 'half', inverseFrequencies: [1] } as const;
    expectClose(rope(row(5, 6), 1, 0, spec), [5, 6]);
  });

  it('softmax sums to one and survives large scores', () => {
    expectClose(softmax(row(0, Math.log(3))), [0.25, 0.75]);
    expectClose(softmax(row(1e4, 1e4)), [0.5, 0.5]);
  });

  it('attention weighs values by the softmax of scaled scores', () => {
    // Scores 0.5 * [0, 2 ln 3] = [0, ln 3]: weights 1/4 and 3/4.
    const keys = [row(0, 7), row(2 * Math.log(3), 7)];
    const values = [row(8, 0), row(0, 4)];
    expectClose(attention(row(1, 0), keys, values, { heads: 1, scale: 0.5 }), [2, 3]);
  });

  it('attention shares each kv head among neighbouring query heads', () => {
    const [keys, values] = [[row(0, 0)], [row(5, 6)]]; // 2 kv heads of 1 dimension
    expectClose(attention(row(1, 1, 1, 1), keys, values, { heads: 4, scale: 1 }), [5, 5, 6, 6]);
  });

  it('attention sees the last positions of a window alone', () => {
    const keys = [row(7, 7), row(0, 7), row(2 * Math.log(3), 7)];
    const values = [row(1e9, 1e9), row(8, 0), row(0, 4)];
    const form = { heads: 1, scale: 0.5, window: 2 };
    expectClose(attention(row(1, 0), keys, values, form), [2, 3]);
    expectClose(attentionWeights(row(1, 0), keys, form)[0]!, [0, 0.25, 0.75]);
    expectClose(attention(row(1, 0), keys, values, { ...form, window: 1 }), [0, 4]);
    const wide = { ...form, window: 9 };
    expect(attention(row(1, 0), keys, values, wide)).toEqual(
      attention(row(1, 0), keys, values, { ...form, window: 3 }),
    );
  });

  it('silu is x times its sigmoid', () => {
    expectClose(map('silu', row(0, Math.log(3), -Math.log(3))), [0, 0.75 * Math.log(3), -0.25 * Math.log(3)]);
  });

  it('mul and add work value by value', () => {
    expectClose(zip('mul', row(2, -3), row(5, 7)), [10, -21]);
    expectClose(zip('add', row(2, -3), row(5, 7)), [7, 4]);
  });

  it('select takes the requested rows', () => {
    expect(select([row(1), row(2), row(3)], [0, 2])).toEqual([row(1), row(3)]);
  });
});
