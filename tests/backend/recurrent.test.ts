/** What backends/backend.ts promises of recurrent states, on every backend that has them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Backend, Executable, Slice } from '../../backends/backend.ts';
import { argmax } from '../../backends/logits.ts';
import { step as all } from '../../bench/conformance/op-case.ts';
import { distance } from '../model/logits.ts';
import { titled } from '../titled.ts';
import { withModels } from './backends.ts';
import { recurrentProgram } from './recurrent-program.ts';
import { compileProgram, OTHER_STEPS, slice } from './self-attention.ts';
import { greedyIds, rowsOf } from './steps.ts';

for (const { name, absent, sameBits, start } of withModels()) {
  describe.skipIf(absent)(titled(name, absent), () => {
    let backend: Backend;
    let going: Executable;
    const rows = async (...slices: Slice[]) => [...(await rowsOf(going, all(...slices)))];

    beforeAll(async () => {
      backend = await start();
      going = await backend.compile(recurrentProgram(backend));
    });
    beforeEach(() => {
      for (const seq of [0, 1, 2]) going.kvTrim(seq, 0);
    });
    afterAll(async () => {
      going?.dispose();
      await backend?.dispose();
    });

    /** Of the same rows, computed in different steps. */
    const expectSame = (got: ArrayLike<number>, expected: readonly number[]) => {
      if (sameBits) expect([...Array.from(got)]).toEqual(expected);
      else expect(distance(got, expected)).toBeLessThan(OTHER_STEPS);
    };

    it('saves and restores whole sequences alone', async () => {
      await rows(slice(0, 0, 1, 2, 3, 4));
      const saved = await going.save!(0, 4);
      const fifth = await rows(slice(0, 4, 5));
      await expect(going.save!(0, 3)).rejects.toThrow('Expected positions to save to be 0 or 5, got 3.');
      expect(await going.restore!(2, saved)).toBe(4);
      expectSame(await rows(slice(2, 4, 5)), fifth);
      await expect(going.restore!(2, saved.subarray(0, -1))).rejects.toThrow(
        'cannot be restored: it is incomplete',
      );
      expectSame((await rows(slice(2, 0, 1, 2, 3, 4, 5))).slice(-16), fifth);
    });

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
          return argmax(Float32Array.from(logits.slice(logits.length - 16 * (count - j)).slice(0, 16)));
        });
        expect(ids[i]).toEqual(bests);
        const held = tokens.length + count - 1;
        const next = await rows(slice(i, held, 7)); // the state stands after the ids that were fed
        expectSame(next, await rows(slice(2, held, 7)));
        going.kvTrim(2, 0);
      }
    });

    it('counts its floats', async () => {
      const without = await compileProgram(backend);
      expect(going.memory.kv).toBeGreaterThanOrEqual(without.memory.kv + 4 * 3 * 2 * 16);
      without.dispose();
    });
  });
}
