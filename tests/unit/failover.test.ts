/** Whenever the device fails, results are the same as without the failure. */
import { describe, expect, it } from 'vitest';
import type { Executable, Result, Slice, Step, Want } from '../../backends/backend.ts';
import { FailoverExecutable } from '../../backends/failover.ts';
import { logitsOf } from '../../backends/results.ts';
import { generate } from '../../core/generate.ts';
import { SamplerChain } from '../../core/sampler/chain.ts';
import { samplerParameters } from '../../core/sampler/parameters.ts';
import { Random } from '../../core/sampler/random.ts';
import { Sequence } from '../../core/sequence.ts';
import { UserError } from '../../errors.ts';
import { FakeExecutable, fakeLogits, fakeModel, modelOf, VOCABULARY_SIZE } from './fake-model.ts';

const SIZES = { contextLength: 48, sequences: 3, maxTokens: 8, favourite: () => undefined };
const CHOOSES = { top: 10, greedy: 4 };
const LOST = new UserError('The device was lost.', 'Try again.', { kind: 'device' });

const WAYS = ['at submit', 'before it computes', 'after it has computed'] as const;

/** The fake requires replaced positions to be trimmed first; the contract does not. */
class Lenient extends FakeExecutable {
  override submit(step: Step): Promise<readonly Result[]> {
    for (const { seq, pos } of step.slices) this.kvTrim(seq, pos);
    return super.submit(step);
  }
}

/** A device that chooses tokens, and fails from one step on. */
class FragileExecutable implements Executable {
  readonly memory = { weights: 1, kv: 2, arena: 3 };
  readonly chooses = CHOOSES;
  readonly inner = new Lenient({ ...SIZES, chooses: CHOOSES });
  readonly #failsAt: number;
  readonly #way: (typeof WAYS)[number];
  #steps = 0;
  disposed = false;

  constructor(failsAt = Number.POSITIVE_INFINITY, way: (typeof WAYS)[number] = 'at submit') {
    this.#failsAt = failsAt;
    this.#way = way;
  }

  submit(step: Step): Promise<readonly Result[]> {
    const lost = this.#steps++ >= this.#failsAt;
    if (lost && this.#way === 'at submit') throw LOST;
    if (lost && this.#way === 'before it computes') return Promise.reject(LOST);
    const results = this.inner.submit(step);
    return lost ? results.then(() => Promise.reject(LOST)) : results;
  }

  kvCopy(from: number, to: number, upto: number): void {
    if (this.#steps > this.#failsAt) throw LOST;
    this.inner.kvCopy(from, to, upto);
  }

  kvTrim(seq: number, upto: number): number {
    if (this.#steps > this.#failsAt) throw LOST;
    return this.inner.kvTrim(seq, upto);
  }

  keeps(seq: number, upto: number): number {
    if (this.#steps > this.#failsAt) throw LOST;
    return this.inner.keeps(seq, upto);
  }

  save(seq: number, upto: number): Promise<Uint8Array> {
    return this.inner.save(seq, upto);
  }

  restore(seq: number, saved: Uint8Array): Promise<number> {
    return this.inner.restore(seq, saved);
  }

  dispose(): void {
    this.disposed = true;
  }
}

type Action =
  | Step
  | { copy: [from: number, to: number, upto: number] }
  | { trim: [seq: number, upto: number] };

/** A run of a program, with the lengths of its sequences. */
function randomRun(random: Random, steps: number): Action[] {
  const below = (limit: number) => Math.floor(random.uniform() * limit);
  const lengths = [0, 0, 0];
  const actions: Action[] = [];
  for (let taken = 0; taken < steps; ) {
    const kind = below(6);
    const seq = below(3);
    if (kind === 0) {
      const upto = below(lengths[seq]! + 1);
      const to = below(3);
      actions.push({ copy: [seq, to, upto] });
      lengths[to] = upto;
    } else if (kind === 1) {
      const upto = below(lengths[seq]! + 3);
      actions.push({ trim: [seq, upto] });
      lengths[seq] = Math.min(lengths[seq]!, upto);
    } else {
      const step = randomStep(below, lengths);
      actions.push(step);
      for (const { seq, pos, tokens, want } of step.slices) {
        lengths[seq] = pos + tokens.length + (want?.kind === 'greedy' ? want.count - 1 : 0);
      }
      taken++;
    }
  }
  return actions;
}

function randomStep(below: (limit: number) => number, lengths: readonly number[]): Step {
  const slices: Slice[] = [0, 1, 2]
    .filter((seq) => seq === 0 || below(3) === 0)
    .map((seq) => {
      const pos = Math.max(0, Math.min(lengths[seq]!, 30) - below(3));
      return { seq, pos, tokens: Array.from({ length: 1 + below(2) }, () => below(VOCABULARY_SIZE)) };
    });
  const greedy = 1 + below(CHOOSES.greedy); // several ids are for all slices or for none
  const wants: (Want | undefined)[] = [
    undefined,
    { kind: 'logits' },
    { kind: 'logits', rows: 'all' },
    { kind: 'top', count: 1 + below(CHOOSES.top) },
    { kind: 'greedy', count: 1 },
  ];
  const alike = below(3) === 0;
  return {
    slices: slices.map((slice) => {
      return { ...slice, want: alike ? { kind: 'greedy', count: greedy } : wants[below(wants.length)] };
    }),
  };
}

async function results(executable: Executable, actions: readonly Action[]): Promise<unknown[]> {
  const all: unknown[] = [];
  for (const action of actions) {
    if ('copy' in action) executable.kvCopy(...action.copy);
    else if ('trim' in action) executable.kvTrim(...action.trim);
    else all.push(await executable.submit(action));
  }
  return all;
}

/** One that cannot read what another saved. */
class Another extends Lenient {
  override async restore(): Promise<number> {
    throw new UserError('The saved sequence cannot be restored: it is of another model.', 'Compute it.');
  }
}

describe('failover', () => {
  it.each([0, 1, 2])('restores what was saved, when the device fails at step %i', async (failsAt) => {
    const executable = new FailoverExecutable({
      first: new FragileExecutable(failsAt),
      sequences: SIZES.sequences,
      maxTokens: SIZES.maxTokens,
      replace: async () => new Another({ ...SIZES }),
    });
    const next = { slices: [{ seq: 1, pos: 3, tokens: [7], want: { kind: 'logits' } as const }] };
    await executable.submit({ slices: [{ seq: 0, pos: 0, tokens: [4, 5, 6, 9] }] });
    const saved = await executable.save(0, 3);
    await executable.submit({ slices: [{ seq: 2, pos: 0, tokens: [8] }] });
    expect(await executable.restore(1, saved)).toBe(3);
    const [result] = await executable.submit(next);
    expect(logitsOf(result!)).toEqual(fakeLogits([4, 5, 6, 7]));
    await expect(executable.restore(1, saved.subarray(0, 6))).rejects.toThrow();
    expect(await executable.save(1, 9)).toHaveLength(4 + '{"fake":[]}'.length);
  });

  it.each(WAYS)('gives what the device would have given, when it fails %s of any step', async (way) => {
    for (let seed = 0; seed < 150; seed++) {
      const random = new Random(seed);
      const actions = randomRun(random, 12);
      const whole = new FragileExecutable();
      const expected = await results(whole, actions);
      const first = new FragileExecutable(seed % 12, way);
      const failures: Error[] = [];
      const second = new Lenient(SIZES);
      const executable = new FailoverExecutable({
        first,
        ...SIZES,
        replace: async (failure) => {
          failures.push(failure);
          return second;
        },
      });
      expect(await results(executable, actions), `seed ${seed}`).toEqual(expected);
      expect(failures).toEqual([LOST]);
      expect(first.disposed).toBe(true);
      for (let seq = 0; seq < 3; seq++) expect(second.tokens(seq)).toEqual(whole.inner.tokens(seq));
    }
  });

  it.each([0, 1])('does not change an answer, temperature %i', async (temperature) => {
    const { tokenizer } = fakeModel();
    const prompt = [...Buffer.from('a question')];
    const answerOf = async (executable: Executable) => {
      const model = modelOf(executable, { ...SIZES, tokenizer });
      const sampler = new SamplerChain(samplerParameters({ temperature, seed: 3, topK: 5 }), tokenizer);
      const ids: number[] = [];
      const options = { sampler, maxTokens: 20, ignoreEos: true };
      for await (const { id } of generate(new Sequence(model), prompt, options)) ids.push(id);
      return ids;
    };
    const expected = await answerOf(new FragileExecutable());
    for (let step = 0; step < 12; step++) {
      const first = new FragileExecutable(step, WAYS[step % 3]);
      const replace = async () => new Lenient(SIZES);
      expect(await answerOf(new FailoverExecutable({ first, ...SIZES, replace }))).toEqual(expected);
    }
  });

  const step: Step = { slices: [{ seq: 0, pos: 0, tokens: [1], want: { kind: 'logits' } }] };

  it('does nothing while the device works, and passes other errors on', async () => {
    const replace = () => Promise.reject(new Error('not needed'));
    const executable = new FailoverExecutable({ first: new FragileExecutable(), ...SIZES, replace });
    expect(executable.chooses).toEqual(CHOOSES);
    expect(executable.memory).toEqual({ weights: 1, kv: 2, arena: 3 });
    expect(logitsOf((await executable.submit(step))[0])).toHaveLength(VOCABULARY_SIZE);
    const gap: Step = { slices: [{ seq: 0, pos: 5, tokens: [1] }] };
    expect(() => executable.submit(gap)).toThrow();
  });

  it('throws while an earlier step runs, also while it is repeated', async () => {
    const { promise, resolve } = Promise.withResolvers<Executable>();
    const first = new FragileExecutable(0, 'before it computes');
    const executable = new FailoverExecutable({ first, ...SIZES, replace: () => promise });
    const results = executable.submit(step);
    await new Promise(setImmediate);
    expect(() => executable.submit(step)).toThrow('settled');
    resolve(new Lenient(SIZES));
    expect(logitsOf((await results)[0])).toHaveLength(VOCABULARY_SIZE);
  });

  it('rejects if there is no replacement, or if that fails too', async () => {
    const parts = { first: new FragileExecutable(0, 'before it computes'), ...SIZES };
    const none = new FailoverExecutable({ ...parts, replace: () => Promise.reject(new Error('no memory')) });
    await expect(none.submit(step)).rejects.toThrow('no memory');
    const fails = new FailoverExecutable({ ...parts, replace: async () => new FragileExecutable(0) });
    await expect(fails.submit(step)).rejects.toThrow('The device was lost.');
  });
});
