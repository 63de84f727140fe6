/** Saved sequences: the next step goes on as it would have, and bytes that do not fit are refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Executable } from '../../backends/backend.ts';
import { distance } from '../model/logits.ts';
import { titled } from '../titled.ts';
import { withModels } from './backends.ts';
import { compileProgram, OTHER_STEPS, program, slice, table } from './self-attention.ts';
import { rowsOf } from './steps.ts';

const PROMPT = [3, 1, 4, 1, 5, 9, 2];

for (const { name, absent, start } of withModels()) {
  describe.skipIf(absent)(titled(name, absent), () => {
    let backend: Backend;
    let executable: Executable;

    beforeAll(async () => {
      backend = await start();
      executable = await compileProgram(backend);
    });

    afterAll(async () => {
      executable?.dispose();
      await backend?.dispose();
    });

    const next = (of: Executable, seq: number) =>
      rowsOf(of, { slices: [{ ...slice(seq, 5, 6, 5), ...LAST }] });
    const begin = (seq: number) => executable.submit({ slices: [slice(seq, 0, ...PROMPT)] });
    const saved = async () => {
      await begin(1);
      return executable.save!(1, 5);
    };

    it('goes on from what was saved, in any sequence and in another executable', async () => {
      const state = await saved();
      const expected = await next(executable, 1);
      await executable.submit({ slices: [slice(1, 0, 8, 8, 8, 8, 8, 8, 8)] });
      expect(await executable.restore!(2, state)).toBe(5);
      expect(distance(await next(executable, 2), expected)).toBeLessThan(OTHER_STEPS);
      const other = await compileProgram(backend);
      expect(await other.restore!(0, state)).toBe(5);
      expect(distance(await next(other, 0), expected)).toBeLessThan(OTHER_STEPS);
      other.dispose();
    });

    it('refuses what is cut off, damaged or of another program, and holds nothing then', async () => {
      const state = await saved();
      const other = table.desc;
      const { states, ...rest } = program(backend.weight(other, { bytes: table.bytes }));
      const wider = { ...rest, states, limits: { ...rest.limits, contextLength: 4 } };
      const short = await backend.compile({ ...wider, limits: { ...wider.limits, maxTokens: 4 } });
      await expect(short.restore!(0, state)).rejects.toThrow('of at most 4 tokens, got one of 5');
      short.dispose();
      const f16 = await backend.compile({ ...rest, states, limits: { ...rest.limits, kvType: 'f16' } });
      if (!name.startsWith('gpujs')) {
        await expect(f16.restore!(0, state)).rejects.toThrow('another model, backend or type of cache');
      }
      f16.dispose();
      const flipped = state.slice();
      flipped[0]! ^= 1;
      for (const bytes of [state.subarray(0, -1), state.subarray(0, 9), new Uint8Array(0), flipped]) {
        await expect(executable.restore!(1, bytes)).rejects.toThrow('The saved sequence cannot be restored');
        expect(() => executable.submit({ slices: [slice(1, 5, 6)] })).toThrow(RangeError);
      }
    });

    it('saves what a sequence holds and no more', async () => {
      await begin(0);
      await expect(executable.save!(0, 8)).rejects.toThrow(RangeError);
      expect(await executable.restore!(1, await executable.save!(0, 0))).toBe(0);
    });
  });
}

const LAST = { want: { kind: 'logits' } } as const;
