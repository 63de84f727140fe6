/**
 * Every op case on every backend, with the same bits for each number of threads.
 * One backend alone: npx vitest run tests/backend -t cpu
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../backends/backend.ts';
import { selectBackend } from '../../backends/select.ts';
import { BACKENDS, titled } from './backends.ts';
import { CASES, type OpCase } from './cases.ts';
import { runCase } from './run-case.ts';

/** The reference computes in float64 and rounds its output to float32, 6e-8 of a value. */
const REFERENCE_NMSE = 1e-14;

for (const { name, absent, skip, threads } of BACKENDS) {
  describe.skipIf(absent)(titled(name, absent), () => {
    const backends = threads.map((count) => started(name, count));
    for (const op of CASES) {
      const gap = skip.find(({ cases }) => cases(op))?.reason;
      it.skipIf(gap)(titled(op.name, gap), async () => {
        const [one, ...more] = backends;
        const got = await runCase(op, one!());
        const expected = expectedRows(op);
        expect(got.length).toBe(expected.length);
        const limit = name === 'reference' ? REFERENCE_NMSE : op.tolerance.nmse;
        expect(nmse(got, expected), op.tolerance.reason).toBeLessThanOrEqual(limit);
        for (const backend of more) expect(bits(await runCase(op, backend()))).toEqual(bits(got));
      });
    }
  });
}

/** A backend for all cases of a describe block. */
function started(name: string, threads: number): () => Backend {
  let backend: Backend;
  beforeAll(async () => {
    backend = await selectBackend(name, { threads });
  });
  afterAll(() => backend.dispose());
  return () => backend;
}

/** The same rows by definition, from the tokens that each sequence holds. */
function expectedRows(op: OpCase): number[] {
  const held: number[][] = [[], [], []];
  const out: number[] = [];
  for (const action of op.actions) {
    if ('copy' in action) held[action.copy.to] = held[action.copy.from]!.slice(0, action.copy.upto);
    else if ('trim' in action) held[action.trim.seq]!.length = action.trim.upto;
    else {
      for (const { seq, pos, tokens } of action.slices) {
        const all = [...held[seq]!.slice(0, pos), ...Array.from(tokens)];
        const first = { none: all.length, last: all.length - 1, all: pos }[action.logits];
        for (let end = first + 1; end <= all.length; end++) out.push(...op.expected(all.slice(0, end)));
        held[seq] = all;
      }
    }
  }
  return out;
}

function bits(values: Float32Array): number[] {
  return [...new Uint32Array(values.buffer)];
}

/** Sum of squared errors over the sum of squares. */
function nmse(got: ArrayLike<number>, expected: readonly number[]): number {
  const errors = expected.reduce((sum, value, i) => sum + (got[i]! - value) ** 2, 0);
  const squares = expected.reduce((sum, value) => sum + value ** 2, 0);
  return errors === 0 ? 0 : errors / squares;
}
