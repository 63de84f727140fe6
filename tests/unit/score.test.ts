import { describe, expect, it } from 'vitest';
import { type ScoredChunk, type ScoreOptions, type ScoreSummary, score } from '../../core/score.ts';
import { UserError } from '../../errors.ts';
import { BOS, ByteTokenizer, fakeLogits, fakeModel } from './fake-model.ts';

type ScoreModel = Parameters<typeof score>[0];

async function run(model: ScoreModel, ids: readonly number[], options: ScoreOptions) {
  const chunks: ScoredChunk[] = [];
  const scoring = score(model, ids, options);
  for (;;) {
    const { done, value } = await scoring.next();
    if (done) return { chunks, summary: value as ScoreSummary };
    chunks.push(value as ScoredChunk);
  }
}

/** Log probability of `id` after `history`, computed directly. */
function logprob(history: readonly number[], id: number): number {
  const logits = fakeLogits(history);
  return Math.log(Math.exp(logits[id]!) / logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
}

const ids = Array.from({ length: 45 }, (_, i) => (i * 37) % 251);
const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, x) => sum + x, 0) / values.length;

describe('score', () => {
  it('predicts every token of a chunk but the first from those before it, for any step size', async () => {
    for (const maxTokens of [3, 8, 512]) {
      const model = fakeModel({ maxTokens });
      const { chunks, summary } = await run(model, ids, { chunkTokens: 20 });
      expect(chunks).toHaveLength(2);
      for (const { index, tokens, logprobs, nllAll, nllSecondHalf } of chunks) {
        expect(tokens).toEqual(ids.slice(20 * index, 20 * index + 20));
        const expected = Array.from({ length: 19 }, (_, i) =>
          logprob(tokens.slice(0, i + 1), tokens[i + 1]!),
        );
        expected.forEach((value, i) => {
          expect(logprobs[i]).toBeCloseTo(value, 10);
        });
        expect(nllAll).toBeCloseTo(-mean(expected), 10);
        expect(nllSecondHalf).toBeCloseTo(-mean(expected.slice(10)), 10);
      }
      expect(summary).toMatchObject({ chunks: 2, tokens: 38 });
      expect(summary.perplexity).toBeCloseTo(Math.exp(mean(chunks.map((chunk) => chunk.nllAll))), 10);
      expect(summary.perplexitySecondHalf).toBeCloseTo(
        Math.exp(mean(chunks.map((chunk) => chunk.nllSecondHalf))),
        10,
      );
      expect(Math.max(...model.executable.steps.map((step) => step.slices[0]!.tokens.length))).toBe(
        Math.min(maxTokens, 19),
      );
    }
  });

  it('puts the begin token first in each chunk if the tokenizer adds one', async () => {
    class Adding extends ByteTokenizer {
      override readonly addBos = true;
    }
    const { chunks } = await run({ ...fakeModel(), tokenizer: new Adding() }, ids, { chunkTokens: 20 });
    expect(chunks.map(({ tokens }) => tokens.slice(0, 2))).toEqual([
      [BOS, ids[1]],
      [BOS, ids[21]],
    ]);
    expect(chunks[1]!.logprobs[0]).toBeCloseTo(logprob([BOS], ids[21]!), 10);
  });

  it('scores the requested number of chunks, or all', async () => {
    expect((await run(fakeModel(), ids, { chunkTokens: 10, chunks: 3 })).summary.chunks).toBe(3);
    expect((await run(fakeModel(), ids, { chunkTokens: 10, chunks: 9 })).summary.chunks).toBe(4);
    expect((await run(fakeModel(), ids.slice(0, 3), { chunkTokens: 3 })).summary.tokens).toBe(2);
  });

  it('refuses options out of range with the numbers', async () => {
    const error = (count: number, options: ScoreOptions) =>
      run(fakeModel({ contextLength: 32 }), ids.slice(0, count), options).catch((error: unknown) => error);
    expect(await error(45, { chunkTokens: 33 })).toMatchObject({
      kind: 'context',
      message: expect.stringMatching(/32.*33/),
    });
    expect(await error(19, { chunkTokens: 20 })).toMatchObject({ message: expect.stringMatching(/20.*19/) });
    for (const options of [
      { chunkTokens: 2 },
      { chunkTokens: 8.5 },
      { chunks: 0 },
      { chunks: 1.5 },
      { chunks: Number.NaN },
    ]) {
      expect(await error(45, { chunkTokens: 8, ...options })).toBeInstanceOf(UserError);
    }
  });

  it('refuses logits that are not finite', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const model = fakeModel();
      const { executable } = model;
      const submit = executable.submit.bind(executable);
      executable.submit = async (step) => {
        const results = await submit(step);
        for (const result of results) if (result.kind === 'logits') result.logits[3] = bad;
        return results;
      };
      await expect(run(model, ids, { chunkTokens: 20 })).rejects.toThrow('not finite numbers');
    }
  });

  it('stops between steps when aborted', async () => {
    const controller = new AbortController();
    const model = fakeModel({
      maxTokens: 4,
      onStep: ({ slices }) => slices[0]!.pos === 4 && controller.abort(),
    });
    await expect(run(model, ids, { chunkTokens: 20, signal: controller.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(model.executable.steps).toHaveLength(2);
  });
});
