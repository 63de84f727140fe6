/** Choices of the device: the same answer as from the logits, and the same tokens in the sequence. */
import { describe, expect, it } from 'vitest';
import { type GenerateOptions, type GenerateResult, generate } from '../../core/generate.ts';
import { SamplerChain } from '../../core/sampler/chain.ts';
import { type SamplerParameters, samplerParameters } from '../../core/sampler/parameters.ts';
import { Sequence } from '../../core/sequence.ts';
import { type FakeOptions, fakeModel, saying } from './fake-model.ts';

const CHOOSES = { greedy: 4, top: 40 };
const PROMPT = [...Buffer.from('Hello')];

interface Run {
  readonly result: GenerateResult;
  readonly held: readonly number[];
  readonly kinds: readonly (string | undefined)[]; // of choices, step by step
}

async function run(
  fake: FakeOptions,
  parameters: Partial<SamplerParameters>,
  options: Partial<GenerateOptions> = {},
): Promise<Run> {
  const model = fakeModel({ contextLength: 64, ...fake });
  const sequence = new Sequence(model);
  const sampler = new SamplerChain(samplerParameters({ seed: 5, ...parameters }), model.tokenizer);
  const tokens = generate(sequence, PROMPT, { sampler, maxTokens: 30, ...options });
  let next = await tokens.next();
  while (!next.done) next = await tokens.next();
  const kinds = model.executable.steps.map(({ slices }) => slices[0]!.want?.kind);
  expect(sequence.tokens).toEqual(model.executable.tokens(0));
  return { result: next.value, held: [...sequence.tokens], kinds };
}

/** Runs with and without the device's choices. */
async function both(...[fake, parameters, options]: Parameters<typeof run>) {
  const plain = await run(fake, parameters, options);
  const chosen = await run({ ...fake, chooses: CHOOSES }, parameters, options);
  expect(new Set(plain.kinds)).toEqual(new Set(['logits']));
  const { timings: _, speculation: __, ...expected } = plain.result; // what the clock had a part in
  expect(chosen.result).toMatchObject(expected);
  expect(chosen.held).toEqual(plain.held);
  return chosen;
}

describe('greedy', () => {
  it('takes several tokens a step after the first, with the same text', async () => {
    const { kinds, result } = await both({}, { temperature: 0 });
    expect(kinds[0]).toBe('top');
    expect(new Set(kinds.slice(1))).toEqual(new Set(['greedy']));
    expect(kinds.length).toBeLessThan(result.ids.length); // steps of a fake model are short: several tokens each
  });

  it('reports a model whose logits are all equal', async () => {
    for (const chooses of [undefined, CHOOSES])
      await expect(run({ flat: true, chooses }, { temperature: 0 })).rejects.toThrow('logits that differ');
  });

  it('forgets tokens chosen beyond the end', async () => {
    const { result } = await both({ favourite: saying(5, 'Fine day!') }, { temperature: 0 });
    expect(result).toMatchObject({ text: 'Fine day!', finishReason: 'stop' });
    await both({ favourite: saying(5, 'one two three') }, { temperature: 0 }, { stop: ['two'] });
  });

  it('makes no drafts if speculation is automatic', async () => {
    const { kinds, result } = await run({ chooses: CHOOSES }, { temperature: 0 }, { speculate: 'auto' });
    expect(new Set(kinds.slice(1))).toEqual(new Set(['greedy']));
    expect(result.speculation).toBeUndefined();
  });

  it('fills the context to the last place', async () => {
    await both({ contextLength: 20 }, { temperature: 0 }, { maxTokens: 15 });
    for (let maxTokens = 1; maxTokens < 10; maxTokens++) await both({}, { temperature: 0 }, { maxTokens });
  });

  it('ends at an abort', async () => {
    const model = fakeModel({ chooses: CHOOSES });
    const sequence = new Sequence(model);
    const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
    const { signal, abort } = withAbort();
    let count = 0;
    for await (const _ of generate(sequence, PROMPT, { sampler, maxTokens: 30, signal }))
      if (++count === 3) abort();
    expect(count).toBe(3);
    expect(sequence.tokens).toHaveLength(PROMPT.length + 2);
  });
});

describe('top', () => {
  it('draws the same tokens from the largest logits', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const { kinds } = await both({}, { temperature: 0.9, topK: 40, topP: 0.95, minP: 0.01, seed });
      expect(new Set(kinds)).toEqual(new Set(['top']));
    }
  });
});

describe('the logits themselves', () => {
  it.each<[string, Partial<SamplerParameters>, Partial<GenerateOptions>]>([
    ['a penalty', { temperature: 0, repeatPenalty: 1.2 }, {}],
    ['a bias', { temperature: 0, logitBias: new Map([[65, 3]]) }, {}],
    ['a wider cut than the device makes', { temperature: 1, topK: 41 }, {}],
    ['no cut by rank', { temperature: 1, topK: 0 }, {}],
    ['log probabilities', { temperature: 0 }, { logprobs: 2 }],
    ['forbidden end tokens', { temperature: 0 }, { ignoreEos: true }],
    ['speculation', { temperature: 0 }, { speculate: 'on' }],
  ])('are requested with %s', async (_, parameters, options) => {
    const { kinds } = await both({}, parameters, options);
    expect(new Set(kinds)).toEqual(new Set(['logits']));
  });
});

function withAbort() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
