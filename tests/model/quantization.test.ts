/** One tiny llama in 20 tensor types: PyTorch's logits where all its types are computed, else an error by name. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel, type Model } from '../../core/model.ts';
import { BACKENDS, titled } from '../backend/backends.ts';
import { describeShared } from '../shared.ts';
import { argmax, distance, logitsOf } from './logits.ts';

interface Golden {
  readonly tensors: Record<string, { type: string }>;
  readonly argmax: number[];
  readonly logits_last: number[];
}

const COMPUTED = ['F32', 'F16', 'BF16', 'Q8_0'];
const FLOAT32 = 1e-5; // the goldens have 6 decimals and their angles are float32
const INT8 = 0.15; // activations in int8; 0.083 seen

describeShared('quantization', (path) => {
  const text = readFileSync(path('goldens/quantization/golden.json'), 'utf8');
  const golden: { input_ids: number[]; types: Record<string, Golden> } = JSON.parse(text);

  for (const { name, absent } of BACKENDS) {
    describe.skipIf(absent)(titled(name, absent), () => {
      for (const [type, expected] of Object.entries(golden.types)) {
        const load = () => loadModel(path(`goldens/quantization/${type}.gguf`), { backend: name });
        if (COMPUTED.includes(type)) {
          it(`computes ${type}`, async () => {
            const tolerance = name === 'cpu' && type === 'Q8_0' ? INT8 : FLOAT32;
            await expectLogits(await load(), golden.input_ids, expected, tolerance);
          });
        } else {
          it(`names the first tensor of ${type} that is not computed`, async () => {
            const { name, message } = await load().catch((error) => error);
            expect(name).toBe('UserError');
            const [, tensor, found] = /^(\S+): (\w+) is not supported yet/.exec(message) ?? [];
            expect(expected.tensors[tensor!]?.type, message).toBe(found);
          });
        }
      }
    });
  }
});

async function expectLogits(model: Model, ids: readonly number[], expected: Golden, tolerance: number) {
  const rows = await Array.fromAsync(logitsOf(model, ids));
  await model.dispose();
  expect(distance(rows.at(-1)!, expected.logits_last)).toBeLessThan(tolerance);
  for (const [i, row] of rows.entries()) {
    expect(row[expected.argmax[i]!]! + tolerance, `position ${i}`).toBeGreaterThan(row[argmax(row)]!);
  }
}
