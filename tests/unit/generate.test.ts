import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { claim } from '../../core/generate/claim.ts';
import {
  type GeneratedToken,
  type GenerateOptions,
  type GenerateResult,
  generate,
  UnfinishedAnswer,
} from '../../core/generate.ts';
import { SamplerChain } from '../../core/sampler/chain.ts';
import { type SamplerParameters, samplerParameters } from '../../core/sampler/parameters.ts';
import { Sequence } from '../../core/sequence.ts';
import { BOS, ByteTokenizer, END, fakeLogits, fakeModel, saying } from './fake-model.ts';

const PROMPT = [...Buffer.from('Say it: ')];
const GREEDY = { temperature: 0 };

type Options = Partial<GenerateOptions> & { parameters?: Partial<SamplerParameters> };

function start(
  sequence: Sequence,
  { parameters = GREEDY, ...options }: Options = {},
  prompt: readonly number[] = PROMPT,
) {
  const sampler = new SamplerChain(samplerParameters({ seed: 7 }, parameters), sequence.model.tokenizer);
  return generate(sequence, prompt, { sampler, ...options });
}

async function run(sequence: Sequence, options?: Options, prompt?: readonly number[]) {
  const tokens: GeneratedToken[] = [];
  const generation = start(sequence, options, prompt);
  for (;;) {
    const { done, value } = await generation.next();
    if (done) return { tokens, result: value as GenerateResult };
    tokens.push(value as GeneratedToken);
  }
}

/** A sequence with a model that answers `answer` after the prompt. */
const speaking = (answer: string) => new Sequence(fakeModel({ favourite: saying(PROMPT.length, answer) }));

describe('generate', () => {
  it('streams an answer up to the end token, which is in the ids but not in the text', async () => {
    const sequence = speaking('Hi there');
    const { tokens, result } = await run(sequence);
    expect(result.ids).toEqual([...Buffer.from('Hi there'), END]);
    expect(result.text).toBe('Hi there');
    expect(result.finishReason).toBe('stop');
    expect(result.stopString).toBeUndefined();
    expect(result.usage).toEqual({ promptTokens: 8, completionTokens: 9, cachedTokens: 0 });
    expect(tokens.map(({ id }) => id)).toEqual(result.ids);
    expect(tokens.map(({ text }) => text).join('')).toBe(result.text);
    expect(sequence.tokens).toEqual([...PROMPT, ...Buffer.from('Hi there')]);
  });

  it('equals evaluating the whole text again for each token', async () => {
    const { result } = await run(new Sequence(fakeModel()), { maxTokens: 30, ignoreEos: true });
    const ids = [...PROMPT];
    for (let i = 0; i < 30; i++) {
      const logits = fakeLogits(ids);
      logits[END] = -Infinity;
      ids.push(logits.indexOf(Math.max(...logits)));
    }
    expect(result.ids).toEqual(ids.slice(PROMPT.length));
    expect(result.finishReason).toBe('length');
  });

  it('never splits a character, and shows an incomplete one at the end', async () => {
    const { tokens, result } = await run(speaking('né🙂'));
    expect(tokens.map(({ text }) => text)).toEqual(['n', '', 'é', '', '', '', '🙂', '']);
    expect(result.text).toBe('né🙂');
    expect((await run(speaking('né🙂'), { maxTokens: 5 })).result.text).toBe('né\ufffd');
  });

  it("omits the tokenizer's leading space if the answer begins the text", async () => {
    class Spacing extends ByteTokenizer {
      override readonly addSpacePrefix = true;
    }
    const model = { ...fakeModel({ favourite: saying(1, ' Hi') }), tokenizer: new Spacing() };
    expect((await run(new Sequence(model), {}, [BOS])).result.text).toBe('Hi');
    expect((await run(new Sequence(model), {}, [65])).result.text).toBe(' Hi');
  });

  it('ends at a stop string across tokens, which is not shown', async () => {
    const { tokens, result } = await run(speaking('one two, three'), { stop: ['o,', 'xx'] });
    expect(result).toMatchObject({ text: 'one tw', finishReason: 'stop', stopString: 'o,' });
    expect(result.ids).toEqual([...Buffer.from('one two,')]);
    expect(tokens.map(({ text }) => text)).toEqual(['', 'on', 'e', ' ', 't', 'w', '', '']);
    const unmet = await run(speaking('one two'), { stop: ['o,'] });
    expect(unmet.result).toMatchObject({ text: 'one two', finishReason: 'stop', stopString: undefined });
  });

  it('shows text held back for a stop string when maxTokens end the answer', async () => {
    const { result } = await run(speaking('one two'), { stop: ['two!'], maxTokens: 6 });
    expect(result).toMatchObject({ text: 'one tw', finishReason: 'length' });
  });

  it('reuses the sequence for the next turn', async () => {
    const sequence = speaking('Yes');
    await run(sequence);
    const next = [...PROMPT, ...Buffer.from('Yes'), END, ...Buffer.from('And?')];
    const { result } = await run(sequence, { maxTokens: 3 }, next);
    expect(result.usage.cachedTokens).toBe(PROMPT.length + 3);
    const anew = await run(new Sequence(speaking('Yes').model), { maxTokens: 3 }, next);
    expect(result.ids).toEqual(anew.result.ids);
  });

  it('gives the same ids for the same seed and others for another', async () => {
    const drawn = async (seed: number) =>
      (
        await run(new Sequence(fakeModel()), {
          parameters: { seed, temperature: 1.5 },
          maxTokens: 20,
          ignoreEos: true,
        })
      ).result.ids;
    expect(await drawn(1)).toEqual(await drawn(1));
    expect(await drawn(1)).not.toEqual(await drawn(2));
  });

  it('shows the sampler the prompt and the generated tokens', async () => {
    const penalised = { temperature: 0, presencePenalty: 500, penaltyLastN: -1 };
    const model = fakeModel({ favourite: (tokens) => tokens[tokens.length % 3] });
    const { result } = await run(new Sequence(model), {
      parameters: penalised,
      maxTokens: 50,
      ignoreEos: true,
    });
    expect(new Set([...PROMPT, ...result.ids]).size).toBe(new Set(PROMPT).size + 50);
  });

  it('resets the sampler, so that a second run equals the first', async () => {
    const sampler = new SamplerChain(samplerParameters({ seed: 3, repeatPenalty: 2 }), fakeModel().tokenizer);
    const again = async () =>
      (await run(new Sequence(fakeModel()), { sampler, maxTokens: 20, ignoreEos: true })).result.ids;
    expect(await again()).toEqual(await again());
  });

  it('continues past ignored end tokens', async () => {
    const model = fakeModel({ favourite: () => END });
    const { ids, finishReason } = (await run(new Sequence(model), { maxTokens: 9, ignoreEos: true })).result;
    expect(ids).toHaveLength(9);
    expect(ids).not.toContain(END);
    expect(finishReason).toBe('length');
  });

  it('gives log probabilities of the raw logits, the most probable first', async () => {
    const { tokens } = await run(new Sequence(fakeModel()), {
      logprobs: 3,
      maxTokens: 4,
      parameters: { temperature: 1 },
      ignoreEos: true,
    });
    const ids = [...PROMPT];
    for (const { id, logprob, top } of tokens) {
      const logits = fakeLogits(ids);
      const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
      const sorted = Array.from(logits, (logit, token) => ({ id: token, logprob: logit - total })).sort(
        (a, b) => b.logprob - a.logprob,
      );
      expect(logprob).toBeCloseTo(logits[id]! - total, 10);
      expect(top!.map((entry) => entry.id)).toEqual(sorted.slice(0, 3).map((entry) => entry.id));
      expect(top![2]!.logprob).toBeCloseTo(sorted[2]!.logprob, 10);
      ids.push(id);
    }
    expect((await run(speaking('a'), { logprobs: 0 })).tokens[0]!.top).toEqual([]);
    expect((await run(speaking('a'))).tokens[0]).toEqual({ id: 97, text: 'a' });
  });

  it('measures consistent times', async () => {
    const { timings } = (await run(speaking('Hello'))).result;
    expect(timings.firstTokenMs).toBeGreaterThanOrEqual(timings.prefillMs);
    expect(timings.prefillTokensPerSecond).toBeCloseTo(8000 / timings.prefillMs, 6);
    expect(timings.decodeTokensPerSecond).toBeCloseTo(5000 / timings.decodeMs, 6);
  });
});

describe('generate, the context', () => {
  const small = () => new Sequence(fakeModel({ contextLength: 16 }));

  it('refuses at once a prompt, or a prompt and maxTokens, that do not fit', async () => {
    const long = Array.from({ length: 16 }, (_, i) => i);
    const sequence = small();
    await expect(start(sequence, {}, long).next()).rejects.toMatchObject({
      kind: 'context',
      message: expect.stringMatching(/16 .*17 /),
    });
    await expect(start(sequence, { maxTokens: 9 }).next()).rejects.toMatchObject({
      kind: 'context',
      message: expect.stringMatching(/16 .*17 /),
    });
    expect(sequence.tokens).toEqual([]);
    expect((await run(sequence, { maxTokens: 8, ignoreEos: true })).result.ids).toHaveLength(8);
  });

  it('without maxTokens fills the context, then reports an unfinished answer', async () => {
    const generation = start(small(), { ignoreEos: true });
    const ids: number[] = [];
    const error = await (async () => {
      for await (const { id } of generation) ids.push(id);
    })().catch((error: unknown) => error);
    expect(ids).toHaveLength(8);
    expect(error).toMatchObject({ kind: 'context', message: expect.stringMatching(/16 tokens.*17 /) });
    const { result } = error as UnfinishedAnswer;
    expect(error).toBeInstanceOf(UnfinishedAnswer);
    expect(result).toMatchObject({ ids, finishReason: 'length', usage: { completionTokens: 8 } });
    expect(result).toEqual({
      ...(await run(small(), { ignoreEos: true, maxTokens: 8 })).result,
      timings: result.timings,
    });
  });

  it('without maxTokens an answer that ends with the context is fine', async () => {
    const model = fakeModel({ contextLength: 16, favourite: saying(PROMPT.length, 'seven c') });
    expect((await run(new Sequence(model))).result).toMatchObject({ text: 'seven c', finishReason: 'stop' });
  });
});

describe('generate, stopped by the caller', () => {
  it('keeps the generated tokens when aborted', async () => {
    const controller = new AbortController();
    const sequence = new Sequence(fakeModel());
    const generation = start(sequence, { signal: controller.signal, ignoreEos: true });
    await generation.next();
    const second = await generation.next();
    controller.abort();
    const { done, value } = await generation.next();
    expect(done).toBe(true);
    expect(value).toMatchObject({ finishReason: 'aborted', usage: { completionTokens: 2 } });
    expect((value as GenerateResult).ids[1]).toBe((second.value as GeneratedToken).id);
  });

  it('ends without tokens when aborted in the prompt', async () => {
    const controller = new AbortController();
    const sequence = new Sequence(fakeModel({ maxTokens: 3 }));
    const { result } = await run(sequence, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    expect(result).toMatchObject({
      ids: [],
      text: '',
      finishReason: 'aborted',
      timings: { firstTokenMs: 0 },
    });
    expect(sequence.tokens).toEqual(PROMPT.slice(0, 3));
  });

  it('leaves a usable sequence when the caller breaks off', async () => {
    const sequence = new Sequence(fakeModel());
    const ids: number[] = [];
    for await (const { id } of start(sequence, { ignoreEos: true })) if (ids.push(id) === 3) break;
    expect(sequence.tokens).toEqual([...PROMPT, ...ids]);
    expect(await sequence.append(5)).toEqual(fakeLogits([...PROMPT, ...ids, 5]));
  });

  it('gives way to a later generation on the sequence, which it says when it goes on', async () => {
    const model = fakeModel({ maxTokens: 3 });
    const alone = (await run(new Sequence(fakeModel()), { maxTokens: 6 }, [1, 2])).result.ids;
    for (const begun of [0, 1, 2]) {
      const one = new Sequence(model);
      const earlier = start(one, { ignoreEos: true, maxTokens: 30 }); // its prompt takes three steps
      for (let i = 0; i < begun; i++) await earlier.next();
      const reading = begun === 0 ? earlier.next() : undefined;
      reading?.catch(() => {}); // read below
      const later = await run(begun === 2 ? one : new Sequence(model), { maxTokens: 6 }, [1, 2]);
      expect(later.result.ids).toEqual(alone);
      await expect(reading ?? earlier.next()).rejects.toMatchObject({
        kind: 'usage',
        message: expect.stringMatching(/Another generation on sequence 0/),
      });
    }
  });

  it('waits for the step in progress also after one that waits for it', async () => {
    const sequence = new Sequence(fakeModel());
    const first = await claim(sequence);
    const { promise, resolve } = Promise.withResolvers<void>();
    first.pending = promise;
    const order: string[] = [];
    const second = claim(sequence);
    const third = claim(sequence).then(() => order.push('claimed'));
    await setImmediate();
    order.push('ended');
    resolve();
    await third;
    expect(order).toEqual(['ended', 'claimed']);
    await expect(second).rejects.toMatchObject({ kind: 'usage' });
  });

  it('leaves a sequence usable that nobody resumes', async () => {
    const sequence = new Sequence(fakeModel());
    await start(sequence, { ignoreEos: true }).next();
    const expected = (await run(new Sequence(fakeModel()), { maxTokens: 6 })).result.ids;
    expect((await run(sequence, { maxTokens: 6 })).result.ids).toEqual(expected);
  });

  it.each([
    ['text as a prompt', 'abc', {}, 'an array of token ids, got string'],
    ['no prompt', null, {}, 'an array of token ids, got null'],
    ['no sampler', [1], { sampler: undefined }, 'a SamplerChain, got undefined'],
    ['another sampler', [1], { sampler: {} }, 'a SamplerChain, got object'],
    ['another signal', [1], { signal: { aborted: false } }, 'an AbortSignal, got object'],
  ])('refuses in words %s', async (_, prompt, options, message) => {
    const generation = start(new Sequence(fakeModel()), options as unknown as Options, prompt as number[]);
    await expect(generation.next()).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(message),
    });
  });

  it('passes a failure of the backend on, after the token that came before it', async () => {
    const onStep = () => {
      if (sequence.tokens.length === PROMPT.length + 1) throw new Error('device lost');
    };
    const sequence: Sequence = new Sequence(fakeModel({ onStep }));
    const generation = start(sequence, { ignoreEos: true });
    await generation.next();
    expect((await generation.next()).done).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 5)); // the step fails while the caller has the token
    await expect(generation.next()).rejects.toThrow('device lost');
  });

  it.each([
    ['max tokens', { maxTokens: 0 }],
    ['max tokens', { maxTokens: 1.5 }],
    ['logprobs', { logprobs: -1 }],
    ['stop strings', { stop: [''] }],
  ])('refuses %s out of range: %o', async (option, options) => {
    await expect(start(speaking('a'), options).next()).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(option),
    });
  });
});
