import { describe, expect, it } from 'vitest';
import { logitsOf } from '../../backends/results.ts';
import { SequencePool, type StoredPrompts } from '../../core/sequence-pool.ts';
import { fakeLogits, fakeModel } from './fake-model.ts';

const run = (n: number, from: number) => Array.from({ length: n }, (_, i) => from + i);

function poolOf(sequences: number) {
  const model = fakeModel({ sequences, contextLength: 200, maxTokens: 64 });
  const pool = new SequencePool(model);
  /** Evaluates and returns the number of computed tokens. */
  const evaluate = async (ids: readonly number[]) => {
    const session = await pool.sequenceFor(ids);
    const { result, computedTokens } = await session.evaluate(ids);
    expect(logitsOf(result)).toEqual(fakeLogits(ids));
    return computedTokens;
  };
  return { pool, evaluate };
}

describe('SequencePool', () => {
  const prompt = run(30, 0);
  const left = [...prompt, ...run(30, 100)];
  const right = [...prompt, ...run(30, 150)];

  it('continues the sequence that holds the beginning', async () => {
    const { evaluate } = poolOf(3);
    expect(await evaluate(prompt)).toBe(30);
    expect(await evaluate(left)).toBe(30);
  });

  it('keeps both branches: the second copies what they share, and going back computes one token', async () => {
    const { evaluate } = poolOf(3);
    await evaluate(left);
    expect(await evaluate(right)).toBe(30);
    expect(await evaluate([...left, 7])).toBe(1);
    expect(await evaluate([...right, 7])).toBe(1);
  });

  it('evicts the least recently used branch', async () => {
    const { evaluate } = poolOf(2);
    const third = [...prompt, ...run(30, 60)];
    await evaluate(left);
    await evaluate(right);
    expect(await evaluate(third)).toBe(30); // in the place of left
    expect(await evaluate([...right, 7])).toBe(1);
    expect(await evaluate([...left, 7])).toBe(31);
  });

  it('recomputes a few tokens rather than use another sequence', async () => {
    const { evaluate, pool } = poolOf(2);
    await evaluate([...prompt, 1, 2, 3]);
    const { seq: first } = await pool.sequenceFor([...prompt, 4]);
    expect((await pool.sequenceFor([...prompt, 1, 2, 3])).seq).toBe(first);
  });

  it('works with a single sequence', async () => {
    const { evaluate } = poolOf(1);
    await evaluate(left);
    expect(await evaluate(right)).toBe(30);
    expect(await evaluate(left)).toBe(30);
  });

  it('starts another conversation beside the old one', async () => {
    const { evaluate } = poolOf(2);
    await evaluate(left);
    await evaluate(run(40, 200));
    expect(await evaluate([...left, 9])).toBe(1);
  });
});

describe('a pool with stored prompts', () => {
  let [length, opened] = [590, 0];
  /** A store that has the first `length` tokens of every prompt. */
  function storeOf() {
    const calls: unknown[] = [];
    const stored: StoredPrompts = {
      async restore(sequence, ids) {
        calls.push(['restore', sequence.seq, ids.length]);
        if (length > 0) await sequence.evaluate(ids.slice(0, length)); // as if it came from disk
        return length;
      },
      async save(sequence, session, computed) {
        calls.push(['save', sequence.seq, session, computed]);
      },
    };
    const open = async () => {
      opened++;
      return stored;
    };
    return { calls, stored: open };
  }
  const ids = Array.from({ length: 600 }, (_, i) => i % 200);
  const SIZES = { contextLength: 1000, maxTokens: 1000, sequences: 2 };

  it('asks for long prompts, and stores the sequence used last with what was computed', async () => {
    const { calls, stored } = storeOf();
    const pool = new SequencePool(fakeModel(SIZES), stored);
    const short = await pool.sequenceFor(ids.slice(0, 100));
    await short.evaluate(ids.slice(0, 100));
    await pool.store('aaaaaaaa');
    expect(calls).toEqual([]);
    const long = await pool.sequenceFor(ids);
    expect((await long.evaluate(ids)).cachedTokens).toBe(590);
    await pool.store('aaaaaaaa');
    expect(calls).toEqual([
      ['restore', long.seq, 600],
      ['save', long.seq, 'aaaaaaaa', 10],
    ]);
    calls.length = 0;
    length = 0; // nothing of the next conversation is stored
    const other = ids.map((id) => id + 1);
    const next = await pool.sequenceFor(other);
    await next.evaluate(other);
    await pool.sequenceFor(other);
    await pool.store('bbbbbbbb');
    expect(calls.at(-1)).toEqual(['save', next.seq, 'bbbbbbbb', 600]);
    expect(opened).toBe(1);
  });
});
