/** What sequences want, merged into steps. */
import { describe, expect, it } from 'vitest';
import type { Step, Want } from '../../backends/backend.ts';
import { logitsOf } from '../../backends/results.ts';
import { fakeLogits, fakeModel } from './fake-model.ts';

const count = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);
const LOGITS: Want = { kind: 'logits' };
const shape = ({ slices }: Step) => slices.map(({ seq, tokens }) => [seq, tokens.length]);

describe('Scheduler', () => {
  it('puts slices that wait at the same time into one step', async () => {
    const { scheduler, executable } = fakeModel({ sequences: 3 });
    const results = await Promise.all(
      [0, 1, 2].map((seq) => scheduler.compute({ seq, pos: 0, tokens: [seq, 9], want: LOGITS })),
    );
    expect(results.map(logitsOf)).toEqual([0, 1, 2].map((seq) => fakeLogits([seq, 9])));
    expect(executable.steps.map(shape)).toEqual([
      [
        [0, 2],
        [1, 2],
        [2, 2],
      ],
    ]);
  });

  it('lets decoding go on beside a long prompt, and fills the step with the prompt', async () => {
    const { scheduler, executable } = fakeModel({ sequences: 2, maxTokens: 16 });
    const prompt = scheduler.compute({ seq: 0, pos: 0, tokens: count(40), want: LOGITS });
    let held: number[] = [];
    for (const token of [7, 8]) {
      const slice = { seq: 1, pos: held.length, tokens: [token], want: LOGITS };
      held = [...held, token];
      expect(logitsOf(await scheduler.compute(slice))).toEqual(fakeLogits(held));
    }
    expect(logitsOf(await prompt)).toEqual(fakeLogits(count(40)));
    const [first, second] = executable.steps.map(shape);
    expect(first).toEqual([
      [0, 8],
      [1, 1],
    ]);
    expect(second).toEqual([
      [0, 8],
      [1, 1],
    ]);
  });

  it('joins the rows of a slice that took several steps', async () => {
    const { scheduler, executable } = fakeModel({ maxTokens: 4 });
    const done: number[] = [];
    const want = { kind: 'logits', rows: 'all' } as const;
    const slice = { seq: 0, pos: 0, tokens: count(10), want };
    const rows = logitsOf(await scheduler.compute(slice, { onProgress: (tokens) => done.push(tokens) }));
    const expected = count(10).flatMap((last) => [...fakeLogits(count(last + 1))]);
    expect([...rows]).toEqual(expected);
    expect(done).toEqual([4, 8, 10]);
    expect(executable.steps).toHaveLength(3);
  });

  it('asks a device for several ids only where nobody else waits', async () => {
    const { scheduler } = fakeModel({ sequences: 2, chooses: { top: 4, greedy: 4 } });
    const want = { kind: 'greedy', count: 3 } as const;
    const alone = await scheduler.compute({ seq: 0, pos: 0, tokens: [1], want });
    expect(alone.kind === 'greedy' && alone.ids).toHaveLength(3);
    const [one, other] = await Promise.all([
      scheduler.compute({ seq: 0, pos: 3, tokens: [1], want }),
      scheduler.compute({ seq: 1, pos: 0, tokens: [1], want: LOGITS }),
    ]);
    expect(one.kind === 'greedy' && one.ids).toHaveLength(1);
    expect(logitsOf(other)).toEqual(fakeLogits([1]));
  });

  it('stops a slice between two steps, and goes on with the others', async () => {
    const controller = new AbortController();
    const { scheduler, executable } = fakeModel({ sequences: 2, maxTokens: 4 });
    const reason = new Error('enough');
    const stopped = scheduler.compute(
      { seq: 0, pos: 0, tokens: count(12) },
      { signal: controller.signal, onProgress: () => controller.abort(reason) },
    );
    const other = scheduler.compute({ seq: 1, pos: 0, tokens: count(12, 50), want: LOGITS });
    await expect(stopped).rejects.toBe(reason);
    expect(logitsOf(await other)).toEqual(fakeLogits(count(12, 50)));
    expect(executable.tokens(0).length).toBeLessThan(12);
  });

  it('copies a sequence when no step runs, in the order it was asked to', async () => {
    const { scheduler, executable } = fakeModel({ sequences: 2 });
    await scheduler.compute({ seq: 0, pos: 0, tokens: [1, 2, 3] });
    const step = scheduler.compute({ seq: 0, pos: 3, tokens: [4] });
    await Promise.all([step, scheduler.copy(0, 1, 3)]);
    expect(executable.tokens(1)).toEqual([1, 2, 3]);
    await expect(scheduler.copy(0, 1, 99)).rejects.toThrow(RangeError);
  });

  it('rejects what a failed step was to give, and works on', async () => {
    let fail = true;
    const model = fakeModel({
      onStep: () => {
        if (fail) throw new Error('broken');
      },
    });
    const wants = [0, 1].map((seq) => model.scheduler.compute({ seq, pos: 0, tokens: [1] }));
    for (const want of wants) await expect(want).rejects.toThrow('broken');
    fail = false;
    expect(logitsOf(await model.scheduler.compute({ seq: 0, pos: 0, tokens: [5], want: LOGITS }))).toEqual(
      fakeLogits([5]),
    );
  });

  it('ends after the running step when closed, and refuses what waits and what comes', async () => {
    const { scheduler, executable } = fakeModel({ sequences: 2, maxTokens: 4 });
    const long = scheduler.compute({ seq: 0, pos: 0, tokens: count(40), want: LOGITS });
    const refused = expect(long).rejects.toThrow('The model has been disposed of.');
    while (executable.steps.length === 0) await Promise.resolve();
    await scheduler.close();
    await refused;
    expect(executable.steps).toHaveLength(1);
    for (const work of [
      scheduler.compute({ seq: 1, pos: 0, tokens: [1], want: LOGITS }),
      scheduler.copy(0, 1, 0),
      scheduler.save(0, 0),
    ]) {
      await expect(work).rejects.toMatchObject({
        kind: 'usage',
        message: expect.stringMatching(/disposed of/),
      });
    }
    expect(scheduler.trim(0, 3)).toBe(0);
    await scheduler.close();
  });
});
