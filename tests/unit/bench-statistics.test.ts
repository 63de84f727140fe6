import { describe, expect, it } from 'vitest';
import { bestRoofs, mean, median, pairedRatio, standardDeviation } from '../../bench/statistics.ts';

describe('statistics of a few samples', () => {
  it('mean, median and standard deviation', () => {
    const samples = [2, 4, 4, 4, 5, 5, 7, 9];
    expect(mean(samples)).toBe(5);
    expect(median(samples)).toBe(4.5);
    expect(median([9, 1, 5])).toBe(5);
    expect(standardDeviation(samples)).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(standardDeviation([3])).toBe(0);
  });

  it('leaves the samples in their order', () => {
    const samples = [3, 1, 2];
    median(samples);
    expect(samples).toEqual([3, 1, 2]);
  });

  it('the ratio of pairs ignores slowdowns of both', () => {
    // The second pair ran at a tenth of the speed: the ratio of the means would be 1.52.
    expect(pairedRatio([200, 20, 210], [100, 16, 100])).toEqual({ median: 2, least: 1.25, most: 2.1 });
  });

  it('each roof is the best measured; without roofs there is none', () => {
    const probes = [
      { readBytesPerSecond: 30, multiplyAddsPerSecond: 1 },
      { readBytesPerSecond: 10, multiplyAddsPerSecond: 3 },
      { readBytesPerSecond: 20, multiplyAddsPerSecond: 2 },
    ];
    expect(bestRoofs(probes)).toEqual({ readBytesPerSecond: 30, multiplyAddsPerSecond: 3 });
    expect(bestRoofs([])).toBeUndefined();
  });

  it('rejects empty lists and samples without a partner', () => {
    expect(() => mean([])).toThrow(RangeError);
    expect(() => median([])).toThrow(RangeError);
    expect(() => pairedRatio([1], [1, 2])).toThrow(RangeError);
  });
});
