import { describe, expect, it } from 'vitest';
import { logitsOf } from '../../backends/results.ts';
import { Sequence } from '../../core/sequence.ts';
import { UserError } from '../../errors.ts';
import { fakeLogits, fakeModel } from './fake-model.ts';

const count = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);

describe('Sequence', () => {
  it('computes a prompt in steps of at most maxTokens and asks for logits once', async () => {
    const model = fakeModel({ maxTokens: 4 });
    const sequence = new Sequence(model);
    const progress: [number, number][] = [];
    const ids = count(10);
    const { result, cachedTokens, computedTokens } = await sequence.evaluate(ids, {
      onProgress: (done, total) => progress.push([done, total]),
    });
    expect(logitsOf(result)).toEqual(fakeLogits(ids));
    expect([cachedTokens, computedTokens]).toEqual([0, 10]);
    expect(
      model.executable.steps.map((step) => [step.slices[0]!.tokens.length, step.slices[0]!.want?.kind]),
    ).toEqual([
      [4, undefined],
      [4, undefined],
      [2, 'logits'],
    ]);
    expect(progress).toEqual([
      [4, 10],
      [8, 10],
      [10, 10],
    ]);
    expect(sequence.tokens).toEqual(ids);
  });

  it.each([
    ['a longer text', [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7], 5],
    ['another ending', [1, 2, 3, 4, 5], [1, 2, 9, 4, 5], 2],
    ['a shorter text', [1, 2, 3, 4, 5], [1, 2, 3], 2],
    ['the same text', [1, 2, 3, 4, 5], [1, 2, 3, 4, 5], 4],
    ['nothing in common', [1, 2, 3], [4, 5], 0],
  ])('reuses the common prefix: %s', async (_, first, second, cached) => {
    const model = fakeModel();
    const sequence = new Sequence(model);
    await sequence.evaluate(first);
    const { result, cachedTokens, computedTokens } = await sequence.evaluate(second);
    expect(logitsOf(result)).toEqual(fakeLogits(second));
    expect([cachedTokens, computedTokens]).toEqual([cached, second.length - cached]);
    expect(model.executable.steps.at(-1)!.slices[0]!.tokens.length).toBe(computedTokens);
    expect(model.executable.tokens(0)).toEqual(second);
    expect(sequence.tokens).toEqual(second);
  });

  it('appends, trims and continues', async () => {
    const model = fakeModel();
    const sequence = new Sequence(model);
    await sequence.evaluate([1, 2, 3]);
    expect(await sequence.append(4)).toEqual(fakeLogits([1, 2, 3, 4]));
    sequence.trim(2);
    expect(sequence.tokens).toEqual([1, 2]);
    expect(model.executable.tokens(0)).toEqual([1, 2]);
    expect(await sequence.append(5)).toEqual(fakeLogits([1, 2, 5]));
    sequence.trim(9);
    expect(sequence.tokens).toEqual([1, 2, 5]);
  });

  it('appends several tokens in one step, with the logits after each', async () => {
    const model = fakeModel({ contextLength: 6 });
    const sequence = new Sequence(model);
    await sequence.evaluate([1, 2]);
    const rows = await sequence.append(3, 4, 5);
    expect(model.executable.steps).toHaveLength(2);
    const expected = [[3], [3, 4], [3, 4, 5]].map((more) => [...fakeLogits([1, 2, ...more])]);
    expect([...rows]).toEqual(expected.flat());
    expect(sequence.tokens).toEqual([1, 2, 3, 4, 5]);
    sequence.trim(3);
    expect(await sequence.append(9)).toEqual(fakeLogits([1, 2, 3, 9]));
    await expect(sequence.append(5, 6, 7)).rejects.toMatchObject({
      kind: 'context',
      message: expect.stringMatching(/6 .*7 /),
    });
    expect(sequence.tokens).toEqual([1, 2, 3, 9]);
  });

  it('forks: both hold the tokens and then diverge', async () => {
    const model = fakeModel();
    const sequence = new Sequence(model);
    await sequence.evaluate([1, 2, 3]);
    const fork = await sequence.fork(1);
    expect(model.executable.steps).toHaveLength(1);
    expect(await fork.append(7)).toEqual(fakeLogits([1, 2, 3, 7]));
    expect(await sequence.append(8)).toEqual(fakeLogits([1, 2, 3, 8]));
    expect([sequence.tokens, fork.tokens]).toEqual([
      [1, 2, 3, 8],
      [1, 2, 3, 7],
    ]);
    await expect(sequence.fork(2)).rejects.toThrow(RangeError);
    await expect(sequence.fork(0)).rejects.toThrow(RangeError);
  });

  it('starts with an empty cache after an earlier sequence', async () => {
    const model = fakeModel();
    await new Sequence(model).evaluate([1, 2, 3]);
    const { result, cachedTokens } = await new Sequence(model).evaluate([1, 2, 3, 4]);
    expect(cachedTokens).toBe(0);
    expect(logitsOf(result)).toEqual(fakeLogits([1, 2, 3, 4]));
  });

  it('rejects tokens that do not fit, with both numbers, before computing', async () => {
    const model = fakeModel({ contextLength: 6 });
    const sequence = new Sequence(model);
    const error = await sequence.evaluate(count(7)).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({
      kind: 'context',
      message: expect.stringMatching(/6 .*7 /),
      hint: expect.stringContaining('--ctx 7'),
    });
    expect(model.executable.steps).toHaveLength(0);
    await sequence.evaluate(count(6));
    await expect(sequence.append(1)).rejects.toMatchObject({ kind: 'context' });
    expect(sequence.tokens).toEqual(count(6));
    await expect(sequence.evaluate([])).rejects.toBeInstanceOf(UserError);
  });

  it('advises no context beyond the trained one', async () => {
    const model = { ...fakeModel({ contextLength: 6 }), trainedContext: 8 };
    const hint = (ids: number[]) => new Sequence(model).evaluate(ids).catch(({ hint }: UserError) => hint);
    expect(await hint(count(8))).toContain('--ctx 8');
    expect(await hint(count(9))).toBe(
      'Give a shorter prompt: this model was trained for a context of 8 tokens.',
    );
  });

  it('stays consistent when aborted between steps', async () => {
    const controller = new AbortController();
    const model = fakeModel({ maxTokens: 3 });
    const sequence = new Sequence(model);
    const stopped = sequence.evaluate(count(9), {
      signal: controller.signal,
      onProgress: (done) => done === 6 && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    expect(sequence.tokens).toEqual(count(6));
    expect(model.executable.tokens(0)).toEqual(count(6));
    const { result, cachedTokens } = await sequence.evaluate(count(9));
    expect(cachedTokens).toBe(6);
    expect(logitsOf(result)).toEqual(fakeLogits(count(9)));
  });

  it('stays consistent when a step fails', async () => {
    let failing = false;
    const model = fakeModel({
      maxTokens: 3,
      onStep: (step) => {
        if (failing && step.slices[0]!.pos === 3) throw new Error('device lost');
      },
    });
    const sequence = new Sequence(model);
    failing = true;
    await expect(sequence.evaluate(count(9))).rejects.toThrow('device lost');
    expect(sequence.tokens).toEqual(count(3));
    failing = false;
    expect(logitsOf((await sequence.evaluate(count(9))).result)).toEqual(fakeLogits(count(9)));
  });

  it('goes on from what was saved, on another sequence', async () => {
    const model = fakeModel({ sequences: 2 });
    const sequence = new Sequence(model);
    await sequence.evaluate([1, 2, 3]);
    const saved = await sequence.save();
    await sequence.append(9);
    const other = new Sequence(model, 1);
    await other.restore(saved!);
    const { result, cachedTokens } = await other.evaluate([1, 2, 3, 4]);
    expect(cachedTokens).toBe(3);
    expect(logitsOf(result)).toEqual(fakeLogits([1, 2, 3, 4]));
    await expect(other.restore({ ...saved!, state: saved!.state.subarray(1) })).rejects.toThrow();
    expect(other.tokens).toEqual([]);
  });
});
