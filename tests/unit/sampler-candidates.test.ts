import { describe, expect, it } from 'vitest';
import { Candidates } from '../../core/sampler/candidates.ts';
import { Random } from '../../core/sampler/random.ts';
import { UserError } from '../../errors.ts';

function load(logits: Iterable<number>): Candidates {
  const candidates = new Candidates();
  candidates.load(Float32Array.from(logits));
  return candidates;
}

const ids = (candidates: Candidates) => [...candidates.list().subarray(0, candidates.length)];

/** Ids in order: greater logit first, lower id among equals; without banned ones. */
function inOrder(logits: Float32Array): number[] {
  return [...logits.keys()]
    .filter((id) => logits[id] !== -Infinity)
    .sort((a, b) => logits[b]! - logits[a]! || a - b);
}

describe('Candidates', () => {
  it('keeps the top k in order, from all or from a list, with any ties', () => {
    const random = new Random(3);
    for (const V of [1, 2, 5, 64, 1000]) {
      for (const k of [1, 2, 40, 999, 5000]) {
        // Few distinct values, so that there are many ties; some banned.
        const logits = Float32Array.from({ length: V }, () =>
          random.uniform() < 0.1 ? -Infinity : Math.floor(random.uniform() * V) / 3,
        );
        logits[0] = 1;
        const all = load(logits);
        all.keepTop(k);
        expect(ids(all)).toEqual(inOrder(logits).slice(0, k));
        const listed = load(logits);
        listed.list();
        listed.keepTop(k);
        expect(ids(listed)).toEqual(inOrder(logits).slice(0, k));
      }
    }
  });

  it('finds the best with the lowest id among equals, also in a shuffled list', () => {
    expect(load([1, 3, 2, 3]).best()).toBe(1);
    const candidates = load([1, 3, 2, 3]);
    candidates.keepMass(1, Float64Array.of(0, 1, 2, 3));
    expect(ids(candidates)).toEqual([3, 2, 1, 0]);
    expect(candidates.best()).toBe(1);
  });

  it('does not change its input, and reads it once', () => {
    const logits = new Float32Array(new SharedArrayBuffer(12));
    logits.set([1, 2, 3]);
    const candidates = new Candidates();
    candidates.load(logits);
    candidates.edit(2, -1);
    expect(logits[2]).toBe(3);
    logits.fill(Number.NaN);
    expect(candidates.best()).toBe(1);
  });

  it('starts over with every load, also of another size', () => {
    const candidates = load([1, 2, 3]);
    candidates.keepTop(1);
    candidates.load(Float32Array.of(4, 1, 5, 2, 3));
    expect(ids(candidates)).toEqual([0, 1, 2, 3, 4]);
    candidates.keepTop(2);
    expect(ids(candidates)).toEqual([2, 0]);
  });

  it('softmax: probabilities of the candidates sum to 1, however large the logits', () => {
    const candidates = load([1000, 1000 + Math.log(3), -1000]);
    candidates.softmax();
    expect(candidates.probabilities[0]).toBeCloseTo(0.25, 4);
    expect(candidates.probabilities[1]).toBeCloseTo(0.75, 4);
    expect(candidates.probabilities[2]).toBe(0);
  });

  it('keeps mass of a flat distribution, beyond the first sorted candidates', () => {
    const V = 5000;
    const logits = Float32Array.from({ length: V }, (_, id) => ((id * 7919) % V) / (1000 * V));
    const candidates = load(logits);
    candidates.keepMass(0.9, candidates.logits);
    expect(ids(candidates)).toEqual(inOrder(logits).slice(0, candidates.length));
    expect(candidates.length).toBeGreaterThan(4490);
    expect(candidates.length).toBeLessThan(4510);
    candidates.keepMass(0, candidates.logits);
    expect(candidates.length).toBe(1);
  });

  it('at(): each candidate in its share of [0, 1)', () => {
    const candidates = load([0, -Infinity, Math.log(3)]);
    candidates.softmax();
    expect([0, 0.2499, 0.2501, 0.999999999999].map((u) => candidates.at(u))).toEqual([0, 0, 2, 2]);
  });

  const uses: [string, (candidates: Candidates) => void][] = [
    ['best', (candidates) => candidates.best()],
    ['keepTop', (candidates) => candidates.keepTop(2)],
    ['list', (candidates) => candidates.list()],
    ['softmax', (candidates) => candidates.softmax()],
  ];
  it.each(uses)('%s names a logit that is not finite', (_, use) => {
    for (const bad of [Number.NaN, Infinity]) {
      for (const place of [0, 1, 2, 3]) {
        const logits = [4, 3, 2, 1];
        logits[place] = bad;
        expect(() => use(load(logits))).toThrow(new RegExp(`got ${bad} for token ${place}`));
      }
    }
  });

  it('reports that no candidate is left', () => {
    const none = [-Infinity, -Infinity];
    expect(() => load(none).best()).toThrow(UserError);
    expect(() => load(none).softmax()).toThrow(UserError);
    const candidates = load(none);
    candidates.keepTop(1);
    expect(() => candidates.best()).toThrow(UserError);
    expect(() => load([]).best()).toThrow(UserError);
  });
});
