import { describe, expect, it } from 'vitest';
import { Candidates } from '../../core/sampler/candidates.ts';
import { draw, greedy, mirostat } from '../../core/sampler/choices.ts';
import { topK } from '../../core/sampler/cuts.ts';
import { Random } from '../../core/sampler/random.ts';
import { chiSquare } from './chi-square.ts';

function load(probabilities: readonly number[]): Candidates {
  const candidates = new Candidates();
  candidates.load(Float32Array.from(probabilities, Math.log));
  return candidates;
}

describe('greedy', () => {
  it('takes the greatest logit, the lowest id among equals', () => {
    expect(greedy().choose(load([0.1, 0.3, 0.3, 0.2]))).toBe(1);
  });
});

describe('draw', () => {
  it('follows the probabilities', () => {
    const probabilities = [0.05, 0.15, 0.3, 0.5];
    const choice = draw(new Random(11));
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 40_000; i++) counts[choice.choose(load(probabilities))]!++;
    expect(chiSquare(counts, probabilities).p).toBeGreaterThan(0.001);
    expect(chiSquare(counts, [0.06, 0.14, 0.3, 0.5]).p).toBeLessThan(0.001); // the test can tell
  });

  it('follows them among the remaining candidates', () => {
    const choice = draw(new Random(12));
    const counts = [0, 0];
    for (let i = 0; i < 20_000; i++) {
      const candidates = load([0.05, 0.2, 0.6, 0.15]);
      topK(2).apply(candidates);
      counts[choice.choose(candidates) - 1]!++;
    }
    expect(chiSquare(counts, [0.25, 0.75]).p).toBeGreaterThan(0.001);
  });
});

describe('mirostat v2', () => {
  it('cuts at a surprise of mu = 2 tau, keeping the best at least', () => {
    const P = [0.5, 0.25, 0.125, 0.125]; // surprise 1, 2, 3, 3 bits
    const seen = (tau: number) => {
      const ids = new Set<number>();
      for (let seed = 0; seed < 200; seed++) ids.add(mirostat(tau, 0.1, new Random(seed)).choose(load(P)));
      return [...ids].sort();
    };
    expect(seen(1.6)).toEqual([0, 1, 2, 3]);
    expect(seen(1.1)).toEqual([0, 1]);
    expect(seen(0.6)).toEqual([0]);
    expect(seen(0)).toEqual([0]);
  });

  it('moves mu by eta times the error of the surprise', () => {
    // tau 1, eta 1: mu is 2, so a and b are candidates (2/3 and 1/3). A token of 2/3 has a surprise of 0.585 bits, and
    // mu becomes 2.415. A token of 1/3 has 1.585 bits; mu becomes 1.415 and excludes b.
    const P = [0.5, 0.25, 0.125, 0.125];
    const random = new Random(0);
    const choice = mirostat(1, 1, random);
    for (let round = 0; round < 50; round++) {
      choice.reset!();
      const first = choice.choose(load(P));
      const next = new Set(Array.from({ length: 60 }, () => drawOnce(choice, P, first)));
      expect([...next].sort()).toEqual(first === 0 ? [0, 1] : [0]);
    }

    /** The possible second choices: replays until the first choice is `first` again. */
    function drawOnce(again: typeof choice, probabilities: number[], wanted: number): number {
      for (;;) {
        again.reset!();
        if (again.choose(load(probabilities)) === wanted) return again.choose(load(probabilities));
      }
    }
  });

  it('holds the surprise near its target over a long text', () => {
    const V = 1000;
    const zipf = Array.from({ length: V }, (_, i) => 1 / (i + 1));
    const sum = zipf.reduce((total, x) => total + x, 0);
    const P = zipf.map((x) => x / sum);
    for (const tau of [2, 4]) {
      const choice = mirostat(tau, 0.1, new Random(4));
      let surprise = 0;
      for (let i = 0; i < 3000; i++) {
        const candidates = load(P);
        const id = choice.choose(candidates);
        surprise -= Math.log2(candidates.probabilities[id]!);
      }
      expect(surprise / 3000).toBeCloseTo(tau, 1);
    }
  });
});
