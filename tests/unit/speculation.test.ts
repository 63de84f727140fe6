import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type GeneratedToken,
  type GenerateOptions,
  generate,
  UnfinishedAnswer,
} from '../../core/generate.ts';
import { loadModel } from '../../core/index.ts';
import { SamplerChain } from '../../core/sampler/chain.ts';
import { type SamplerParameters, samplerParameters } from '../../core/sampler/parameters.ts';
import { Sequence } from '../../core/sequence.ts';
import { ByteTokenizer, END, type FakeOptions, type Favourite, fakeModel } from './fake-model.ts';

const bytes = (text: string) => [...Buffer.from(text)];
const TINY_LLAMA = resolve(import.meta.dirname, '../fixtures/tiny-llama.Q8_0.gguf');

/** Repeats the token nine places ago; every seventh token comes from the noise. */
const stammering: Favourite = (tokens) => (tokens.length % 7 === 0 ? undefined : tokens[tokens.length - 9]);
const PROMPT = bytes('repeat it! repeat');

type Options = Partial<GenerateOptions> & { parameters?: Partial<SamplerParameters> };

interface Run {
  model?: FakeOptions;
  options?: Options;
  prompt?: readonly number[];
  /** After this many tokens... */
  after?: number;
  then?: 'abort' | 'break';
}

/** The visible results of a run, without times and speculation. */
async function observed({ model, options = {}, prompt = PROMPT, after, then }: Run) {
  const { parameters = { temperature: 0 }, ...rest } = options;
  const sequence = new Sequence(fakeModel({ contextLength: 256, favourite: stammering, ...model }));
  const sampler = new SamplerChain(samplerParameters({ seed: 7 }, parameters), sequence.model.tokenizer);
  const controller = new AbortController();
  const tokens: GeneratedToken[] = [];
  const generation = generate(sequence, prompt, { sampler, signal: controller.signal, ...rest });
  const end = async () => {
    for (;;) {
      const { done, value } = await generation.next();
      if (done) return value;
      tokens.push(value);
      if (tokens.length !== after) continue;
      if (then === 'break') return generation.return(undefined as never).then(() => undefined);
      controller.abort();
    }
  };
  const ending = await end().catch((error: Error) => error);
  const { executable } = sequence.model as ReturnType<typeof fakeModel>;
  const cache = executable.tokens(0).slice();
  const seen = { tokens, held: sequence.tokens, cache, steps: executable.steps };
  const unfinished = ending instanceof UnfinishedAnswer ? ending : undefined;
  const whole = unfinished?.result ?? ending;
  if (!whole || whole instanceof Error) return { ...seen, ending: whole, speculation: undefined };
  const { timings: _, speculation, ...result } = whole;
  const { kind, message } = unfinished ?? {};
  return { ...seen, ending: { ...result, kind, message }, speculation };
}

/** Checks that speculation changes nothing, and returns its statistics. */
async function checkSame(run: Run, speculative: Options = { speculate: 'on' }) {
  const { steps: plainSteps, ...plain } = await observed(run);
  const { steps, speculation, ...other } = await observed({
    ...run,
    options: { ...run.options, ...speculative },
  });
  expect(other).toEqual(plain);
  return {
    plain,
    plainSteps: plainSteps.length,
    steps: steps.length,
    speculation,
    reached: Math.max(...steps.flatMap(({ slices }) => slices.map(({ pos, tokens }) => pos + tokens.length))),
  };
}

describe('speculation', () => {
  const LONG = { maxTokens: 120, ignoreEos: true };

  it('is off by default', async () => {
    const { speculation, steps } = await observed({ options: LONG });
    expect(speculation).toBeUndefined();
    expect(steps).toHaveLength(3 + 119); // a prompt of 17 tokens, eight a step
  });

  it.each<[string, Partial<SamplerParameters>]>([
    ['greedy', { temperature: 0 }],
    ['greedy, penalties', { temperature: 0, repeatPenalty: 1.3, frequencyPenalty: 0.5 }],
    ['draw', { temperature: 3 }],
    ['draw, another seed', { temperature: 3, seed: 99 }],
    ['cuts', { temperature: 2, topK: 20, topP: 0.9, minP: 0.01, typicalP: 0.95 }],
    ['xtc', { temperature: 2, xtcProbability: 0.2, xtcThreshold: 0.05 }],
    ['dry', { temperature: 2, dryMultiplier: 0.2 }],
    ['mirostat', { temperature: 2, mirostat: 2 }],
  ])('gives the ids of plain decoding: %s', async (_, parameters) => {
    const { speculation, steps, plainSteps } = await checkSame({ options: { ...LONG, parameters } });
    const { accepted, drafted, drafts, meanAccepted } = speculation!;
    expect(accepted).toBeGreaterThan(0);
    expect(drafted).toBeGreaterThan(accepted);
    expect(plainSteps - steps).toBe(accepted);
    expect(speculation!.steps).toBe(steps - 3);
    expect(meanAccepted).toBe(accepted / drafts);
    expect(speculation!.gain).toBeGreaterThan(0);
  });

  it('gives the ids of plain decoding whether or not drafts pay', async () => {
    await checkSame({ options: LONG }, { speculate: 'auto' });
    await checkSame({ options: { ...LONG, parameters: { temperature: 3 } } }, { speculate: 'auto' });
  });

  it('takes several tokens a step', async () => {
    const loop: Favourite = (tokens) => tokens[tokens.length - 9];
    const { steps, plainSteps } = await checkSame({ options: LONG, model: { favourite: loop } });
    expect(plainSteps).toBe(3 + 119);
    expect(steps).toBeLessThan(3 + 119 / 4);
  });

  it.each([1, 2, 3, 5])('keeps to steps of at most %i tokens', async (maxTokens) => {
    const { speculation } = await checkSame({ options: LONG, model: { maxTokens } });
    expect(speculation!.drafted > 0).toBe(maxTokens > 1);
  });

  it('ends with the same token, at any place', async () => {
    for (let maxTokens = 1; maxTokens < 40; maxTokens++) {
      const { plain, reached } = await checkSame({ options: { maxTokens, ignoreEos: true } });
      expect(plain.ending).toMatchObject({ finishReason: 'length' });
      expect(reached).toBe(PROMPT.length + maxTokens - 1);
    }
  });

  it('ends at a full context with the same error', async () => {
    for (let contextLength = 20; contextLength < 50; contextLength++) {
      const { plain } = await checkSame({ options: { ignoreEos: true }, model: { contextLength } });
      expect(plain.ending).toMatchObject({ kind: 'context' });
      expect(plain.tokens).toHaveLength(contextLength - PROMPT.length);
    }
  });

  it('ends at an end token within a draft', async () => {
    const prompt = [...bytes('1234567'), END, ...bytes('89 123')];
    const favourite: Favourite = (tokens) => prompt[tokens.length - 11] ?? tokens[tokens.length - 11];
    const { plain, speculation } = await checkSame({ prompt, model: { favourite } });
    expect(plain.ending).toMatchObject({ finishReason: 'stop' });
    expect(speculation!.drafted - speculation!.accepted).toBeGreaterThan(1);
  });

  it('ignores end tokens on request', async () => {
    const favourite: Favourite = (tokens) => (tokens.length % 5 === 0 ? END : tokens[tokens.length - 9]);
    const { speculation } = await checkSame({ options: LONG, model: { favourite } });
    expect(speculation!.accepted).toBeGreaterThan(0);
  });

  it('ends at a stop string within a draft', async () => {
    const { plain, speculation } = await checkSame({
      options: { stop: ['it! rep'], maxTokens: 120 },
      model: { favourite: (tokens) => tokens[tokens.length - 11] },
    });
    expect(plain.ending).toMatchObject({ finishReason: 'stop', stopString: 'it! rep', text: ' ' });
    expect(speculation!.drafts).toBeGreaterThan(0);
  });

  it('gives the same log probabilities', async () => {
    const { plain } = await checkSame({ options: { ...LONG, logprobs: 3, parameters: { temperature: 3 } } });
    expect(plain.tokens[40]!.top).toHaveLength(3);
  });

  it.each(['abort', 'break'] as const)('leaves the same sequence after each token: %s', async (then) => {
    for (let after = 1; after < 30; after++) {
      const { plain } = await checkSame({ options: LONG, after, then });
      expect(plain.tokens).toHaveLength(after);
    }
  });

  it('passes a failure on after the token before it, and leaves a usable sequence', async () => {
    let failing = true;
    const model = fakeModel({
      contextLength: 256,
      favourite: stammering,
      onStep: ({ slices }) => {
        if (failing && slices[0]!.tokens.length > 1 && slices[0]!.pos > 40) throw new Error('device lost');
      },
    });
    const sequence = new Sequence(model);
    const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
    const ids: number[] = [];
    const generating = async (count: number, prompt: readonly number[]) => {
      const options = { sampler, speculate: 'on', maxTokens: count, ignoreEos: true } as const;
      for await (const { id } of generate(sequence, prompt, options)) ids.push(id);
    };
    await expect(generating(120, PROMPT)).rejects.toThrow('device lost');
    expect(sequence.tokens).toEqual([...PROMPT, ...ids].slice(0, -1));
    failing = false;
    await generating(120 - ids.length, [...PROMPT, ...ids]);
    const { tokens } = await observed({ options: LONG });
    expect(ids).toEqual(tokens.map(({ id }) => id));
  });

  it('reuses the sequence, and that of the draft model, for the next turn', async () => {
    const [sequence, draft] = [0, 0].map(() => new Sequence(fakeModel({ contextLength: 256 })));
    const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), sequence!.model.tokenizer);
    const turn = async (prompt: readonly number[]) => {
      const generation = generate(sequence!, prompt, { sampler, draft, maxTokens: 20, ignoreEos: true });
      for (;;) {
        const { done, value } = await generation.next();
        if (done) return value;
      }
    };
    const first = await turn(PROMPT);
    const next = [...PROMPT, ...first.ids, ...bytes('And?')];
    expect((await turn(next)).usage.cachedTokens).toBe(PROMPT.length + 19);
    expect(draft!.tokens.slice(0, next.length)).toEqual(next);
  });

  it('remembers the times of steps for the life of the model', async () => {
    const model = fakeModel({ contextLength: 256, favourite: (tokens) => tokens[tokens.length - 9] });
    const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
    const plainAtFirst = async () => {
      model.executable.steps.length = 0;
      const options = { sampler, speculate: 'on', maxTokens: 40, ignoreEos: true } as const;
      for await (const _ of generate(new Sequence(model), PROMPT, options));
      const sizes = model.executable.steps.map(({ slices }) => slices[0]!.tokens.length).slice(3); // 3 of the prompt
      return sizes.findIndex((tokens) => tokens > 1);
    };
    expect(await plainAtFirst()).toBe(3);
    expect(await plainAtFirst()).toBe(1);
  });

  describe('with a draft model', () => {
    const drafting = (model: FakeOptions): Options => ({
      draft: new Sequence(fakeModel({ contextLength: 256, ...model })),
      speculate: 'on',
    });
    const guess: Favourite = (tokens) => (tokens.length % 4 === 0 ? 65 : stammering(tokens));

    it('gives the ids of plain decoding, greedy and drawn', async () => {
      for (const temperature of [0, 3]) {
        const run = { options: { ...LONG, parameters: { temperature } } };
        const { speculation, plainSteps, steps } = await checkSame(run, drafting({ favourite: guess }));
        expect(speculation!.accepted).toBeGreaterThan(20);
        expect(speculation!.drafted).toBeGreaterThan(speculation!.accepted);
        expect(plainSteps - steps).toBe(speculation!.accepted);
      }
    });

    it('continues without it at the end of its context', async () => {
      const { speculation } = await checkSame(
        { options: LONG },
        drafting({ favourite: guess, contextLength: 40 }),
      );
      expect(speculation!.drafts).toBeGreaterThan(0);
      expect(speculation!.steps - speculation!.drafts).toBeGreaterThan(60);
    });

    it('is used by default, and its vocabulary is checked before the prompt is computed', async () => {
      const { draft } = drafting({ favourite: guess });
      expect((await checkSame({ options: LONG }, { draft })).speculation).toBeDefined();
      class Larger extends ByteTokenizer {
        override readonly vocabularySize: number = 300;
      }
      const other = new Sequence({ ...fakeModel(), tokenizer: new Larger() });
      const { ending, steps } = await observed({ options: { draft: other } });
      expect(ending).toMatchObject({ kind: 'usage' });
      expect(steps).toHaveLength(0);
    });
  });
});

describe.each(['cpu', 'reference'])('speculation on tiny-llama, %s', (backend) => {
  it('gives the ids of plain decoding, greedy and drawn', async () => {
    const model = await loadModel(TINY_LLAMA, { backend, threads: 2, contextLength: 128 });
    const draftModel = await loadModel(TINY_LLAMA, { backend: 'reference', contextLength: 128 });
    const prompt = [1, 455, 399, 365, 361, 287, 463, 1, 455, 399, 365];
    const generated = async (temperature: number, options: Partial<GenerateOptions>) => {
      const sampler = new SamplerChain(samplerParameters({ temperature, seed: 11 }), model.tokenizer);
      const generation = generate(new Sequence(model), prompt, {
        sampler,
        maxTokens: 60,
        ignoreEos: true,
        ...options,
      });
      for (;;) {
        const { done, value } = await generation.next();
        if (done) return value;
      }
    };
    for (const temperature of [0, 0.3]) {
      const plain = await generated(temperature, {});
      for (const draft of [undefined, new Sequence(draftModel)]) {
        const { ids, speculation } = await generated(temperature, { speculate: 'on', draft });
        expect(ids).toEqual(plain.ids);
        expect(speculation!.drafted).toBeGreaterThan(0);
        if (draft) expect(speculation!.accepted).toBeGreaterThan(10);
      }
    }
    await Promise.all([model.dispose(), draftModel.dispose()]);
  });
});
