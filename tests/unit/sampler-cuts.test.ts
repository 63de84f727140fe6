/** Expected values are worked out by hand, or those of llama.cpp tests/test-sampling.cpp where noted. */
import { describe, expect, it } from 'vitest';
import { Candidates, type Sampler } from '../../core/sampler/candidates.ts';
import { minP, topK, topP, typicalP, xtc } from '../../core/sampler/cuts.ts';
import { Random } from '../../core/sampler/random.ts';

/** Remaining ids of a distribution, ascending. */
function left(sampler: Sampler, probabilities: readonly number[]): number[] {
  const candidates = new Candidates();
  candidates.load(Float32Array.from(probabilities, Math.log));
  sampler.apply(candidates);
  return [...candidates.list().subarray(0, candidates.length)].sort((a, b) => a - b);
}

const P = [0.1, 0.2, 0.3, 0.4];

describe('top-k', () => {
  it.each([
    [1, [3]],
    [2, [2, 3]],
    [4, [0, 1, 2, 3]],
    [9, [0, 1, 2, 3]],
  ])('%d', (k, expected) => {
    expect(left(topK(k), P)).toEqual(expected);
  });
});

describe('top-p', () => {
  it.each([
    [0, [3]], // llama.cpp
    [0.39, [3]],
    [0.41, [2, 3]],
    [0.69, [2, 3]], // llama.cpp has 0.7
    [0.71, [1, 2, 3]],
    [0.8, [1, 2, 3]], // llama.cpp
    [0.91, [0, 1, 2, 3]],
  ])('%d', (p, expected) => {
    expect(left(topP(p), P)).toEqual(expected);
  });

  it('is measured on the remaining candidates, renormalized', () => {
    const candidates = new Candidates();
    candidates.load(Float32Array.from(P, Math.log));
    topK(2).apply(candidates);
    topP(0.56).apply(candidates); // 0.4 of 0.7 is 0.571
    expect(candidates.length).toBe(1);
  });
});

describe('min-p', () => {
  it.each([
    [0.24, [0, 1, 2, 3]],
    [0.26, [1, 2, 3]],
    [0.49, [1, 2, 3]],
    [0.51, [2, 3]],
    [0.74, [2, 3]],
    [0.76, [3]],
    [1, [3]],
  ])('%d (llama.cpp)', (p, expected) => {
    expect(left(minP(p), P)).toEqual(expected);
  });

  it('1 keeps all candidates that tie for the first place', () => {
    expect(left(minP(1), [0.25, 0.4, 0.4])).toEqual([1, 2]);
  });
});

describe('typical-p', () => {
  it.each([
    [0.5, [0.97, 0.01, 0.01, 0.01], [0]], // llama.cpp
    [0.5, [0.4, 0.2, 0.2, 0.2], [1, 2, 3]], // llama.cpp: the most probable token is the least typical
    // Entropy 1.2799; |-ln p - entropy| is 1.0227, 0.3295, 0.0759, 0.3636.
    [0.2, P, [2]],
    [0.35, P, [1, 2]],
    [0.55, P, [1, 2, 3]],
    [0.95, P, [0, 1, 2, 3]],
    [0, P, [2]],
  ])('%d of %j', (mass, probabilities, expected) => {
    expect(left(typicalP(mass), probabilities)).toEqual(expected);
  });

  it('leaves the candidates unsorted', () => {
    const candidates = new Candidates();
    candidates.load(Float32Array.from(P, Math.log));
    topK(4).apply(candidates);
    typicalP(0.55).apply(candidates); // 2, 1, 3 by typicality
    topP(0.1).apply(candidates);
    expect([...candidates.list().subarray(0, candidates.length)]).toEqual([3]);
  });

  it('excludes banned tokens from the entropy', () => {
    expect(left(typicalP(0.5), [0.4, 0.2, 0, 0.2, 0.2])).toEqual([1, 3, 4]);
  });
});

describe('xtc', () => {
  const always = (threshold: number) => xtc(1, threshold, new Random(1));
  it.each([
    [0.09, [0]],
    [0.19, [0, 1]],
    [0.29, [0, 1, 2]],
    [0.39, [0, 1, 2, 3]],
  ])('threshold %d (llama.cpp)', (threshold, expected) => {
    expect(left(always(threshold), P)).toEqual(expected);
  });

  it('keeps one of the tied least probable candidates', () => {
    expect(left(always(0.2), [0.5, 0.25, 0.25])).toEqual([2]);
  });

  it('happens with its probability', () => {
    const sampler = xtc(0.3, 0.09, new Random(2));
    let times = 0;
    for (let i = 0; i < 10_000; i++) if (left(sampler, P).length === 1) times++;
    expect(times).toBeGreaterThan(2850); // 3000 +- 3.3 standard deviations of 46
    expect(times).toBeLessThan(3150);
  });
});
