/** What backends/backend.ts promises beyond the results of ops, on every backend. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Backend, Executable, Program, Result, Slice, Step, Want } from '../../backends/backend.ts';
import { ReferenceBackend } from '../../backends/reference.ts';
import { logitsOf } from '../../backends/results.ts';
import { type Matrix, randomMatrix } from '../../bench/conformance/matrices.ts';
import { step as all, stepWith } from '../../bench/conformance/op-case.ts';
import { UserError } from '../../errors.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { argmax, distance } from '../model/logits.ts';
import { BACKENDS, titled } from './backends.ts';
import { greedyIds, rowsOf } from './steps.ts';
import { compileTapped, PLAIN_TAPS, TAP_COLS, TAPPED_STEPS } from './tapped.ts';

/** How far a row may be from itself computed in another step, where bits may differ; its values are up to 4. */
const OTHER_STEPS = 1e-5;
/** How far kept values, up to 5, may be from the reference: float32 sums of up to 96 terms; behind products in int8. */
const FLOAT = 1e-5;
const CODED = 0.1;

const VOCABULARY = 40;
const table = randomMatrix('F32', VOCABULARY, 16, 4);

/** Attention of an embedding over itself: 2 heads of 8, 3 sequences of 20 positions, 12 tokens a step. */
function program(weight: number): Program {
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

const taps = randomMatrix('F32', 16, 3, 1, 'taps');

/** The same, of what a convolution gives: a state that each step replaces beside one of all positions. */
function recurrent([weight, kernel]: readonly number[]): Program {
  const { states, limits } = program(weight!);
  return {
    name: 'convolution and attention',
    ops: [
      { op: 'embed', table: weight! },
      { op: 'conv', x: 0, weight: kernel!, state: 1 },
      { op: 'attention', q: 1, k: 1, v: 0, state: 0, heads: 2, scale: 0.1 },
      { op: 'select', x: 2 },
    ],
    output: 3,
    states: [...states, { kind: 'recurrent', floats: 2 * 16 }],
    limits,
  };
}

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

const slice = (seq: number, pos: number, ...tokens: number[]): Slice => ({ seq, pos, tokens });
const LAST: Want = { kind: 'logits' };
const ALL: Want = { kind: 'logits', rows: 'all' };

/** The largest of a row, of equal ones the lowest id first. */
function expectedTop(row: readonly number[], count: number) {
  const ids = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, count);
  const logSumExp = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
  return { ids, logits: ids.map((id) => row[id]!), logSumExp };
}

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

    const rows = async (step: Step) => [...(await rowsOf(executable, step))];

    /** Of the same rows, computed in different steps. */
    const expectSame = (got: ArrayLike<number>, expected: readonly number[]) => {
      if (sameBits) expect([...Array.from(got)]).toEqual(expected);
      else expect(distance(got, expected)).toBeLessThan(OTHER_STEPS);
    };

    const expectTop = (result: Result | undefined, row: readonly number[], count: number) => {
      if (result?.kind !== 'top') throw new TypeError(`Expected a result of kind top, got ${result?.kind}.`);
      const { ids, logits, logSumExp } = expectedTop(row, count);
      expect([...result.ids]).toEqual(ids);
      expectSame(result.logits, logits);
      expect(result.logSumExp).toBeCloseTo(logSumExp, 4);
    };

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

    it('chooses for some slices beside logits of others, where it chooses', async () => {
      const { top = 0, greedy = 0 } = executable.chooses ?? {};
      if (top === 0 || greedy === 0) return;
      const slices = [slice(1, 0, 1, 2), slice(0, 0, 3, 4, 5), slice(2, 0, 6)];
      const whole: number[][] = [];
      for (const each of slices) whole.push(await rows(all(each)));
      const count = Math.min(5, top);
      const wants: Want[] = [{ kind: 'top', count }, ALL, { kind: 'greedy', count: 1 }];
      for (const order of [
        [0, 1, 2],
        [2, 0, 1],
        [1, 2, 0],
      ]) {
        const results = await executable.submit({
          slices: slices.map((each, i) => ({ ...each, want: wants[order[i]!]! })),
        });
        for (const [i, place] of order.entries()) {
          const last = whole[i]!.slice(-16);
          if (place === 0) expectTop(results[i], last, count);
          else if (place === 1) expectSame(logitsOf(results[i]), whole[i]!);
          else expect(results[i]).toEqual({ kind: 'greedy', ids: Int32Array.of(argmax(last)) });
        }
      }
    });

    it('gives results that later steps leave as they are', async () => {
      const { top = 0, greedy = 0 } = executable.chooses ?? {};
      const choices: Want[] =
        top > 0 && greedy > 0
          ? [
              { kind: 'top', count: 1 },
              { kind: 'greedy', count: 1 },
            ]
          : [];
      for (const wants of [[LAST, ALL], [ALL], choices]) {
        if (wants.length === 0) continue;
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

    it('replaces what a sequence held from the slice on', async () => {
      const fresh = await rows(all(slice(0, 0, 1, 2, 9)));
      await rows(all(slice(1, 0, 1, 2, 3, 4, 5)));
      expectSame(await rows(all(slice(1, 2, 9))), fresh.slice(32));
      expect(() => executable.submit(all(slice(1, 4, 5)))).toThrow('got 4');
    });

    it('needs what kvTrim took away computed again', async () => {
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
      expect(() => executable.submit(all(slice(0, 1, 1)))).toThrow();
      await running;
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
      [
        'values of a program without taps',
        stepWith({ kind: 'values' }, slice(0, 0, 1)),
        'Expected a program compiled to keep values (Limits.taps), got another.',
      ],
    ])('rejects %s', async (_, step, message) => {
      expect(() => executable.submit(step)).toThrow(RangeError);
      expect(() => executable.submit(step)).toThrow(message);
      expect(await rows(all(slice(0, 0, 1)))).toHaveLength(16); // and nothing is changed
    });

    it.each(['top', 'greedy'] as const)('rejects counts of %s that it does not choose', async (kind) => {
      const most = executable.chooses?.[kind] ?? 0;
      for (const count of [0, -1, most + 1, Number.NaN]) {
        const submit = () => executable.submit(stepWith({ kind, count }, slice(0, 0, 1)));
        expect(submit).toThrow(RangeError);
        expect(submit).toThrow(`count of ${kind} to be 1 to ${most}, got ${count}.`);
      }
      expect(await rows(all(slice(0, 0, 1)))).toHaveLength(16);
    });

    it('rejects several greedy ids beside slices that want anything else', async () => {
      const count = 2;
      if ((executable.chooses?.greedy ?? 0) < count) return;
      const greedy = { ...slice(0, 0, 1), want: { kind: 'greedy', count } } as const;
      for (const want of [undefined, LAST, { kind: 'greedy', count: 1 } as const]) {
        const other = { ...slice(1, 0, 1), want };
        for (const slices of [
          [greedy, other],
          [other, greedy],
        ]) {
          const submit = () => executable.submit({ slices });
          expect(submit).toThrow(RangeError);
          expect(submit).toThrow('Expected slices that want 2 ids to be 2, got 1.');
        }
      }
      expect(await rows(all(slice(0, 0, 1)))).toHaveLength(16);
    });

    it('tells the user of token ids outside the vocabulary', () => {
      for (const id of [40, -1, 1.5]) {
        const submit = () => executable.submit(all(slice(0, 0, 1, id)));
        expect(submit).toThrow(UserError);
        expect(submit).toThrow(`Expected token ids from 0 to 39, got ${id}.`);
      }
    });

    it('tells the user of more tokens than the context holds', async () => {
      await rows(all(slice(0, 0, ...new Array(12).fill(1))));
      const submit = () => executable.submit(all(slice(0, 12, ...new Array(9).fill(1))));
      expect(submit).toThrow('Expected at most 20 tokens, the context length, got 21.');
      expect(submit).toThrow(expect.objectContaining({ kind: 'context' }));
    });

    it('rejects cache calls that make no sense', async () => {
      await rows(all(slice(0, 0, 1, 2)));
      expect(() => executable.kvCopy(0, 1, 3)).toThrow('Expected kvCopy upto to be 0 to 2, got 3.');
      expect(() => executable.kvCopy(0, 3, 1)).toThrow('Expected sequence to be 0 to 2, got 3.');
      expect(() => executable.kvTrim(0, -1)).toThrow('Expected kvTrim upto to be a position, got -1.');
    });

    it('chooses the largest logits of a row, where it chooses', async () => {
      const count = Math.min(5, executable.chooses?.top ?? 0);
      if (count === 0) return;
      const slices = [slice(0, 0, 1, 2, 3), slice(1, 0, 4)];
      const expected = await rows(stepWith(LAST, ...slices));
      const results = await executable.submit(stepWith({ kind: 'top', count }, ...slices));
      for (const row of [0, 1]) expectTop(results[row], expected.slice(row * 16, row * 16 + 16), count);
    });

    it('goes on greedily by itself, where it chooses', async () => {
      const count = Math.min(4, executable.chooses?.greedy ?? 0);
      if (count === 0) return;
      const starts = [slice(0, 0, 1, 2, 3), slice(1, 0, 4)];
      const ids = await greedyIds(executable, count, ...starts);
      for (const [i, { tokens }] of starts.entries()) {
        const fed = ids[i]!.slice(0, -1);
        const logits = await rows(all(slice(2, 0, ...Array.from(tokens), ...fed)));
        const bests = Array.from({ length: count }, (_, j) =>
          argmax(logits.slice(logits.length - 16 * (count - j)).slice(0, 16)),
        );
        expect(ids[i]).toEqual(bests);
      }
      // The last ids are not computed on: what follows them begins at their position.
      expect(await rows(all(slice(0, 3 + count - 1, ids[0]!.at(-1)!)))).toHaveLength(16);
      expect(() => executable.submit(all(slice(1, 1 + count, 1)))).toThrow('Expected slice pos');
    });

    it('chooses the lowest of equal ids, where it chooses', async () => {
      const { top = 0, greedy = 0 } = executable.chooses ?? {};
      if (top === 0 || greedy === 0) return;
      const equal = { ...table.desc, cols: 300 };
      const values = Float32Array.from({ length: VOCABULARY * 300 }, (_, i) => ((i * 7919) >> 2) % 5);
      const weight = backend.weight(equal, { bytes: new Uint8Array(values.buffer) });
      const ops: Program['ops'] = [
        { op: 'embed', table: weight },
        { op: 'select', x: 0 },
      ];
      const limits = { sequences: 3, contextLength: 20, maxTokens: 12 };
      const tied = await backend.compile({ name: 'equal logits', ops, output: 1, states: [], limits });
      const row = (id: number) => [...values.subarray(300 * id, 300 * (id + 1))];
      const slices = [slice(0, 0, 4), slice(1, 0, 5), slice(2, 0, 6)];
      const [first, second, third] = await tied.submit({
        slices: [
          { ...slices[0]!, want: { kind: 'top', count: top } },
          { ...slices[1]!, want: { kind: 'greedy', count: 1 } },
          { ...slices[2]!, want: { kind: 'top', count: 2 } },
        ],
      });
      expectTop(first, row(4), top);
      expect(second).toEqual({ kind: 'greedy', ids: Int32Array.of(argmax(row(5))) });
      expectTop(third, row(6), 2);
      tied.dispose();
    });

    it.each<TensorType>(['F32', 'Q8_0'])(
      'hands over the values it was compiled to keep, %s',
      async (type) => {
        const [kept, right] = [
          await compileTapped(backend, type),
          await compileTapped(new ReferenceBackend(), type),
        ];
        const found: (readonly Result[])[] = [];
        for (const step of TAPPED_STEPS) found.push(await kept.submit(step));
        for (const [i, step] of TAPPED_STEPS.entries()) {
          for (const [j, expected] of (await right.submit(step)).entries()) {
            const result = found[i]![j]!;
            expect(result.kind).toBe(expected.kind);
            const [tolerance, place] = [type === 'F32' ? FLOAT : CODED, `slice ${j} of step ${i}`];
            if (expected.kind === 'logits')
              expect(distance(logitsOf(result), expected.logits), place).toBeLessThan(tolerance);
            if (result.kind !== 'values' || expected.kind !== 'values') continue;
            const { tokens } = step.slices[j]!;
            expect(result.values.map(({ length }) => length)).toEqual(
              TAP_COLS.map((cols) => tokens.length * cols),
            );
            for (const [tap, value] of result.values.entries()) {
              const most = tap < PLAIN_TAPS ? FLOAT : tolerance;
              expect(distance(value, expected.values[tap]!), `tap ${tap} of ${place}`).toBeLessThan(most);
            }
          }
        }
        kept.dispose();
        const plain = await compileTapped(backend, type, false);
        expect(() => plain.submit(TAPPED_STEPS[0]!)).toThrow(RangeError);
        plain.dispose();
      },
    );

    describe('with a recurrent state', () => {
      let going: Executable;
      const rows = async (...slices: Slice[]) => [...(await rowsOf(going, all(...slices)))];

      beforeAll(async () => {
        const ids = [table, taps].map(({ desc, bytes }) => backend.weight(desc, { bytes }));
        going = await backend.compile(recurrent(ids));
      });
      beforeEach(() => {
        for (const seq of [0, 1, 2]) going.kvTrim(seq, 0);
      });
      afterAll(() => going?.dispose());

      it('trims to nothing or not at all', async () => {
        const whole = await rows(slice(0, 0, 1, 2, 3, 4));
        expect([9, 4].map((upto) => going.kvTrim(0, upto))).toEqual([4, 4]);
        const fifth = await rows(slice(0, 4, 5));
        expect(going.kvTrim(0, 3)).toBe(0);
        expect(going.kvTrim(0, 3)).toBe(0);
        expect(() => going.submit(all(slice(0, 3, 4)))).toThrow('Expected slice pos to be 0, got 3.');
        expectSame(await rows(slice(0, 0, 1, 2, 3, 4, 5)), [...whole, ...fifth]);
        expect(going.kvTrim(0, 0)).toBe(0);
        expect(going.kvTrim(1, 7)).toBe(0);
      });

      it('copies whole sequences alone', async () => {
        await rows(slice(0, 0, 1, 2, 3, 4));
        await rows(slice(2, 0, 9, 8, 7));
        for (const upto of [1, 3, 5]) {
          expect(() => going.kvCopy(0, 2, upto)).toThrow(RangeError);
          expect(() => going.kvCopy(0, 2, upto)).toThrow(`Expected kvCopy upto to be 0 or 4, got ${upto}.`);
        }
        going.kvCopy(0, 2, 4);
        const again = await rows(slice(0, 4, 5, 6));
        expectSame(await rows(slice(2, 4, 5, 6)), again);
        going.kvCopy(0, 2, 0);
        expect(going.kvTrim(2, 9)).toBe(0);
        expectSame((await rows(slice(2, 0, 1, 2, 3, 4, 5, 6))).slice(-32), again);
      });

      it('goes on or begins again, and rejects slices between', async () => {
        const first = await rows(slice(1, 0, 5, 6, 7));
        for (const pos of [1, 2, 4]) {
          expect(() => going.submit(all(slice(1, pos, 8)))).toThrow(RangeError);
          expect(() => going.submit(all(slice(1, pos, 8)))).toThrow(
            `Expected slice pos to be 0 or 3, got ${pos}.`,
          );
        }
        expectSame(await rows(slice(1, 0, 5, 6, 7)), first); // without a trim
      });

      it('goes on greedily by itself, where it chooses', async () => {
        const count = Math.min(4, going.chooses?.greedy ?? 0);
        if (count === 0) return;
        const starts = [slice(0, 0, 1, 2, 3), slice(1, 0, 4)];
        const ids = await greedyIds(going, count, ...starts);
        for (const [i, { tokens }] of starts.entries()) {
          const fed = ids[i]!.slice(0, -1);
          const logits = await rows(slice(2, 0, ...Array.from(tokens), ...fed));
          const bests = Array.from({ length: count }, (_, j) => {
            return argmax(logits.slice(logits.length - 16 * (count - j)).slice(0, 16));
          });
          expect(ids[i]).toEqual(bests);
          const held = tokens.length + count - 1;
          const next = await rows(slice(i, held, 7)); // the state stands behind the ids that were fed
          expectSame(next, await rows(slice(2, held, 7)));
          going.kvTrim(2, 0);
        }
      });

      it('counts its floats', () => {
        expect(going.memory.kv).toBeGreaterThanOrEqual(executable.memory.kv + 4 * 3 * 2 * 16);
      });
    });

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

    it('says what memory it takes', () => {
      const { weights, kv, arena } = executable.memory;
      expect(weights).toBeGreaterThanOrEqual(4 * VOCABULARY * 16);
      expect(kv).toBeGreaterThanOrEqual(2 * 2 * 3 * 20 * 16);
      expect(arena).toBeGreaterThan(0);
    });

    it('rejects tensor types it does not compute, by name', async () => {
      const other = await start();
      const weight = other.weight(
        { ...table.desc, name: 'odd', type: 'IQ2_S', cols: 256 },
        { bytes: new Uint8Array() },
      );
      await expect(other.compile(program(weight))).rejects.toThrow(/odd.*IQ2_S/);
      await other.dispose();
    });

    it('rejects a file that ends before its weights do', async () => {
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
