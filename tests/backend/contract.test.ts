/** The contract of backends/backend.ts beyond the results of ops, on every backend. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Backend, Executable, Program, Slice, Step, WeightId } from '../../backends/backend.ts';
import { randomMatrix } from '../../bench/conformance/matrices.ts';
import { UserError } from '../../errors.ts';
import { argmax, distance } from '../model/logits.ts';
import { BACKENDS, titled } from './backends.ts';

/** Tolerance between the same row in different steps, if bits may differ; its values are up to 4. */
const OTHER_STEPS = 1e-5;

const VOCABULARY = 40;
const table = randomMatrix('F32', VOCABULARY, 16, 4);

/** Attention of an embedding over itself: 2 heads of 8, 3 sequences of 20 positions, 12 tokens a step. */
function program(weight: WeightId): Program {
  return {
    name: 'attention',
    ops: [
      { op: 'embed', table: weight },
      { op: 'attention', q: 0, k: 0, v: 0, state: 0, heads: 2, scale: 0.1 },
      { op: 'select', x: 1 },
    ],
    output: 2,
    states: [{ kind: 'kv', kvHeads: 2, keyDim: 8, valueDim: 8 }],
    limits: { sequences: 3, contextLength: 20, maxTokens: 12 },
  };
}

const slice = (seq: number, pos: number, ...tokens: number[]): Slice => ({ seq, pos, tokens });
const all = (...slices: Slice[]): Step => ({ slices, logits: 'all' });

for (const { name, absent, sameBits, start } of BACKENDS) {
  describe.skipIf(absent)(titled(name, absent), () => {
    let backend: Backend;
    let executable: Executable;

    beforeAll(async () => {
      backend = await start();
      executable = await backend.compile(program(backend.weight(table.desc, { bytes: table.bytes })));
    });

    beforeEach(() => {
      for (const seq of [0, 1, 2]) executable.kvTrim(seq, 0);
    });

    afterAll(async () => {
      executable?.dispose();
      await backend?.dispose();
    });

    const rows = async (step: Step) => [...(await executable.submit(step).logits())];

    /** Compares the same rows, computed in different steps. */
    const expectSame = (got: readonly number[], expected: readonly number[]) => {
      if (sameBits) expect(got).toEqual(expected);
      else expect(distance(got, expected)).toBeLessThan(OTHER_STEPS);
    };

    it('gives the wanted rows, in slice order', async () => {
      const [a, b, c] = [await rows(all(slice(0, 0, 1, 2))), await rows(all(slice(1, 0, 3))), []];
      expect([a.length, b.length]).toEqual([2 * 16, 16]);
      const slices = [slice(1, 0, 3), slice(0, 0, 1, 2)];
      expectSame(await rows({ slices, logits: 'all' }), [...b, ...a]);
      expectSame(await rows({ slices, logits: 'last' }), [...b, ...a.slice(16)]);
      expect(await rows({ slices, logits: 'none' })).toEqual(c);
    });

    it(`gives the same ${sameBits ? 'bits' : 'rows'} token by token as in one step`, async () => {
      const ids = [5, 6, 7, 8, 9, 10, 11];
      const together = await rows(all(slice(0, 0, ...ids)));
      const apart: number[] = [];
      for (const [pos, id] of ids.entries()) apart.push(...(await rows(all(slice(1, pos, id)))));
      expectSame(apart, together);
    });

    it('branches and rolls back by kvCopy and kvTrim', async () => {
      const whole = await rows(all(slice(0, 0, 1, 2, 3, 4)));
      executable.kvCopy(0, 2, 2);
      executable.kvTrim(0, 1);
      const again = await rows(all(slice(2, 2, 3, 4), slice(0, 1, 2, 3, 4)));
      expectSame(again, [...whole.slice(32), ...whole.slice(16)]);
    });

    it('replaces the tokens of a sequence from the slice on', async () => {
      const fresh = await rows(all(slice(0, 0, 1, 2, 9)));
      await rows(all(slice(1, 0, 1, 2, 3, 4, 5)));
      expectSame(await rows(all(slice(1, 2, 9))), fresh.slice(32));
      expect(() => executable.submit(all(slice(1, 4, 5)))).toThrow('got 4');
    });

    it('requires tokens removed by kvTrim to be computed again', async () => {
      await rows(all(slice(0, 0, 1, 2, 3, 4)));
      executable.kvTrim(0, 2);
      expect(() => executable.submit(all(slice(0, 3, 4)))).toThrow('Expected slice pos to be 0 to 2, got 3.');
      expect(await rows(all(slice(0, 2, 3)))).toHaveLength(16);
    });

    it('throws while an earlier step runs', async () => {
      const ticket = executable.submit(all(slice(0, 0, 1)));
      expect(() => executable.submit(all(slice(0, 1, 1)))).toThrow();
      await ticket.logits();
      expect(await rows(all(slice(0, 1, 1)))).toHaveLength(16);
    });

    it.each<[string, Step, string]>([
      ['no tokens', all(), 'Expected tokens of a step to be 1 to 12, got 0.'],
      ['too many tokens', all(slice(0, 0, ...new Array(13).fill(1))), 'to be 1 to 12, got 13.'],
      [
        'an empty slice',
        all(slice(0, 0, 1), slice(1, 0)),
        'Expected tokens of sequence 1 to be at least 1, got 0.',
      ],
      ['an unknown sequence', all(slice(3, 0, 1)), 'Expected sequence to be 0 to 2, got 3.'],
      ['half a sequence', all(slice(0.5, 0, 1)), 'Expected sequence to be 0 to 2, got 0.5.'],
      [
        'a sequence twice',
        all(slice(0, 0, 1), slice(0, 0, 2)),
        'Expected sequences of a step to be 2 different ones, got 1.',
      ],
      ['a gap before the slice', all(slice(0, 1, 1)), 'Expected slice pos to be 0 to 0, got 1.'],
      ['a negative position', all(slice(0, -1, 1)), 'got -1.'],
    ])('rejects %s', async (_, step, message) => {
      expect(() => executable.submit(step)).toThrow(message);
      expect(await rows(all(slice(0, 0, 1)))).toHaveLength(16); // nothing has changed
    });

    it('throws a UserError for token ids outside the vocabulary', () => {
      for (const id of [40, -1, 1.5]) {
        const submit = () => executable.submit(all(slice(0, 0, 1, id)));
        expect(submit).toThrow(UserError);
        expect(submit).toThrow(`Expected token ids from 0 to 39, got ${id}.`);
      }
    });

    it('throws a UserError for more tokens than the context holds', async () => {
      await rows(all(slice(0, 0, ...new Array(12).fill(1))));
      const submit = () => executable.submit(all(slice(0, 12, ...new Array(9).fill(1))));
      expect(submit).toThrow('Expected at most 20 tokens, the context length, got 21.');
      expect(submit).toThrow(expect.objectContaining({ kind: 'context' }));
    });

    it('rejects invalid cache calls', async () => {
      await rows(all(slice(0, 0, 1, 2)));
      expect(() => executable.kvCopy(0, 1, 3)).toThrow('Expected kvCopy upto to be 0 to 2, got 3.');
      expect(() => executable.kvCopy(0, 3, 1)).toThrow('Expected sequence to be 0 to 2, got 3.');
      expect(() => executable.kvTrim(0, -1)).toThrow('Expected kvTrim upto to be a position, got -1.');
    });

    it('chooses the largest logits of a row, if it supports choices', async () => {
      const count = Math.min(5, executable.chooses?.top ?? 0);
      if (count === 0) return;
      const slices = [slice(0, 0, 1, 2, 3), slice(1, 0, 4)];
      const expected = await rows(all(...slices));
      const { ids, logits, logSumExp } = await executable.submit({
        ...all(...slices),
        choose: { kind: 'top', count },
      }).top!();
      expect([ids.length, logits.length, logSumExp.length]).toEqual([4 * count, 4 * count, 4]);
      for (let row = 0; row < 4; row++) {
        const values = expected.slice(row * 16, row * 16 + 16);
        const best = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b).slice(0, count);
        expect([...ids.subarray(row * count, (row + 1) * count)]).toEqual(best);
        expectSame(
          [...logits.subarray(row * count, (row + 1) * count)],
          best.map((id) => values[id]!),
        );
        expect(logSumExp[row]).toBeCloseTo(Math.log(values.reduce((sum, x) => sum + Math.exp(x), 0)), 4);
      }
    });

    it('continues greedily by itself, if it supports choices', async () => {
      const count = Math.min(4, executable.chooses?.greedy ?? 0);
      if (count === 0) return;
      const starts = [slice(0, 0, 1, 2, 3), slice(1, 0, 4)];
      const step: Step = { slices: starts, logits: 'last', choose: { kind: 'greedy', count } };
      const ids = [...(await executable.submit(step).ids!())];
      for (const [i, { tokens }] of starts.entries()) {
        const [first, ...rest] = ids.slice(i * count, (i + 1) * count);
        const fed = rest.map((_, j) => ids[i * count + j]!);
        const logits = await rows(all(slice(2, 0, ...Array.from(tokens), ...fed)));
        const bests = Array.from({ length: count }, (_, j) =>
          argmax(logits.slice(logits.length - 16 * (count - j)).slice(0, 16)),
        );
        expect([first, ...rest]).toEqual(bests);
      }
      // The last ids are not in the cache yet: the next step begins at their position.
      expect(await rows(all(slice(0, 3 + count - 1, ids[count - 1]!)))).toHaveLength(16);
      expect(() => executable.submit(all(slice(1, 1 + count, 1)))).toThrow('Expected slice pos');
    });

    it('reports its memory', () => {
      const { weights, kv, arena } = executable.memory;
      expect(weights).toBeGreaterThanOrEqual(4 * VOCABULARY * 16);
      expect(kv).toBeGreaterThanOrEqual(2 * 2 * 3 * 20 * 16);
      expect(arena).toBeGreaterThan(0);
    });

    it('rejects unsupported tensor types, by name', async () => {
      const other = await start();
      const weight = other.weight(
        { ...table.desc, name: 'odd', type: 'IQ2_S', cols: 256 },
        { bytes: new Uint8Array() },
      );
      await expect(other.compile(program(weight))).rejects.toThrow(/odd.*IQ2_S/);
      await other.dispose();
    });

    it('rejects a file that is too short for its weights', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'percept-backend-'));
      const path = join(folder, 'weights');
      writeFileSync(path, table.bytes);
      const other = await start();
      const weight = other.weight(table.desc, { path, offset: 4 });
      await expect(other.compile(program(weight))).rejects.toThrow(UserError);
      await other.dispose();
      rmSync(folder, { recursive: true });
    });
  });
}
