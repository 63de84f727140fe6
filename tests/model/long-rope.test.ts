/** LongRoPE (Phi-3): the factors within the original context, and those beyond it, against transformers in float64. */
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { configFromGguf } from '../../core/architectures/index.ts';
import { loadModel, modelLimits } from '../../core/model.ts';
import { readModel } from '../../core/read-model.ts';
import { emptyFolder, percept } from '../cli/percept.ts';
import { expectGolden } from './golden.ts';

/** A Phi-3 first trained for 24 tokens and extended to 96, of random weights in bfloat16. */
const FOLDER = resolve(import.meta.dirname, '../fixtures/long-rope');
const CASES = [
  ['short', undefined],
  ['long', 96],
] as const;

async function expectBoth(path: string): Promise<void> {
  for (const backend of ['reference', 'cpu']) {
    for (const [name, contextLength] of CASES) {
      const model = await loadModel(path, { backend, contextLength, kvType: 'f32' });
      await expectGolden(model, join(FOLDER, name), { tolerance: 2e-5, margin: 0.01 });
      await model.dispose();
    }
  }
}

it('a folder gives the logits of transformers', async () => {
  await expectBoth(FOLDER);
});

it('a file written from it gives them too', async () => {
  const file = join(emptyFolder(), 'long.gguf');
  expect(await percept(['convert', FOLDER, file])).toMatchObject({ code: 0 });
  await expectBoth(file);
});

it('has the original context by default', async () => {
  const gguf = await readModel(FOLDER);
  const config = configFromGguf(gguf);
  expect(config.contextLength).toBe(96);
  expect(modelLimits(gguf, config).contextLength).toBe(24);
  expect(modelLimits(gguf, config, { contextLength: 96 }).contextLength).toBe(96);
});
