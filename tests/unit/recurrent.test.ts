/** Models whose sequences go on or begin again: nothing may rely on taking the last tokens back. */
import { describe, expect, it } from 'vitest';
import type { Op, Program, StateShape, WeightDesc } from '../../backends/backend.ts';
import { shapesOf } from '../../backends/ops.ts';
import { logitsOf } from '../../backends/results.ts';
import { type GenerateOptions, generate } from '../../core/generate.ts';
import { SamplerChain } from '../../core/sampler/chain.ts';
import { samplerParameters } from '../../core/sampler/parameters.ts';
import { Sequence } from '../../core/sequence.ts';
import { SequencePool } from '../../core/sequence-pool.ts';
import { type FakeOptions, fakeLogits, fakeModel, saying } from './fake-model.ts';

const recurrent = (options: FakeOptions = {}) => {
  return fakeModel({ recurrent: true, contextLength: 200, maxTokens: 64, ...options });
};
const run = (n: number, from: number) => Array.from({ length: n }, (_, i) => from + i);

describe('a sequence of a recurrent model', () => {
  it('goes on where all is reused, and computes everything where less would be', async () => {
    const model = recurrent();
    const sequence = new Sequence(model);
    await sequence.evaluate([1, 2, 3]);
    expect(await sequence.evaluate([1, 2, 3, 4])).toMatchObject({ cachedTokens: 3, computedTokens: 1 });
    const { result, ...counts } = await sequence.evaluate([1, 2, 9]);
    expect(counts).toEqual({ cachedTokens: 0, computedTokens: 3 });
    expect(logitsOf(result)).toEqual(fakeLogits([1, 2, 9]));
    expect(model.executable.tokens(0)).toEqual(sequence.tokens);
  });

  it('forgets all where it is to forget some', async () => {
    const sequence = new Sequence(recurrent());
    await sequence.evaluate([1, 2, 3]);
    sequence.trim(2);
    expect(sequence.tokens).toEqual([]);
    expect((await sequence.evaluate([1, 2])).computedTokens).toBe(2);
  });

  it('forks as a whole, and empty where a part is wanted', async () => {
    const sequence = new Sequence(recurrent());
    await sequence.evaluate([1, 2, 3]);
    const whole = await sequence.fork(1);
    expect(whole.tokens).toEqual([1, 2, 3]);
    expect(await whole.append(4)).toEqual(fakeLogits([1, 2, 3, 4]));
    const part = await sequence.fork(1, 2);
    expect(part.tokens).toEqual([]);
    expect(logitsOf((await part.evaluate([1, 2])).result)).toEqual(fakeLogits([1, 2]));
    expect(sequence.tokens).toEqual([1, 2, 3]);
  });

  it('forks empty after a step that failed', async () => {
    let failing = false;
    const onStep = () => {
      if (failing) throw new Error('the device is gone');
    };
    const model = recurrent({ onStep });
    const sequence = new Sequence(model);
    await sequence.evaluate([1, 2, 3]);
    failing = true;
    await expect(sequence.append(4)).rejects.toThrow();
    failing = false;
    expect((await sequence.fork(1)).tokens).toEqual(sequence.tokens);
  });
});

describe('the sequences of a recurrent model', () => {
  const prompt = run(30, 0);
  const left = [...prompt, ...run(30, 100)];
  const right = [...prompt, ...run(30, 150)];

  async function poolOf(sequences: number) {
    const pool = new SequencePool(recurrent({ sequences }));
    return async (ids: readonly number[]) => {
      const sequence = await pool.sequenceFor(ids);
      const { result, computedTokens } = await sequence.evaluate(ids);
      expect(logitsOf(result)).toEqual(fakeLogits(ids));
      return computedTokens;
    };
  }

  it('compute a branch that others only begin like, in a sequence of its own', async () => {
    const evaluate = await poolOf(3);
    expect(await evaluate(left)).toBe(60);
    expect(await evaluate(right)).toBe(60);
    expect(await evaluate([...left, 7])).toBe(1);
    expect(await evaluate([...right, 7])).toBe(1);
  });

  it('go on with one that is a whole beginning', async () => {
    const evaluate = await poolOf(2);
    await evaluate(prompt);
    expect(await evaluate(left)).toBe(30);
  });

  it('do with one what they can', async () => {
    const evaluate = await poolOf(1);
    await evaluate(left);
    expect(await evaluate(right)).toBe(60);
  });
});

describe('answers of a recurrent model', () => {
  const PROMPT = [...Buffer.from('Hello')];

  async function answer(fake: FakeOptions, options: Partial<GenerateOptions> = {}) {
    const model = recurrent(fake);
    const sequence = new Sequence(model);
    const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
    const tokens = generate(sequence, PROMPT, { sampler, maxTokens: 30, ...options });
    let next = await tokens.next();
    while (!next.done) next = await tokens.next();
    expect(sequence.tokens).toEqual(model.executable.tokens(0));
    return { ...next.value, held: sequence.tokens, steps: model.executable.steps };
  }

  it('take no more ids of the device than the answer has, so that the next turn goes on', async () => {
    const plain = await answer({ favourite: saying(5, 'Fine day!') });
    const chosen = await answer({ favourite: saying(5, 'Fine day!'), chooses: { greedy: 4, top: 40 } });
    expect(chosen.text).toBe('Fine day!');
    expect(chosen.held).toEqual([...PROMPT, ...Buffer.from('Fine day!')]);
    expect(chosen.held).toEqual(plain.held);
    const wants = chosen.steps.map(({ slices }) => slices[0]!.want);
    expect(wants[0]).toEqual({ kind: 'top', count: 16 });
    expect(wants.slice(1)).toEqual(wants.slice(1).map(() => ({ kind: 'greedy', count: 1 })));
  });

  it('are drafted by nobody: where it is left to percept without a word, else with the reason', async () => {
    const plain = await answer({});
    const auto = await answer({}, { speculate: 'auto' });
    expect(auto.ids).toEqual(plain.ids);
    expect(auto.speculation).toBeUndefined();
    expect(auto.steps).toEqual(plain.steps);
    const error = { kind: 'usage', message: expect.stringContaining('recurrent') };
    await expect(answer({}, { speculate: 'on' })).rejects.toMatchObject(error);
    const draft = new Sequence(fakeModel());
    await expect(answer({}, { draft })).rejects.toMatchObject(error);
    expect((await answer({}, { draft, speculate: 'off' })).ids).toEqual(plain.ids);
  });

  it('are no drafts for other models', async () => {
    const draft = new Sequence(recurrent());
    await expect(answer({ recurrent: false }, { draft })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('The draft model'),
    });
  });
});

describe('the shape of a convolution', () => {
  const descs: WeightDesc[] = [
    { name: 'table', type: 'F32', rows: 10, cols: 6 },
    { name: 'taps', type: 'F32', rows: 6, cols: 4 },
    { name: 'others', type: 'F32', rows: 5, cols: 4 },
    { name: 'one', type: 'F32', rows: 6, cols: 1 },
  ];
  const state: StateShape = { kind: 'recurrent', floats: 18 };
  const kv: StateShape = { kind: 'kv', kvHeads: 1, keyDim: 6, valueDim: 6 };
  const embed: Op = { op: 'embed', table: 0 };
  const conv: Op = { op: 'conv', x: 0, weight: 1, state: 0 };
  const shapes = (ops: Program['ops'], states: readonly StateShape[]) => {
    return shapesOf({ ops, states }, (id) => descs[id]!);
  };

  it('is that of what it reads', () => {
    expect(shapes([embed, conv], [state])[1]).toEqual({ rows: 'tokens', cols: 6 });
  });

  it.each<[string, Op[], StateShape[], string]>([
    ['a state of other floats', [embed, conv], [{ kind: 'recurrent', floats: 24 }], 'Expected 18 floats'],
    ['a state of keys and values', [embed, conv], [kv], 'of kind recurrent, got kv'],
    ['no state', [embed, { ...conv, state: 1 }], [state], 'Expected a state from 0 to 0, got 1.'],
    [
      'a state that another op has',
      [embed, conv, { ...conv, x: 1 }],
      [state],
      'State 0 is recurrent, but several ops use it.',
    ],
    [
      'other columns',
      [embed, { ...conv, weight: 2 }],
      [{ ...state, floats: 15 }],
      'Expected 5 columns of conv',
    ],
    ['one weight a column', [embed, { ...conv, weight: 3 }], [{ ...state, floats: 0 }], 'at least 2 weights'],
    [
      'selected rows',
      [embed, { op: 'select', x: 0 }, { ...conv, x: 1 }],
      [state],
      'A conv reads all tokens of a step, not selected rows.',
    ],
    [
      'attention over it',
      [embed, { op: 'attention', q: 0, k: 0, v: 0, state: 0, heads: 1, scale: 1 }],
      [state],
      'of kind kv, got recurrent',
    ],
    [
      'a window of nothing',
      [embed, { op: 'attention', q: 0, k: 0, v: 0, state: 0, heads: 1, scale: 1, window: 0 }],
      [kv],
      'Expected a window of at least 1 position, got 0.',
    ],
  ])('fits no %s', (_, ops, states, message) => {
    expect(() => shapes(ops, states)).toThrow(RangeError);
    expect(() => shapes(ops, states)).toThrow(message);
  });
});
