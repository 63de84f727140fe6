import { describe, expect, it } from 'vitest';
import { SamplerChain } from '../../core/sampler/chain.ts';
import { parseSamplers, type SamplerParameters, samplerParameters } from '../../core/sampler/parameters.ts';
import { Random } from '../../core/sampler/random.ts';
import { UserError } from '../../errors.ts';
import { chiSquare } from './chi-square.ts';
import { ByteTokenizer, fakeLogits } from './fake-model.ts';

function chain(partial: Partial<SamplerParameters> = {}): SamplerChain {
  return new SamplerChain(samplerParameters({ seed: 1 }, partial), new ByteTokenizer());
}

/** Only the draw. */
const BARE = { temperature: 1, topK: 0, topP: 1, minP: 0 };
const logs = (...probabilities: number[]) => Float32Array.from(probabilities, Math.log);

describe('SamplerChain, as described', () => {
  it.each<[Partial<SamplerParameters>, string]>([
    [{}, 'top-k 40 -> top-p 0.95 -> min-p 0.05 -> temperature 0.8 -> draw'],
    [BARE, 'draw'],
    [{ temperature: 0 }, 'greedy'],
    [{ temperature: 1e-9 }, 'greedy'],
    [
      { temperature: 0, repeatPenalty: 1.1, xtcProbability: 0.5 },
      'penalties (repeat 1.1, last 64) -> greedy',
    ],
    [
      { mirostat: 2, presencePenalty: 1 },
      'penalties (presence 1, last 64) -> temperature 0.8 -> mirostat v2 (tau 5, eta 0.1)',
    ],
    [{ mirostat: 2, temperature: 0 }, 'greedy'],
    [{ samplers: parseSamplers('temperature;top_k') }, 'temperature 0.8 -> top-k 40 -> draw'],
    [{ samplers: [] }, 'draw'],
    [{ xtcProbability: 0.5, xtcThreshold: 0.6, ...BARE }, 'draw'],
    [{ repeatPenalty: 1.1, penaltyLastN: 0, ...BARE }, 'draw'],
    [{ frequencyPenalty: 0.2, penaltyLastN: -1, ...BARE }, 'penalties (frequency 0.2, all tokens) -> draw'],
    [
      { ...BARE, logitBias: new Map([[3, 1]]), dryMultiplier: 0.8, typicalP: 0.9, xtcProbability: 0.5 },
      'logit-bias (tokens 1) -> dry (multiplier 0.8, base 1.75, allowed 2, last 64) -> typical-p 0.9 -> xtc (probability 0.5, threshold 0.1) -> draw',
    ],
  ])('%o', (partial, expected) => {
    expect(chain(partial).describe()).toBe(expected);
  });
});

describe('SamplerChain', () => {
  it('gives the same ids for the same seed and logits', () => {
    const stream = (seed: number) => {
      const sampler = chain({
        seed,
        temperature: 1.2,
        xtcProbability: 0.5,
        dryMultiplier: 1,
        repeatPenalty: 1.1,
      });
      return Array.from({ length: 50 }, (_, i) => {
        const id = sampler.sample(fakeLogits([i]));
        sampler.accept(id);
        return id;
      });
    };
    expect(stream(5)).toEqual(stream(5));
    expect(stream(5)).not.toEqual(stream(6));
    expect(chain({ seed: 9 }).seed).toBe(9);
  });

  it('starts over on reset', () => {
    for (const partial of [{ repeatPenalty: 1.5 }, { dryMultiplier: 2 }, { mirostat: 2, mirostatTau: 2 }]) {
      const sampler = chain(partial);
      const stream = () => {
        sampler.reset();
        return Array.from({ length: 30 }, (_, i) => {
          const id = sampler.sample(fakeLogits([i % 4]));
          sampler.accept(id);
          return id;
        });
      };
      expect(stream()).toEqual(stream());
    }
  });

  it('draws by the probabilities that its samplers leave', () => {
    // Temperature 0.5 squares them: 0.1, 0.2, 0.3, 0.4 become 1, 4, 9, 16; min-p 0.3 of the rest drops the first.
    const sampler = chain({ ...BARE, temperature: 0.5, minP: 0.3 });
    const logits = logs(0.1, 0.2, 0.3, 0.4);
    const counts = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) counts[sampler.sample(logits) - 1]!++;
    expect(chiSquare(counts, [4 / 29, 9 / 29, 16 / 29]).p).toBeGreaterThan(0.001);
  });

  it('applies samplers in the given order', () => {
    // After flattening, all tokens are within min-p of the best; before it, only one is.
    const seen = (order: string) => {
      const sampler = chain({ ...BARE, temperature: 100, minP: 0.5, samplers: parseSamplers(order) });
      return new Set(Array.from({ length: 200 }, () => sampler.sample(logs(0.1, 0.2, 0.7)))).size;
    };
    expect(seen('min_p;temperature')).toBe(1);
    expect(seen('temperature;min_p')).toBe(3);
  });

  it('greedy follows bias, penalties and bans', () => {
    const logits = Float32Array.of(1, 5, 4, 3);
    expect(chain({ temperature: 0 }).sample(logits)).toBe(1);
    expect(chain({ temperature: 0 }).sample(logits, [1, 2])).toBe(3);
    expect(chain({ temperature: 0, logitBias: new Map([[3, 2.5]]) }).sample(logits)).toBe(3);
    const penalised = chain({ temperature: 0, presencePenalty: 2 });
    penalised.accept(1);
    expect(penalised.sample(logits)).toBe(2);
    expect([...logits]).toEqual([1, 5, 4, 3]);
  });

  it('never draws a banned token, and throws if all are banned', () => {
    for (const partial of [BARE, {}, { mirostat: 2 }, { ...BARE, typicalP: 0.9 }, { ...BARE, topP: 0.9 }]) {
      const sampler = chain(partial);
      for (let i = 0; i < 50; i++) expect(sampler.sample(Float32Array.of(9, 1, 1), [0])).not.toBe(0);
      expect(() => sampler.sample(Float32Array.of(1, 2), [0, 1])).toThrow(UserError);
      expect(() => sampler.sample(Float32Array.of(1, Number.NaN))).toThrow(/got NaN for token 1/);
    }
  });

  it('draws a valid token for logits of any size, at any temperature', () => {
    const random = new Random(8);
    for (const temperature of [1e-6, 0.01, 1, 1000]) {
      for (const scale of [1e-3, 1, 1e4]) {
        const logits = Float32Array.from({ length: 300 }, () => scale * (random.uniform() - 0.5));
        const id = chain({ temperature, typicalP: 0.99, xtcProbability: 0.1 }).sample(logits);
        expect(id).toBeGreaterThanOrEqual(0);
        expect(id).toBeLessThan(300);
      }
    }
  });

  it('refuses a bias for a token outside the vocabulary', () => {
    expect(() => chain({ logitBias: new Map([[258, 1]]) })).toThrow(/below 258, got one for 258/);
  });

  it('breaks DRY at breakers in the text, including control tokens', () => {
    const penalises = (breakers: string[], history: number[]) => {
      const sampler = chain({ temperature: 0, dryMultiplier: 5, dryBreakers: breakers });
      for (const id of history) sampler.accept(id);
      const logits = new Float32Array(258).fill(0);
      logits[99] = 1; // c
      return sampler.sample(logits) !== 99;
    };
    const ended = [97, 98, 99, 257, 97, 98]; // abc</s>ab
    expect(penalises([], ended)).toBe(true);
    expect(penalises(['</s>'], ended)).toBe(true);
    expect(penalises(['</s>'], [97, 98, 99, 97, 257, 98])).toBe(false);
    expect(penalises([''], [97, 98, 99, 97, 98])).toBe(true);
  });
});

describe('SamplerChain, from the largest logits alone', () => {
  it.each<[Partial<SamplerParameters>, number | undefined]>([
    [{}, 40],
    [{ repeatPenalty: 1.3, penaltyLastN: 20 }, 60],
    [{ presencePenalty: 2, frequencyPenalty: 0.5, penaltyLastN: 8, topK: 5 }, 13],
    [{ temperature: 0, repeatPenalty: 1.3, penaltyLastN: 20 }, 21],
    [{ repeatPenalty: 0.9 }, undefined],
    [{ presencePenalty: -1 }, undefined],
    [{ repeatPenalty: 1.3, penaltyLastN: -1 }, undefined],
    [{ repeatPenalty: 1.3, logitBias: new Map([[3, 1]]) }, undefined],
    [{ repeatPenalty: 1.3, samplers: parseSamplers('temperature;penalties;top_k') }, undefined],
  ])('%j chooses as from all', (parameters, count) => {
    const [all, top] = [chain(parameters), chain(parameters)];
    expect(all.sees).toEqual(count === undefined ? undefined : { kind: 'top', count });
    if (count === undefined) return;
    const random = new Random(5);
    for (let step = 0; step < 300; step++) {
      const logits = Float32Array.from({ length: 256 }, () => 4 * random.uniform() - 1);
      const ids = Int32Array.from(
        logits
          .keys()
          .toArray()
          .sort((a, b) => logits[b]! - logits[a]!),
      ).subarray(0, count);
      const id = all.sample(logits);
      expect(top.sampleTop({ ids, logits: Float32Array.from(ids, (each) => logits[each]!) }, 256)).toBe(id);
      for (const one of [all, top]) one.accept(id);
    }
  });
});
