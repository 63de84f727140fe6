/** The example architecture equals the one printed in docs/architectures.md, and computes what transformers does. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { ARCHITECTURES } from '../../core/architectures/index.ts';
import { loadModel } from '../../core/model.ts';
import { gemma } from './example-architecture.ts';
import { expectGolden } from './golden.ts';

/** Made with transformers in float64, of weights in bfloat16. */
const FOLDER = resolve(import.meta.dirname, '../fixtures/example-architecture');
const read = (path: string) => readFileSync(resolve(import.meta.dirname, path), 'utf8');

it('is printed in docs/architectures.md word for word', () => {
  expect(read('../../docs/architectures.md')).toContain(
    `\n\`\`\`ts\n${read('example-architecture.ts')}\`\`\`\n`,
  );
});

it('needs a line in the table, then folders of it load', async () => {
  await expect(loadModel(FOLDER)).rejects.toThrow('The model_type "gemma"');
  Object.assign(ARCHITECTURES, { gemma });
  for (const backend of ['reference', 'cpu']) {
    const model = await loadModel(FOLDER, { backend });
    // F32 sums of logits up to 30; on cpu activations in 8 bits do not occur, as the weights are floats.
    await expectGolden(model, FOLDER, { tolerance: 2e-5, margin: 0.01 });
    await model.dispose();
  }
});
