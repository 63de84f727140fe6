import { describe, expect, it } from 'vitest';
import type { GgufValue } from '../../core/gguf/index.ts';
import { samplingDefaults } from '../../core/sampler/metadata.ts';
import {
  parseSamplers,
  SAMPLER_NAMES,
  type SamplerName,
  type SamplerParameters,
  samplerParameters,
} from '../../core/sampler/parameters.ts';
import { UserError } from '../../errors.ts';

describe('samplerParameters', () => {
  it("has llama.cpp's defaults", () => {
    expect(samplerParameters()).toMatchObject({
      temperature: 0.8,
      topK: 40,
      topP: 0.95,
      minP: 0.05,
      mirostat: 0,
      repeatPenalty: 1,
    });
  });

  it('lets later layers win if they set a value', () => {
    const parameters = samplerParameters({ topK: 5, topP: 0.5 }, { topK: 7, topP: undefined, seed: 3 });
    expect(parameters).toMatchObject({ topK: 7, topP: 0.5, seed: 3, minP: 0.05 });
  });

  it('draws a seed if none is given', () => {
    const seeds = Array.from({ length: 5 }, () => samplerParameters().seed);
    expect(new Set(seeds).size).toBeGreaterThan(1);
    for (const seed of seeds) expect(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32).toBe(true);
  });

  const bad: [Partial<SamplerParameters>, RegExp][] = [
    [{ temperature: -0.1 }, /temperature .*0 to 1000, got -0.1/],
    [{ temperature: Number.NaN }, /temperature .*got NaN/],
    [{ topK: 1.5 }, /top-k .*whole number.*got 1.5/],
    [{ topK: -2 }, /top-k/],
    [{ topP: 1.01 }, /top-p .*0 to 1, got 1.01/],
    [{ minP: -1 }, /min-p/],
    [{ typicalP: 2 }, /typical-p/],
    [{ xtcProbability: 2 }, /xtc probability/],
    [{ xtcThreshold: -1 }, /xtc threshold/],
    [{ repeatPenalty: 0 }, /repeat penalty .*0.01 to 100, got 0/],
    [{ presencePenalty: Infinity }, /presence penalty/],
    [{ frequencyPenalty: Number.NaN }, /frequency penalty/],
    [{ penaltyLastN: -2 }, /penalty last n/],
    [{ dryMultiplier: -1 }, /dry multiplier/],
    [{ dryBase: 0.5 }, /dry base/],
    [{ dryAllowedLength: 0 }, /dry allowed length/],
    [{ dryLastN: 0.5 }, /dry last n/],
    [{ mirostat: 1 }, /mirostat .*0 \(off\) or 2, got 1/],
    [{ mirostatTau: -1 }, /mirostat tau/],
    [{ mirostatEta: -1 }, /mirostat eta/],
    [{ seed: -1 }, /seed .*got -1/],
    [{ seed: 2 ** 32 }, /seed/],
    [{ seed: '7' as unknown as number }, /seed .*got 7/],
    [{ logitBias: new Map([[-1, 1]]) }, /logit bias .*-1/],
    [{ logitBias: new Map([[1, Infinity]]) }, /logit bias .*Infinity/],
  ];
  it.each(bad)('refuses %o', (partial, message) => {
    const attempt = () => samplerParameters(partial);
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
  });

  it('accepts the ends of the ranges', () => {
    const ends = {
      temperature: 0,
      topK: -1,
      topP: 0,
      minP: 1,
      typicalP: 0,
      seed: 2 ** 32 - 1,
      penaltyLastN: -1,
    };
    expect(samplerParameters(ends)).toMatchObject(ends);
  });
});

describe('parseSamplers', () => {
  it('reads names in order, in any of their spellings', () => {
    expect(parseSamplers('penalties;dry;top_k')).toEqual(['penalties', 'dry', 'top_k']);
    expect(parseSamplers(' Temp, top-p ; typical,')).toEqual(['temperature', 'top_p', 'typ_p']);
    expect(parseSamplers(SAMPLER_NAMES.join(';'))).toEqual(SAMPLER_NAMES);
    expect(parseSamplers('')).toEqual([]);
  });

  it('lists the valid names for an invalid one', () => {
    const error = attempt(() => parseSamplers('top_k;top_q'));
    expect(error).toMatchObject({ kind: 'usage', message: expect.stringContaining('"top_q"') });
    for (const name of SAMPLER_NAMES) expect(error.hint).toContain(name);
    expect(() => parseSamplers('constructor')).toThrow(UserError);
    expect(() => parseSamplers('top_k;top-k')).toThrow(/top_k twice/);
  });
});

it.each([['nope'], 'x', 5])('samplers are an array of names, not %j', (samplers) => {
  const error = attempt(() => samplerParameters({ samplers: samplers as SamplerName[] }));
  expect(error).toMatchObject({ kind: 'usage', message: expect.stringContaining('an array of penalties') });
});

describe('samplingDefaults', () => {
  const from = (entries: Record<string, GgufValue>, onIgnored?: (text: string) => void) =>
    samplingDefaults(
      new Map(Object.entries(entries).map(([key, value]) => [`general.sampling.${key}`, value])),
      onIgnored,
    );

  it('is empty for a model that recommends nothing', () => {
    expect(samplerParameters({ seed: 1 }, from({}))).toEqual(samplerParameters({ seed: 1 }));
  });

  it('reads the keys of llama.cpp, and restores decimals', () => {
    const found = from({
      temp: Math.fround(0.6),
      top_k: 20,
      top_p: Math.fround(0.95),
      min_p: 0,
      xtc_probability: 0.5,
      xtc_threshold: Math.fround(0.1),
      penalty_last_n: -1,
      penalty_repeat: Math.fround(1.05),
      mirostat: 2,
      mirostat_tau: 4,
      mirostat_eta: Math.fround(0.2),
      sequence: 'penalties;top_n_sigma;top_k;temperature',
    });
    expect(found).toEqual({
      temperature: 0.6,
      topK: 20,
      topP: 0.95,
      minP: 0,
      xtcProbability: 0.5,
      xtcThreshold: 0.1,
      penaltyLastN: -1,
      repeatPenalty: 1.05,
      mirostat: 2,
      mirostatTau: 4,
      mirostatEta: 0.2,
      samplers: ['penalties', 'top_k', 'temperature'],
    });
  });

  it("yields to the user's parameters", () => {
    expect(samplerParameters(from({ temp: 0.6, top_k: 20 }), { topK: 3 })).toMatchObject({
      temperature: 0.6,
      topK: 3,
    });
  });

  it.each([
    [{ temp: 'hot' }, 'temp is ignored. Expected a number under'],
    [{ temp: -1 }, 'temp is ignored. Expected temperature to be a number from 0 to 1000, got -1.'],
    [{ top_k: -5 }, 'top_k is ignored. Expected top-k'],
    [{ penalty_repeat: 0 }, 'penalty_repeat is ignored. Expected repeat penalty'],
    [{ top_p: Number.NaN }, 'top_p is ignored. Expected top-p'],
    [{ mirostat: 1 }, 'mirostat is ignored. Expected mirostat'],
    [{ sequence: 3 }, 'sequence is ignored. Expected a string'],
    [{ sequence: 'magic' }, 'sequence is ignored. Expected the name of a sampler, got "magic".'],
  ])('leaves out %j, and says so', (entries, note) => {
    const notes: string[] = [];
    expect(from({ ...entries, min_p: 0.5 }, (text) => notes.push(text))).toEqual({ minP: 0.5 });
    expect(notes).toEqual([expect.stringContaining(note)]);
  });
});

function attempt(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    return error as UserError;
  }
  throw new Error('Expected an error.');
}
