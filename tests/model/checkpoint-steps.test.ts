/**
 * The cpu backend gives the same bits for a text however it is cut into steps, and after trimming, copying and branching,
 * for every architecture.
 */
import { expect, it } from 'vitest';
import type { KvType } from '../../backends/backend.ts';
import { loadModel, type Model } from '../../core/model.ts';
import { allRows } from '../backend/steps.ts';
import { describeShared } from '../shared.ts';
import { CHECKPOINTS } from './checkpoints.ts';

const LENGTH = 48;
const KV_TYPES: readonly KvType[] = ['f32', 'q8'];

/** Ids that the small vocabularies have; another text for each seed. */
const textOf = (seed: number) => Array.from({ length: LENGTH }, (_, i) => (7 + 31 * i * (i + seed)) % 256);

/** The rows of all tokens from `pos` on, in steps of these sizes, the last of which repeats. */
async function rowsOf(
  { executable }: Model,
  ids: readonly number[],
  sizes: readonly number[],
  seq = 0,
  pos = 0,
) {
  const rows: Float32Array[] = [];
  for (let i = 0; pos < ids.length; i++) {
    const tokens = ids.slice(pos, pos + sizes[Math.min(i, sizes.length - 1)]!);
    const logits = await allRows(executable, { seq, pos, tokens });
    const V = logits.length / tokens.length;
    for (let t = 0; t < tokens.length; t++) rows.push(logits.slice(t * V, (t + 1) * V));
    pos += tokens.length;
  }
  return rows;
}

describeShared('steps of checkpoints on cpu', (path) => {
  for (const checkpoint of CHECKPOINTS) {
    it.each(KV_TYPES)(`${checkpoint}, cache in %s`, async (kvType) => {
      const file = path(`goldens/architectures-gguf/${checkpoint}.gguf`);
      await using model = await openModel(file, kvType);
      const [text, other] = [textOf(1), textOf(2)];
      const whole = await rowsOf(model, text, [LENGTH]);
      expect(await rowsOf(model, text, [1]), 'token by token').toEqual(whole);
      expect(await rowsOf(model, text, [5, 1, 9, 2, 3]), 'in uneven steps').toEqual(whole);

      const kept = model.executable.kvTrim(0, 21);
      expect(await rowsOf(model, text, [2, 1], 0, kept), 'after a trim').toEqual(whole.slice(kept));

      const branch = [...text.slice(0, 30), ...other.slice(30)];
      const expected = await rowsOf(model, branch, [LENGTH]);
      await rowsOf(model, text.slice(0, 30), [7]);
      model.executable.kvCopy(0, 1, 30);
      expect(await rowsOf(model, branch, [3], 1, 30), 'a branch').toEqual(expected.slice(30));
      expect(await rowsOf(model, text, [4], 0, 30), 'the sequence it left').toEqual(whole.slice(30));
    });
  }
});

async function openModel(file: string, kvType: KvType): Promise<Model & AsyncDisposable> {
  const model = await loadModel(file, {
    backend: 'cpu',
    contextLength: 64,
    sequences: 2,
    maxTokens: 64,
    kvType,
  });
  return Object.assign(model, { [Symbol.asyncDispose]: () => model.dispose() });
}
