/** What devices make of logits by themselves, on every backend that does (`Executable.chooses`). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Executable, Result, Step, Want } from '../../backends/backend.ts';
import { logitsOf } from '../../backends/results.ts';
import { step as all, stepWith } from '../../bench/conformance/op-case.ts';
import { argmax, distance } from '../model/logits.ts';
import { titled } from '../titled.ts';
import { BACKENDS } from './backends.ts';
import { COLS, compileProgram, OTHER_STEPS, slice, VOCABULARY } from './self-attention.ts';
import { greedyIds, rowsOf } from './steps.ts';

const LAST: Want = { kind: 'logits' };
const ALL: Want = { kind: 'logits', rows: 'all' };
const ONE: Want = { kind: 'greedy', count: 1 };

/** More logits than a workgroup takes, few of them different: [VOCABULARY, 300]. */
const TIES = Float32Array.from({ length: VOCABULARY * 300 }, (_, i) => ((i * 7919) >> 2) % 5);
const tiesOf = (id: number) => [...TIES.subarray(300 * id, 300 * (id + 1))];

/** Logits that are those of the last token. */
function compileTies(backend: Backend): Promise<Executable> {
  const desc = { name: 'ties', type: 'F32', rows: VOCABULARY, cols: 300 } as const;
  const weight = backend.weight(desc, { bytes: new Uint8Array(TIES.buffer) });
  return backend.compile({
    name: 'ties',
    ops: [
      { op: 'embed', table: weight },
      { op: 'select', x: 0 },
    ],
    output: 1,
    states: [],
    limits: { sequences: 3, contextLength: 20, maxTokens: 12 },
  });
}

/** The largest of a row, of equal ones the lowest id first; in any step, so that bits may differ. */
function expectTop(result: Result | undefined, row: readonly number[], count: number): void {
  if (result?.kind !== 'top') throw new TypeError(`Expected a result of kind top, got ${result?.kind}.`);
  const ids = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, count);
  expect([...result.ids]).toEqual(ids);
  expect(
    distance(
      result.logits,
      ids.map((id) => row[id]!),
    ),
  ).toBeLessThan(OTHER_STEPS);
  expect(result.logSumExp).toBeCloseTo(Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)), 4);
}

for (const { name, absent, start } of BACKENDS) {
  describe.skipIf(absent)(titled(name, absent), () => {
    let backend: Backend;
    let executable: Executable;
    let most: NonNullable<Executable['chooses']>;

    beforeAll(async () => {
      backend = await start();
      executable = await compileProgram(backend);
      most = executable.chooses ?? { top: 0, greedy: 0 };
    });

    afterAll(async () => {
      executable?.dispose();
      await backend?.dispose();
    });

    const rows = async (step: Step) => [...(await rowsOf(executable, step))];

    it('are the largest logits of a row', async ({ skip }) => {
      skip(!executable.chooses, 'it hands over logits only');
      const count = Math.min(5, most.top);
      const slices = [slice(0, 0, 1, 2, 3), slice(1, 0, 4)];
      const expected = await rows(stepWith(LAST, ...slices));
      const results = await executable.submit(stepWith({ kind: 'top', count }, ...slices));
      expectTop(results[0], expected.slice(0, COLS), count);
      expectTop(results[1], expected.slice(COLS), count);
    });

    it('are ids that are fed back', async ({ skip }) => {
      skip(!executable.chooses, 'it hands over logits only');
      const count = Math.min(4, most.greedy);
      const starts = [slice(0, 0, 1, 2, 3), slice(1, 0, 4)];
      const ids = await greedyIds(executable, count, ...starts);
      for (const [i, { tokens }] of starts.entries()) {
        const fed = ids[i]!.slice(0, -1);
        const logits = await rows(all(slice(2, 0, ...Array.from(tokens), ...fed)));
        const bests = Array.from({ length: count }, (_, j) =>
          argmax(logits.slice(logits.length - COLS * (count - j)).slice(0, COLS)),
        );
        expect(ids[i]).toEqual(bests);
      }
      // The last ids are not computed on: what follows them begins at their position.
      expect(await rows(all(slice(0, 3 + count - 1, ids[0]!.at(-1)!)))).toHaveLength(COLS);
      expect(() => executable.submit(all(slice(1, 1 + count, 1)))).toThrow('Expected slice pos');
    });

    it.each([[[0, 1, 2]], [[2, 0, 1]], [[1, 2, 0]]])('stand beside logits, in order %j', async (order) => {
      if (!executable.chooses) return; // it.each has no skip
      const slices = [slice(1, 0, 1, 2), slice(0, 0, 3, 4, 5), slice(2, 0, 6)];
      const whole: number[][] = [];
      for (const each of slices) whole.push(await rows(all(each)));
      const count = Math.min(5, most.top);
      const wants = order.map((i) => [{ kind: 'top', count } as const, ALL, ONE][i]!);
      const results = await executable.submit({
        slices: slices.map((each, i) => ({ ...each, want: wants[i] })),
      });
      for (const [i, { kind }] of wants.entries()) {
        const last = whole[i]!.slice(-COLS);
        if (kind === 'top') expectTop(results[i], last, count);
        else if (kind === 'greedy') expect(results[i]).toEqual({ kind, ids: Int32Array.of(argmax(last)) });
        else expect(distance(logitsOf(results[i]), whole[i]!)).toBeLessThan(OTHER_STEPS);
      }
    });

    it('take the lowest id of equal logits', async ({ skip }) => {
      skip(!executable.chooses, 'it hands over logits only');
      const tied = await compileTies(backend);
      const results = await tied.submit({
        slices: [
          { ...slice(0, 0, 4), want: { kind: 'top', count: most.top } },
          { ...slice(1, 0, 5), want: ONE },
          { ...slice(2, 0, 6), want: { kind: 'top', count: 2 } },
        ],
      });
      expectTop(results[0], tiesOf(4), most.top);
      expect(results[1]).toEqual({ kind: 'greedy', ids: Int32Array.of(argmax(tiesOf(5))) });
      expectTop(results[2], tiesOf(6), 2);
      const fed = argmax(tiesOf(5));
      if (most.greedy > 1)
        expect(await greedyIds(tied, 2, slice(0, 0, 5))).toEqual([[fed, argmax(tiesOf(fed))]]);
      tied.dispose();
    });

    it('are left as they are by later steps', async ({ skip }) => {
      skip(!executable.chooses, 'it hands over logits only');
      const wants: Want[] = [{ kind: 'top', count: 1 }, ONE];
      const step = (id: number) => ({
        slices: wants.map((want, seq) => ({ ...slice(seq, 0, id + seq, id + 9), want })),
      });
      const results = await executable.submit(step(1));
      const copies = structuredClone(results);
      expect(await executable.submit(step(20))).not.toEqual(copies);
      expect(results).toEqual(copies);
    });

    it('are all logits of a row that has fewer', async ({ skip }) => {
      skip(most.top === 0, 'it does not choose');
      const step = (want: Want) => stepWith(want, slice(0, 0, 5));
      const row = await rows(step(LAST));
      const [result] = await executable.submit(step({ kind: 'top', count: most.top }));
      expectTop(result, row, Math.min(COLS, most.top));
    });

    it.each(['top', 'greedy'] as const)('are rejected beyond what it chooses: %s', async (kind) => {
      for (const count of [0, -1, 1.5, most[kind] + 1, Number.NaN]) {
        const submit = () => executable.submit(stepWith({ kind, count }, slice(0, 0, 1)));
        expect(submit).toThrow(RangeError);
        expect(submit).toThrow(`count of ${kind} to be 1 to ${most[kind]}, got ${count}.`);
      }
      expect(await rows(all(slice(0, 0, 1)))).toHaveLength(COLS); // and nothing is changed
    });

    it('are rejected where several ids are wanted beside anything else', async ({ skip }) => {
      skip(most.greedy < 2, 'it does not feed itself');
      const greedy = { ...slice(0, 0, 1), want: { kind: 'greedy', count: 2 } } as const;
      for (const want of [undefined, LAST, ONE]) {
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
      expect(await rows(all(slice(0, 0, 1)))).toHaveLength(COLS);
    });
  });
}
