/** The contract of backends/backend.ts beyond the results of ops, on every backend. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Backend, Executable, Program, Result, Step, Want } from '../../backends/backend.ts';
import { ReferenceBackend } from '../../backends/reference.ts';
import { logitsOf } from '../../backends/results.ts';
import { type Matrix, randomMatrix } from '../../bench/conformance/matrices.ts';
import { step as all, stepWith } from '../../bench/conformance/op-case.ts';
import { UserError } from '../../errors.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { distance } from '../model/logits.ts';
import { titled } from '../titled.ts';
import { BACKENDS } from './backends.ts';
import { compileProgram, OTHER_STEPS, program, slice, table, VOCABULARY } from './self-attention.ts';
import { rowsOf } from './steps.ts';
import { compileTapped, PLAIN_TAPS, TAP_COLS, TAPPED_STEPS } from './tapped.ts';

/** How far values of up to 1.7 may be from the reference: float32 sums of up to 96 terms, 3e-7 seen. */
const FLOAT = 2e-6;
/** Those after products whose activations are in int8: 0.011 seen. */
const CODED = 0.05;

/** Fewer positions than token ids. */
const positions = randomMatrix('F32', 16, 16, 1, 'positions');

/** Tokens and positions embedded. */
function positioned([token, position]: readonly number[], contextLength: number): Program {
  return {
    name: 'positions',
    ops: [
      { op: 'embed', table: position!, by: 'position' },
      { op: 'embed', table: token! },
      { op: 'zip', fn: 'add', a: 1, b: 0 },
      { op: 'select', x: 2 },
    ],
    output: 3,
    states: [],
    limits: { sequences: 1, contextLength, maxTokens: 16 },
  };
}

const LAST: Want = { kind: 'logits' };
const ALL: Want = { kind: 'logits', rows: 'all' };

for (const { name, absent, sameBits, models, start } of BACKENDS) {
  describe.skipIf(absent)(titled(name, absent), () => {
    let backend: Backend;
    let executable: Executable;

    beforeAll(async () => {
      backend = await start();
      executable = await compileProgram(backend);
    });

    beforeEach(() => {
      for (const seq of [0, 1, 2]) executable.kvTrim(seq, 0);
    });

    afterAll(async () => {
      executable?.dispose();
      await backend?.dispose();
    });

    const rows = async (step: Step) => [...(await rowsOf(executable, step))];

    /** Of the same rows, computed in different steps. */
    const expectSame = (got: ArrayLike<number>, expected: readonly number[]) => {
      if (sameBits) expect([...Array.from(got)]).toEqual(expected);
      else expect(distance(got, expected)).toBeLessThan(OTHER_STEPS);
    };

    it('puts logits into memory of the caller, or leaves it alone', async () => {
      const expected = await rows(all(slice(0, 0, 1, 2)));
      const into = new Float32Array(3 * 16).fill(7);
      const want = { kind: 'logits', rows: 'all', into } as const;
      const [result] = await executable.submit(stepWith(want, slice(1, 0, 1, 2)));
      expectSame(logitsOf(result), expected);
      expect([...into.subarray(2 * 16)]).toEqual(new Array(16).fill(7));
      const small = { ...want, into: new Float32Array(5) };
      const [other] = await executable.submit(stepWith(small, slice(1, 0, 1, 2)));
      expectSame(logitsOf(other), expected);
    });

    it('gives the rows wanted, in slice order', async () => {
      const [a, b] = [await rows(all(slice(0, 0, 1, 2))), await rows(all(slice(1, 0, 3)))];
      expect([a.length, b.length]).toEqual([2 * 16, 16]);
      const slices = [slice(1, 0, 3), slice(0, 0, 1, 2)];
      expectSame(await rows(all(...slices)), [...b, ...a]);
      expectSame(await rows(stepWith(LAST, ...slices)), [...b, ...a.slice(16)]);
      expect(await executable.submit({ slices })).toEqual([{ kind: 'none' }, { kind: 'none' }]);
    });

    it.each([[[undefined, LAST, ALL]], [[LAST, ALL, undefined]], [[ALL, undefined, LAST]]])(
      'gives each slice of a step what it wants: %j',
      async (wants) => {
        const slices = [slice(2, 0, 1, 2), slice(0, 0, 3, 4, 5), slice(1, 0, 6)];
        const whole: number[][] = [];
        for (const each of slices) whole.push(await rows(all(each)));
        const results = await executable.submit({
          slices: slices.map((each, i) => ({ ...each, want: wants[i] })),
        });
        expect(results).toHaveLength(3);
        for (const [i, want] of wants.entries()) {
          if (want) expectSame(logitsOf(results[i]), want === ALL ? whole[i]! : whole[i]!.slice(-16));
          else expect(results[i]).toEqual({ kind: 'none' });
        }
      },
    );

    it('gives results that later steps leave as they are', async () => {
      for (const wants of [[LAST, ALL], [ALL]]) {
        const step = (id: number) => ({
          slices: wants.map((want, seq) => ({ ...slice(seq, 0, id + seq, id + 5, id + 9), want })),
        });
        const results = await executable.submit(step(1));
        const copies = structuredClone(results);
        expect(await executable.submit(step(20))).not.toEqual(copies);
        await executable.submit(step(30));
        expect(results).toEqual(copies);
      }
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

    it('tells how many positions kvTrim leaves', async () => {
      await rows(all(slice(0, 0, 1, 2, 3, 4)));
      executable.kvCopy(0, 1, 3);
      expect([7, 4, 2, 3, 0, 1].map((upto) => executable.kvTrim(0, upto))).toEqual([4, 4, 2, 2, 0, 0]);
      expect([9, 1].map((upto) => executable.kvTrim(1, upto))).toEqual([3, 1]);
      expect(executable.kvTrim(2, 5)).toBe(0);
    });

    it('throws while an earlier step runs', async () => {
      const running = executable.submit(all(slice(0, 0, 1)));
      expect(() => executable.submit(all(slice(0, 1, 1)))).toThrow(
        new RangeError('The earlier step has not settled yet.'),
      );
      await running;
      expect(await rows(all(slice(0, 1, 1)))).toHaveLength(16);
    });

    it('throws once it was disposed of', async () => {
      const other = await compileProgram(backend);
      await other.submit(all(slice(0, 0, 1)));
      other.dispose();
      expect(() => other.submit(all(slice(0, 1, 1)))).toThrow(
        new RangeError('The executable was disposed of.'),
      );
      other.dispose();
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
      [
        'values of a program without taps',
        stepWith({ kind: 'values' }, slice(0, 0, 1)),
        'This program was not compiled to keep values (Limits.taps).',
      ],
    ])('rejects %s', async (_, step, message) => {
      expect(() => executable.submit(step)).toThrow(RangeError);
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

    // Forms of kernels alone, without models, change nothing about what is kept.
    it.each<TensorType>(models === 'none' ? [] : ['F32', 'Q8_0'])(
      'hands over the values it was compiled to keep, %s',
      async (type) => {
        const kept = await compileTapped(backend, type);
        const right = await compileTapped(new ReferenceBackend(), type);
        const behindProducts = type === 'F32' ? FLOAT : CODED;
        const found: (readonly Result[])[] = [];
        for (const step of TAPPED_STEPS) found.push(await kept.submit(step));
        for (const [i, step] of TAPPED_STEPS.entries()) {
          for (const [j, expected] of (await right.submit(step)).entries()) {
            const [result, place] = [found[i]![j]!, `slice ${j} of step ${i}`];
            expect(result.kind, place).toBe(expected.kind);
            if (expected.kind === 'logits')
              expect(distance(logitsOf(result), expected.logits), place).toBeLessThan(behindProducts);
            if (result.kind !== 'values' || expected.kind !== 'values') continue;
            const T = step.slices[j]!.tokens.length;
            expect(result.values.map(({ length }) => length)).toEqual(TAP_COLS.map((cols) => T * cols));
            for (const [tap, value] of result.values.entries()) {
              const most = tap < PLAIN_TAPS ? FLOAT : behindProducts;
              expect(distance(value, expected.values[tap]!), `tap ${tap} of ${place}`).toBeLessThan(most);
            }
          }
        }
        kept.dispose();
        const plain = await compileTapped(backend, type, false);
        expect(() => plain.submit(TAPPED_STEPS[0]!)).toThrow('not compiled to keep values');
        plain.dispose();
      },
    );

    it('takes all token ids beside a table of fewer positions, and no longer context', async () => {
      const ids = [table, positions].map(({ desc, bytes }) => backend.weight(desc, { bytes }));
      const compiling = backend.compile(positioned(ids, 17));
      await expect(compiling).rejects.toThrow(RangeError);
      await expect(compiling).rejects.toThrow('Expected a context of at most 16 positions, got 17.');
      const sums = await backend.compile(positioned(ids, 16));
      for (let from = 0; from < VOCABULARY; from += 10) {
        for (const pos of [0, 6]) {
          const tokens = Array.from({ length: 10 }, (_, i) => from + i);
          const got = await rowsOf(sums, all({ seq: 0, pos, tokens }));
          const at = ({ values }: Matrix, row: number) => [...values.subarray(16 * row, 16 * (row + 1))];
          const expected = tokens.flatMap((id, i) => {
            const place = at(positions, pos + i);
            return at(table, id).map((x, col) => x + place[col]!);
          });
          expect(distance(got, expected)).toBeLessThan(1e-6);
        }
      }
      expect(() => sums.submit(all(slice(0, 0, 40)))).toThrow('Expected token ids from 0 to 39, got 40.');
      sums.dispose();
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
