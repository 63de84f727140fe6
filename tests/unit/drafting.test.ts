import { describe, expect, it } from 'vitest';
import { Random } from '../../core/sampler/random.ts';
import { Sequence } from '../../core/sequence.ts';
import { DraftLength } from '../../core/speculate/draft-length.ts';
import { DraftModel } from '../../core/speculate/draft-model.ts';
import { PromptLookup } from '../../core/speculate/prompt-lookup.ts';
import { StepCosts, stepCostsOf } from '../../core/speculate/step-costs.ts';
import { UserError } from '../../errors.ts';
import { ByteTokenizer, END, fakeLogits, fakeModel } from './fake-model.ts';

const bytes = (text: string) => [...Buffer.from(text)];

describe('prompt lookup', () => {
  const drafted = (text: string, max = 4) => {
    const [lookup, ids] = [new PromptLookup(), bytes(text)];
    const kind = lookup.kind(ids);
    return [kind, kind && Buffer.from(lookup.propose(ids, max)).toString()];
  };

  it.each<[string, (string | number | undefined)[], string]>([
    ['xabc1234 abc', [3, '1234'], 'the last three tokens'],
    ['abc1 abc2345 abc', [3, '2345'], 'their latest occurrence'],
    ['abc1 c2345 abc', [3, '1 c2'], 'three before one, though earlier'],
    ['bc1234 abc', [2, '1234'], 'two, where three did not occur'],
    ['c1234 abc', [1, '1234'], 'one'],
    ['abc', [undefined, undefined], 'nothing in a text without repetition'],
    ['a', [undefined, undefined], 'nothing in one token'],
    ['ababab', [3, 'abab'], 'a loop beyond the end of the text'],
    ['aa', [1, 'aaaa'], 'the shortest loop'],
  ])('%s: %o, %s', (text, expected) => {
    expect(drafted(text)).toEqual(expected);
  });

  it('finds the same as a search of the whole text, at every length', () => {
    const random = new Random(1);
    const lookup = new PromptLookup();
    const text: number[] = [];
    for (let i = 0; i < 600; i++) {
      text.push(Math.floor(random.uniform() * 6) * 8191);
      if (i % 3 === 0) continue; // several tokens at once
      const kind = lookup.kind(text);
      const [n, place] = searched(text);
      expect(kind).toBe(n);
      if (place !== undefined) expect(lookup.propose(text, 1)).toEqual([text[place]]);
    }
  });

  it('reads a bounded number of tokens for each new one', () => {
    let reads = 0;
    const target = Array.from({ length: 3000 }, (_, i) => i % 50);
    const text = new Proxy(target, {
      get: (array, key, receiver) => {
        reads++;
        return Reflect.get(array, key, receiver);
      },
    });
    const lookup = new PromptLookup();
    lookup.kind(text);
    for (let i = 0; i < 100; i++) {
      target.push(i % 3);
      reads = 0;
      lookup.kind(text);
      expect(reads).toBeLessThan(100);
    }
  });

  /** The longest n-gram of 3 to 1 tokens that ends the text and occurs before, and the place after it. */
  function searched(text: readonly number[]): [number | undefined, number | undefined] {
    for (let n = Math.min(3, text.length); n > 0; n--) {
      const end = text.slice(-n).join();
      for (let place = text.length - 1; place >= n; place--) {
        if (text.slice(place - n, place).join() === end) return [n, place];
      }
    }
    return [undefined, undefined];
  }
});

describe('draft model', () => {
  const tokenizer = new ByteTokenizer();
  const greedy = (ids: readonly number[]) => {
    const logits = fakeLogits(ids);
    return logits.indexOf(Math.max(...logits));
  };

  it('proposes its most probable tokens, and computes only new tokens', async () => {
    const model = fakeModel();
    const drafter = new DraftModel(new Sequence(model), tokenizer);
    const text = bytes('abcd');
    expect(drafter.kind(text)).toBe(0);
    const draft = await drafter.propose(text, 3);
    for (const [i, id] of draft.entries()) expect(id).toBe(greedy([...text, ...draft.slice(0, i)]));
    const next = [...text, ...draft.slice(0, 2), 7, 8];
    model.executable.steps.length = 0;
    expect(await drafter.propose(next, 1)).toEqual([greedy(next)]);
    expect(model.executable.steps.map(({ slices }) => slices[0]!.tokens)).toEqual([[7, 8]]);
  });

  it('drafts up to the end of its context, not beyond', async () => {
    const drafter = new DraftModel(new Sequence(fakeModel({ contextLength: 6 })), tokenizer);
    expect(await drafter.propose(bytes('abcd'), 7)).toHaveLength(3);
    expect(await drafter.propose(bytes('abcdef'), 7)).toHaveLength(1);
    expect(drafter.kind(bytes('abcdefg'))).toBeUndefined();
  });

  it('refuses another vocabulary', () => {
    class Larger extends ByteTokenizer {
      override readonly vocabularySize: number = 300;
    }
    class Shifted extends ByteTokenizer {
      override piece(id: number) {
        return super.piece(id === END ? id : (id + 1) % 256);
      }
    }
    class OtherEnd extends ByteTokenizer {
      override piece(id: number) {
        return id === END ? '<eos>' : super.piece(id);
      }
    }
    const refusal = (other: ByteTokenizer) => () =>
      new DraftModel(new Sequence({ ...fakeModel(), tokenizer: other }), tokenizer);
    expect(refusal(new Larger())).toThrow(/258 tokens, got 300/);
    expect(refusal(new Shifted())).toThrow(UserError);
    expect(refusal(new OtherEnd())).toThrow(/"<\/s>", got "<eos>"/);
  });
});

describe('draft length', () => {
  const COSTS = {
    flat: (tokens: number) => 1 + 0.1 * (tokens - 1),
    'tiles of four': (tokens: number) => (tokens === 1 ? 1 : 1.3 * Math.ceil(tokens / 4)),
    'no batching': (tokens: number) => tokens,
  };

  /** Decodes `count` tokens; drafted ones hold at the current rate. Times are in plain steps. */
  function decode(costs: (tokens: number) => number, count: number, rate: (place: number) => number) {
    const [length, random] = [new DraftLength(), new Random(5)];
    const chosen: number[] = [];
    let ms = 0;
    let place = 0;
    while (place < count) {
      const drafted = length.choose(3, 7);
      let accepted = 0;
      while (accepted < drafted && random.uniform() < rate(place + accepted)) accepted++;
      const cost = costs(1 + drafted) * (0.9 + 0.2 * random.uniform());
      length.observe({ kind: 3, drafted, accepted, ms: cost });
      chosen.push(drafted);
      ms += cost;
      place += 1 + accepted;
    }
    return { time: ms / place, chosen, gain: length.gain! };
  }

  it.each(Object.keys(COSTS) as (keyof typeof COSTS)[])('loses at most 4 %% if drafts fail: %s', (name) => {
    expect(decode(COSTS[name], 500, () => 0).time).toBeLessThan(1.04);
  });

  it('stays plain but for an occasional trial if a step costs as much as its tokens', () => {
    const { chosen, time } = decode(COSTS['no batching'], 500, () => 0.9);
    expect(time).toBeLessThan(1.04);
    expect(chosen.filter((n) => n > 0).length).toBeLessThan(500 * 0.2);
  });

  it('makes long drafts if drafts hold and steps are cheap', () => {
    const { time, gain, chosen } = decode(COSTS.flat, 500, () => 0.98);
    expect(time).toBeLessThan(0.3);
    expect(gain).toBeGreaterThan(3);
    expect(chosen.toSorted((a, b) => a - b)[chosen.length >> 1]).toBe(7);
  });

  it('finds the draft lengths that fill a tile', () => {
    const { chosen } = decode(COSTS['tiles of four'], 2000, () => 0.7);
    const late = chosen.slice(-200).filter((n) => n > 0);
    expect(late.filter((n) => n === 3).length).toBeGreaterThan(late.length / 2);
  });

  it('resumes drafting when the text becomes repetitive, and stops when that ends', () => {
    const rate = (place: number) => (place >= 400 && place < 800 ? 0.97 : 0.05);
    expect(decode(COSTS.flat, 400, rate).time).toBeLessThan(1.04);
    expect(decode(COSTS.flat, 800, rate).time).toBeLessThan(0.8);
    expect(decode(COSTS.flat, 1200, rate).time).toBeLessThan(0.9);
  });

  it('notices cheaper plain steps although every draft seemed to pay', () => {
    const length = new DraftLength();
    let drafts = 0;
    for (let step = 0; step < 400; step++) {
      const drafted = length.choose(0, 7);
      const ms = drafted > 0 ? 1.5 * (1 + drafted) : step < 5 ? 4 : 1;
      length.observe({ kind: 0, drafted, accepted: drafted, ms });
      if (step >= 200 && drafted > 0) drafts++;
    }
    expect(drafts).toBeLessThan(20);
  });

  it('with `always`, drafts as much as allowed once three plain steps are timed', () => {
    const length = new DraftLength(new StepCosts(), true);
    for (let i = 0; i < 3; i++) {
      expect(length.choose(1, 7)).toBe(0);
      length.observe({ drafted: 0, accepted: 0, ms: 1 });
    }
    expect(length.choose(1, 7)).toBe(7);
    expect(length.choose(1, 2)).toBe(2);
    expect(length.choose(1, 0)).toBe(0);
    for (let i = 0; i < 10; i++) length.observe({ kind: 1, drafted: 7, accepted: 0, ms: 8 });
    expect(length.gain).toBeCloseTo(13 / 83, 10);
  });

  /** Chosen lengths if all drafts hold; a plain step takes `plain(step)`, a step with a draft half per token. */
  function chosenWith(costs: StepCosts, steps: number, plain: (step: number) => number = () => 1) {
    const length = new DraftLength(costs, true);
    const chosen = Array.from({ length: steps }, (_, step) => {
      const drafted = length.choose(1, 7);
      length.observe({ kind: 1, drafted, accepted: drafted, ms: drafted > 0 ? 4 : plain(step) });
      return drafted;
    });
    return { chosen, gain: length.gain };
  }

  it('times a plain step again, ever more rarely', () => {
    const { chosen } = chosenWith(new StepCosts(), 140);
    const plain = chosen.flatMap((drafted, step) => (drafted === 0 ? [step] : []));
    expect(plain).toEqual([0, 1, 2, 5, 10, 19, 36, 69, 102, 135]);
  });

  it('estimates the gain from current plain steps, not from those at the cold start', () => {
    const { gain } = chosenWith(new StepCosts(), 20, (step) => (step < 3 ? 5 : 1));
    expect(gain).toBeCloseTo((3 * 5 + 3 + 14 * 8) / (3 * 5 + 3 + 14 * 4), 10);
  });

  it('continues with costs learned before, after one plain step', () => {
    const costs = new StepCosts();
    chosenWith(costs, 30);
    expect(chosenWith(costs, 6).chosen).toEqual([0, 7, 7, 0, 7, 7]);
  });

  it('counts a first draft toward the gain, not the costs', () => {
    const length = new DraftLength();
    for (let i = 0; i < 3; i++) length.observe({ drafted: 0, accepted: 0, ms: 1 });
    length.observe({ kind: 1, drafted: 1, accepted: 1, ms: 95, isFirst: true });
    expect(length.gain).toBeCloseTo(5 / 98, 10);
    expect(length.choose(1, 1)).toBe(1);
  });

  it('keeps costs by model and drafter', () => {
    const [model, other, drafter] = [{}, {}, {}];
    const costs = stepCostsOf(model, drafter);
    expect(stepCostsOf(model, drafter)).toBe(costs);
    expect(stepCostsOf(model, model)).not.toBe(costs);
    expect(stepCostsOf(other, drafter)).not.toBe(costs);
  });
});
