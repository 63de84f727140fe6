/** How core gets attention weights from an executable, and what happens for programs without them. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { Executable, Program, Result, Step } from '../../backends/backend.ts';
import { FailoverExecutable } from '../../backends/failover.ts';
import { attentionShape } from '../../backends/step.ts';
import { attentionOf } from '../../core/attention.ts';
import { Sequence } from '../../core/sequence.ts';
import { UserError } from '../../errors.ts';
import { attention, attentionWeights } from '../../kernels/reference/attention.ts';
import { FakeExecutable, fakeModel, modelOf } from './fake-model.ts';

const SHAPE = { heads: [3, 3] };

/** Weights that encode the last token and the number of tokens it sees. */
class Attending extends FakeExecutable {
  readonly attends: Executable['attends'] = SHAPE;

  override async submit(step: Step): Promise<readonly Result[]> {
    const [{ want, ...slice }] = step.slices as [Step['slices'][number]];
    if (want?.kind !== 'attention') return super.submit(step);
    await super.submit({ slices: [slice] });
    this.steps[this.steps.length - 1] = step;
    const { pos, tokens } = slice;
    const weights = new Float32Array(2 * 3 * (pos + 1)).fill(tokens[tokens.length - 1]!);
    return [{ kind: 'attention', weights }];
  }
}

function attendingModel(maxTokens = 4) {
  const sizes = { contextLength: 64, sequences: 2, maxTokens };
  return modelOf(new Attending({ ...sizes, favourite: () => undefined }), fakeModel(sizes));
}

describe('attentionOf', () => {
  it('computes the last token in its own step, after steps of at most maxTokens', async () => {
    const model = attendingModel();
    const sequence = new Sequence(model);
    const progress: number[] = [];
    const ids = [10, 11, 12, 13, 14, 15, 16];
    const found = await attentionOf(sequence, ids, { onProgress: (done) => progress.push(done) });
    expect(found).toEqual({ ...SHAPE, positions: 7, weights: new Float32Array(2 * 3 * 7).fill(16) });
    const steps = model.executable.steps.map(({ slices: [slice] }) => [
      slice!.tokens.length,
      slice!.want?.kind,
    ]);
    expect(steps).toEqual([
      [4, undefined],
      [2, undefined],
      [1, 'attention'],
    ]);
    expect(progress).toEqual([4, 6, 7]);
    expect(sequence.tokens).toEqual(ids);
  });

  it("reuses the sequence's tokens, and recomputes the last one if it is held", async () => {
    const model = attendingModel();
    const sequence = new Sequence(model);
    await sequence.evaluate([1, 2, 3, 4, 5]);
    model.executable.steps.length = 0;
    for (const ids of [[1, 2, 3], [1, 2, 3, 6], [9]]) {
      const { positions, weights } = await attentionOf(sequence, ids);
      expect([positions, weights[0]]).toEqual([ids.length, ids.at(-1)]);
      expect(sequence.tokens).toEqual(ids);
      expect(model.executable.tokens(0)).toEqual(ids);
    }
    expect(model.executable.steps).toHaveLength(3);
  });

  it('throws for a model without weights, before it computes', async () => {
    const model = fakeModel();
    const asked = attentionOf(new Sequence(model), [1, 2]);
    await expect(asked).rejects.toBeInstanceOf(UserError);
    await expect(asked).rejects.toMatchObject({
      kind: 'usage',
      hint: expect.stringContaining('--backend cpu'),
    });
    expect(model.executable.steps).toHaveLength(0);
  });

  it('aborts between steps, and throws for a text that does not fit', async () => {
    const sequence = new Sequence(attendingModel());
    const controller = new AbortController();
    const stopped = attentionOf(sequence, [1, 2, 3, 4, 5, 6], {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    expect(sequence.tokens).toEqual([1, 2, 3, 4]);
    await expect(attentionOf(sequence, new Array(65).fill(1))).rejects.toMatchObject({ kind: 'context' });
    await setImmediate();
    expect((await attentionOf(sequence, [1, 2])).positions).toBe(2);
  });
});

describe('after a device failed', () => {
  const lost = new UserError('The device was lost.', 'Try again.', { kind: 'device' });

  it('the replacement recomputes the sequence and returns the weights', async () => {
    const model = attendingModel();
    const first = attendingModel().executable;
    const failing = vi.spyOn(first, 'submit');
    const executable = new FailoverExecutable({ first, ...model, replace: async () => model.executable });
    const sequence = new Sequence(modelOf(executable, model));
    expect(executable.attends).toEqual(SHAPE);
    expect((await attentionOf(sequence, [7, 8])).weights[0]).toBe(8);
    failing.mockImplementation(() => {
      throw lost;
    });
    const { positions, weights } = await attentionOf(sequence, [7, 8, 9]);
    expect([positions, weights[0]]).toEqual([3, 9]);
    expect(model.executable.tokens(0)).toEqual([7, 8, 9]);
    expect((await attentionOf(sequence, [7, 5])).weights[0]).toBe(5);
  });

  it('there are no weights if there were none before', () => {
    const { executable: first, ...model } = fakeModel();
    const executable = new FailoverExecutable({ first, ...model, replace: async () => first });
    expect(executable.attends).toBeUndefined();
  });
});

describe('attentionShape', () => {
  const op = (state: number, heads: number) =>
    ({ op: 'attention', q: 0, k: 0, v: 0, state, heads, scale: 1 }) as const;
  const program = (ops: ReturnType<typeof op>[], attention = true): Program => {
    const state = { kind: 'kv', kvHeads: 1, keyDim: 8, valueDim: 8 } as const;
    const limits = { sequences: 1, contextLength: 8, maxTokens: 1, attention };
    return { name: '', ops, output: 0, states: [state, state, state], limits };
  };

  it('lists the heads of each attention op, in the order of the program', () => {
    expect(attentionShape(program([op(2, 4), op(0, 2)]))).toEqual({ heads: [4, 2] });
    expect(attentionShape(program([]))).toEqual({ heads: [] });
    expect(attentionShape(program([op(0, 4)], false))).toBeUndefined();
  });
});

describe('the reference', () => {
  const row = (...values: number[]) => Float64Array.from(values);

  it('computes softmax of the scaled products, each head with its kv head', () => {
    // Two query heads of two dimensions share a kv head; the scores are 0, ln 3 and 0, 0.
    const q = row(1, 0, 0, 1);
    const keys = [row(0, 5), row(Math.log(3) / 2, 5)];
    const weights = attentionWeights(q, keys, { heads: 2, scale: 2 });
    expect(weights.map((head) => [...head].map((p) => p.toFixed(12)))).toEqual([
      ['0.250000000000', '0.750000000000'],
      ['0.500000000000', '0.500000000000'],
    ]);
    const out = attention(q, keys, [row(4, 0), row(0, 8)], { heads: 2, scale: 2 });
    expect([...out].map((value) => value.toFixed(12))).toEqual(
      [1, 6, 2, 4].map((value) => value.toFixed(12)),
    );
  });
});
