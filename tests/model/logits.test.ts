/** The measures that models are judged by. */
import { describe, expect, it } from 'vitest';
import { divergence, divergenceOfTop } from './logits.ts';

const logs = (...probabilities: number[]) => Float32Array.from(probabilities, Math.log);

describe('divergence', () => {
  it('is the sum of p log(p / q), whatever constant is added to the logits', () => {
    const expected = 0.5 * Math.log(2) + 0.25 * Math.log(0.5);
    const shifted = logs(0.25, 0.5, 0.25).map((value) => value + 7);
    expect(divergence(logs(0.5, 0.25, 0.25), shifted)).toBeCloseTo(expected, 6);
    expect(divergence(shifted, shifted)).toBe(0);
    expect(divergence(logs(0.5, 0.5), logs(1))).toBeNaN();
  });

  it('merges what is not among the largest', () => {
    const top = [[2, Math.log(0.5)] as const];
    const expected = 0.5 * Math.log(0.5 / 0.2) + 0.5 * Math.log(0.5 / 0.8);
    expect(divergenceOfTop(top, logs(0.7, 0.1, 0.2))).toBeCloseTo(expected, 6);
    expect(divergenceOfTop(top, logs(0.7, 0.1, 0.2))).toBeLessThan(
      divergence(logs(0.1, 0.4, 0.5), logs(0.7, 0.1, 0.2)),
    );
  });
});
