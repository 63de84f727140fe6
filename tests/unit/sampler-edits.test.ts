/** Expected values are worked out by hand, or those of llama.cpp tests/test-sampling.cpp where noted. */
import { describe, expect, it } from 'vitest';
import { Candidates, type Sampler } from '../../core/sampler/candidates.ts';
import { type DryOptions, dry } from '../../core/sampler/dry.ts';
import { logitBias, type Penalties, penalties, temperature } from '../../core/sampler/edits.ts';
import { RecentTokens } from '../../core/sampler/recent-tokens.ts';

function edited(sampler: Sampler, logits: readonly number[], history: Iterable<number> = []): number[] {
  for (const id of history) sampler.accept?.(id);
  const candidates = new Candidates();
  candidates.load(Float32Array.from(logits));
  sampler.apply(candidates);
  return [...candidates.logits];
}

describe('logit bias', () => {
  it('adds, and bans with -Infinity', () => {
    const biases = new Map([
      [0, 1.5],
      [2, -Infinity],
    ]);
    expect(edited(logitBias(biases), [1, 2, 3])).toEqual([2.5, 2, -Infinity]);
  });

  it('invalidates the order of sorted candidates', () => {
    const candidates = new Candidates();
    candidates.load(Float32Array.of(1, 2, 3));
    candidates.keepTop(3);
    logitBias(new Map([[0, 5]])).apply(candidates);
    candidates.keepTop(1);
    expect(candidates.ids[0]).toBe(0);
  });
});

describe('temperature', () => {
  it('divides the logits of the candidates', () => {
    expect(edited(temperature(0.5), [1, -2, 0])).toEqual([2, -4, 0]);
    expect(edited(temperature(2), [1, -2, -Infinity])).toEqual([0.5, -1, -Infinity]);
  });
});

describe('penalties', () => {
  const OFF: Penalties = { repeat: 1, presence: 0, frequency: 0, lastN: 64 };

  it('repeat: divides positive logits, multiplies others', () => {
    expect(edited(penalties({ ...OFF, repeat: 2 }), [3, -3, 0, 5], [0, 1, 2, 1])).toEqual([1.5, -6, 0, 5]);
  });

  it('presence counts once, frequency every time', () => {
    expect(edited(penalties({ ...OFF, presence: 0.5 }), [1, 1, 1], [0, 1, 1])).toEqual([0.5, 0.5, 1]);
    expect(edited(penalties({ ...OFF, frequency: 0.5 }), [1, 1, 1], [0, 1, 1])).toEqual([0.5, 0, 1]);
    expect(
      edited(penalties({ repeat: 2, presence: 1, frequency: 0.25, lastN: 9 }), [4, -4], [0, 0, 1]),
    ).toEqual([0.5, -9.25]);
    expect(edited(penalties({ ...OFF, presence: -1 }), [1, 1], [0])).toEqual([2, 1]);
  });

  it('gives the distributions of llama.cpp', () => {
    const logits = new Array(5).fill(Math.log(0.2));
    const softmax = (values: number[]) => {
      const sum = values.reduce((total, x) => total + Math.exp(x), 0);
      return values.map((x) => Math.exp(x) / sum);
    };
    const one = softmax(edited(penalties({ ...OFF, presence: 5, frequency: 5 }), logits, [0]));
    [0.000011, 0.249997, 0.249997, 0.249997, 0.249997].forEach((p, i) => {
      expect(one[i]).toBeCloseTo(p, 6);
    });
    const three = softmax(edited(penalties({ ...OFF, repeat: 50 }), logits, [0, 1, 2, 0, 0]));
    [0, 0, 0, 0.5, 0.5].forEach((p, i) => {
      expect(three[i]).toBeCloseTo(p, 6);
    });
  });

  it('looks back on the last N tokens only, or on all for -1', () => {
    expect(edited(penalties({ ...OFF, frequency: 1, lastN: 3 }), [0, 0, 0], [0, 0, 1, 2, 0])).toEqual([
      -1, -1, -1,
    ]);
    expect(edited(penalties({ ...OFF, frequency: 1, lastN: 1 }), [0, 0, 0], [0, 1, 2])).toEqual([0, 0, -1]);
    expect(edited(penalties({ ...OFF, frequency: 1, lastN: -1 }), [0, 0], new Array(500).fill(1))).toEqual([
      0, -500,
    ]);
  });

  it('forgets on reset', () => {
    const sampler = penalties({ ...OFF, presence: 1 });
    sampler.accept!(0);
    sampler.reset!();
    expect(edited(sampler, [1, 1], [1])).toEqual([1, 0]);
  });
});

describe('RecentTokens', () => {
  it('holds the latest ids and returns the displaced one', () => {
    const recent = new RecentTokens(3);
    expect([1, 2, 3, 4, 5, 6, 7, 8].map((id) => recent.push(id))).toEqual([
      undefined,
      undefined,
      undefined,
      1,
      2,
      3,
      4,
      5,
    ]);
    expect([recent.length, recent.back(0), recent.back(2)]).toEqual([3, 8, 6]);
  });
});

describe('dry', () => {
  /** Tokens are the letters a, b, c, ...; z is a line end and y is "x\nx". */
  const text = (id: number) =>
    Buffer.from(id === 25 ? '\n' : id === 24 ? 'x\nx' : String.fromCharCode(97 + id));
  const spell = (word: string) => Array.from(word, (letter) => letter.charCodeAt(0) - 97);
  const OPTIONS: DryOptions = { multiplier: 1, base: 1.5, allowedLength: 2, lastN: -1, breakers: [] };

  /** Penalty of each letter that has one. */
  function penalised(history: string, options: Partial<DryOptions> = {}): Record<string, number> {
    const logits = edited(dry({ ...OPTIONS, ...options }, text), new Array(26).fill(0), spell(history));
    const entries = logits.flatMap((logit, id) =>
      logit === 0 ? [] : [[String.fromCharCode(97 + id), -logit] as const],
    );
    return Object.fromEntries(entries);
  }

  it('penalizes tokens that would prolong a repetition, by its length', () => {
    expect(penalised('ab')).toEqual({});
    expect(penalised('abcab')).toEqual({ c: 1 }); // llama.cpp: lengths of 2 cost the multiplier
    expect(penalised('abcab', { multiplier: 2 })).toEqual({ c: 2 });
    expect(penalised('abcdabc')).toEqual({ d: 1.5 });
    expect(penalised('abcdeabcd')).toEqual({ e: 2.25 });
    expect(penalised('abcdab', { allowedLength: 3 })).toEqual({});
    expect(penalised('abcda', { allowedLength: 1 })).toEqual({ b: 1 });
  });

  it('takes the longest of several repetitions', () => {
    // The example of llama.cpp's comments: abccbcyabc, where c follows abc, b follows c, y follows bc.
    expect(penalised('abccbcwabc')).toEqual({ c: 1.5, w: 1 });
    expect(penalised('xabdcabdab')).toEqual({ d: 1 });
    expect(penalised('abdcabdab', { allowedLength: 1 })).toEqual({ d: 1.5 });
  });

  it('counts runs that overlap themselves', () => {
    expect(penalised('aaaa')).toEqual({ a: 1.5 });
    expect(penalised('ababab')).toEqual({ a: 2.25 });
  });

  it('agrees with a direct search for repetitions', () => {
    let history = '';
    let state = 1;
    for (let i = 0; i < 400; i++) {
      state = (state * 48271) % 2147483647;
      history += 'abc'[state % 3];
      const longest: Record<string, number> = {};
      for (let end = 1; end < history.length; end++) {
        let n = 0;
        while (n < end && history[end - 1 - n] === history[history.length - 1 - n]) n++;
        if (n >= 2) longest[history[end]!] = Math.max(n, longest[history[end]!] ?? 0);
      }
      const found = penalised(history, { base: 2 });
      const lengths = Object.fromEntries(
        Object.entries(found).map(([letter, penalty]) => [letter, 2 + Math.log2(penalty)]),
      );
      expect(lengths).toEqual(longest);
    }
  });

  it('does not look across a sequence breaker, nor penalize one', () => {
    const breakers = ['\n'];
    expect(penalised('zabczab', { breakers })).toEqual({ c: 1 });
    expect(penalised('abcdzabc')).toEqual({ d: 1.5 });
    expect(penalised('dabczdab', { breakers })).toEqual({ c: 1.5 });
    expect(penalised('dabcdazb', { breakers })).toEqual({});
    expect(penalised('abzab', { breakers })).toEqual({}); // the next token would be the line end
    expect(penalised('abyab', { breakers })).toEqual({}); // a token that contains one
    expect(penalised('abzab')).toEqual({ z: 1 });
  });

  it('finds breakers across token borders', () => {
    expect(penalised('qabcxqab', { breakers: ['qa'] })).toEqual({});
    expect(penalised('qabcxqabc', { breakers: ['qa'] })).toEqual({ x: 1 });
    expect(penalised('qabcxqab', { breakers: ['qax'] })).toEqual({ c: 1.5 });
    expect(penalised('qabcxqabc', { breakers: ['q', 'mmmm'] })).toEqual({ x: 1.5 });
  });

  it('looks back on the last N tokens only', () => {
    expect(penalised('abcddab', { lastN: 6 })).toEqual({});
    expect(penalised('abcddab', { lastN: 7 })).toEqual({ c: 1 });
  });

  it('keeps logits finite for any length', () => {
    const { a } = penalised('a'.repeat(2000), { base: 1000 });
    expect(a).toBeGreaterThan(1e38);
    expect(a).toBeLessThan(Infinity);
  });

  it('forgets on reset', () => {
    const sampler = dry(OPTIONS, text);
    for (const id of spell('abcab')) sampler.accept!(id);
    sampler.reset!();
    expect(edited(sampler, new Array(26).fill(0), spell('ab'))).toEqual(new Array(26).fill(0));
  });
});
