/**
 * One tiny llama in 20 files of different tensor types: PyTorch's logits, computed on the weights as gguf-py
 * gives them. A file with a type that the backend says it does not support is an error by name.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../core/model.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { type BackendUnderTest, shareOf, withModels } from '../backend/backends.ts';
import { describeShared } from '../shared.ts';
import { titled } from '../titled.ts';
import { argmax, distance, divergence, logitsOf } from './logits.ts';

interface Golden {
  readonly tensors: Record<string, { type: TensorType }>;
  readonly argmax: number[]; // of each position
  readonly logits_last: number[]; // of the last position
}

const FLOATS: readonly TensorType[] = ['F32', 'F16', 'BF16'];

interface Bounds {
  readonly divergence: number; // KL of the last position's distribution from the golden's, in nats
  readonly logit: number; // largest distance, against gross errors
}

/** The goldens have 6 decimals and their angles are float32: 1.3e-12 and 5.5e-6 seen. */
const FLOAT32: Bounds = { divergence: 3e-12, logit: 1e-5 };
/**
 * Activations in blocks of 32 int8: 6.9e-4 and 0.134 seen. The reference with the same rounding of its own has a logit
 * off by 0.086. The bound of the divergence is twice the worst seen.
 */
const INT8: Bounds = { divergence: 1.4e-3, logit: 0.15 };

describeShared('quantization', (path) => {
  const text = readFileSync(path('goldens/quantization/golden.json'), 'utf8');
  const golden: { input_ids: number[]; types: Record<string, Golden> } = JSON.parse(text);
  const files = Object.entries(golden.types).map(([file, expected]) => {
    return { file, expected, types: new Set(Object.values(expected.tensors).map(({ type }) => type)) };
  });

  for (const under of withModels()) {
    const { name, kind, absent, start } = under;
    describe.skipIf(absent)(titled(name, absent), async () => {
      const supports = absent ? () => true : await supportedBy(start);
      for (const { file, expected, types } of shareOf(under, files, ({ file }) => file)) {
        const load = () => loadModel(path(`goldens/quantization/${file}.gguf`), { backend: start });
        const missing = [...types.values().filter((type) => !supports(type))];
        if (missing.length === 0 || kind === 'reference') {
          const floats = kind === 'reference' || kind === 'gpujs'; // whatever the weights are
          const exact = floats || types.values().every((type) => FLOATS.includes(type));
          it(`computes ${file}`, async () => {
            const model = await load();
            const rows = await Array.fromAsync(logitsOf(model, golden.input_ids));
            await model.dispose();
            expectLogits(rows, expected, exact ? FLOAT32 : INT8);
          });
        } else {
          it(`names an unsupported tensor of ${file}: ${missing.join(' or ')}`, async () => {
            const { name, message } = await load().catch((error) => error);
            expect(name).toBe('UserError');
            const [, tensor, found] = /^(\S+): (\w+) is not supported yet/.exec(message) ?? [];
            expect(missing, message).toContain(found);
            expect(expected.tensors[tensor!]?.type, message).toBe(found);
          });
        }
      }
    });
  }
});

/** The weight types that a backend supports in matmul. */
async function supportedBy(start: BackendUnderTest['start']): Promise<(type: TensorType) => boolean> {
  const backend = await start({ threads: 1 });
  await backend.dispose();
  return (type) => backend.supports({ op: 'matmul', x: 0, weight: 0 }, [type]) === true;
}

function expectLogits(rows: readonly Float32Array[], expected: Golden, bounds: Bounds): void {
  expect(rows).toHaveLength(expected.argmax.length);
  const [last, golden] = [rows.at(-1)!, Float32Array.from(expected.logits_last)];
  expect(divergence(golden, last)).toBeLessThan(bounds.divergence);
  expect(distance(last, golden)).toBeLessThan(bounds.logit);
  for (const [i, row] of rows.entries()) {
    expect(row[expected.argmax[i]!]! + bounds.logit, `position ${i}`).toBeGreaterThan(row[argmax(row)]!);
  }
}
