import { describe, expect, it } from 'vitest';
import { Random, splitMix64 } from '../../core/sampler/random.ts';
import { chiSquare } from './chi-square.ts';

describe('Random', () => {
  it('gives the outputs of the reference implementation from state 1, 2, 3, 4', () => {
    const random = new Random(0);
    random.setState(1, 2, 3, 4);
    // xoshiro128starstar.c, as in the tests of Rust's rand_xoshiro
    const expected = [
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ];
    expect(expected.map(() => random.bits32())).toEqual(expected);
  });

  it('seeds by SplitMix64', () => {
    // splitmix64.c with seed 1234567, as on Rosetta Code
    expect(splitMix64(1234567n)).toEqual([6457827717110365317n, 3203168211198807973n]);
  });

  it('repeats the stream of a seed, and gives every seed its own', () => {
    const stream = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 8 }, () => random.bits32());
    };
    expect(stream(42)).toEqual(stream(42));
    const firsts = new Set([0, 1, 2, 3, 2 ** 31, 2 ** 32 - 1].map((seed) => stream(seed)[0]));
    expect(firsts.size).toBe(6);
    const random = new Random(42);
    random.bits32();
    random.seed(42);
    expect(random.bits32()).toBe(stream(42)[0]);
  });

  it('is uniform on [0, 1), also in pairs', () => {
    const random = new Random(5);
    const counts = new Array(100).fill(0);
    for (let i = 0; i < 100_000; i++) {
      counts[10 * Math.floor(random.uniform() * 10) + Math.floor(random.uniform() * 10)]++;
    }
    expect(chiSquare(counts, new Array(100).fill(0.01)).p).toBeGreaterThan(0.001);
  });
});
