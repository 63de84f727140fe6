/**
 * Attention weights of a prompt: in the small model that ships with the tests, on cpu against the reference; in the
 * default model, first and last layer, against PyTorch float32 on the dequantized file. The weights of the default
 * model are found as in smollm2.test.ts.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KvType } from '../../backends/backend.ts';
import { attentionOf } from '../../core/attention.ts';
import { directories } from '../../core/directories.ts';
import { loadModel, type Model, modelLimits } from '../../core/model.ts';
import { parseReference } from '../../core/models/reference.ts';
import { findModel } from '../../core/models/store.ts';
import { estimateMemory } from '../../core/program.ts';
import { Sequence } from '../../core/sequence.ts';
import { type BackendUnderTest, withModels } from '../backend/backends.ts';
import { describeShared } from '../shared.ts';
import { titled } from '../titled.ts';
import { distance } from './logits.ts';
import { readSafetensors } from './safetensors.ts';

describe('tiny-llama.Q8_0', () => {
  const path = resolve(import.meta.dirname, '../fixtures/tiny-llama.Q8_0.gguf');
  const ids = [1, 40, 3, 77, 3, 250];

  it('attends on cpu as on the reference', async () => {
    const found = [];
    for (const backend of ['cpu', 'reference']) {
      const model = await loadModel(path, { backend, kvType: 'f32', attention: true });
      found.push(await attentionOf(new Sequence(model), ids));
      const ops = model.graph.ops.filter((op) => op.op === 'attention');
      expect(found.at(-1)!.heads).toEqual(ops.map(({ heads }) => heads));
      await model.dispose();
    }
    // Activations in 8 bits, of one norm: 0.0020 seen.
    expect(distance(found[0]!.weights, found[1]!.weights)).toBeLessThan(0.01);
  });

  it('has no weights, and needs no memory for them, if it is loaded without', async () => {
    const model = await loadModel(path, { backend: 'cpu' });
    const { gguf, graph, config } = model;
    await expect(attentionOf(new Sequence(model), ids)).rejects.toMatchObject({ kind: 'usage' });
    const [plain, attending] = [undefined, true].map(
      (attention) => estimateMemory(graph, modelLimits(gguf, config, { attention })).arena,
    );
    const heads = graph.ops.reduce((sum, op) => sum + (op.op === 'attention' ? op.heads : 0), 0);
    expect(attending! - plain!).toBe(4 * heads * model.contextLength);
    await model.dispose();
  });
});

const HEADS = 9;
const LAYERS = 30;
const TOKENS = 36; // of the prompt

interface Bounds {
  readonly kvTypes: readonly KvType[];
  readonly rows: readonly number[]; // tokens whose rows are compared
  readonly first: number; // largest distance of a weight in layer 0
  readonly last: number; // in layer 29
}

const ALL = Array.from({ length: TOKENS }, (_, token) => token);

const BOUNDS: Readonly<Record<BackendUnderTest['kind'], Bounds>> = {
  // Float64 against float32; slow, so few tokens: 1e-6 and 3e-6 seen over all.
  reference: { kvTypes: ['f32'], rows: [0, 1, 6], first: 1e-5, last: 1e-5 },
  // Activations in 8 bits, after one norm: 0.016 seen; after 29 layers: 0.069, with a float32 cache 0.052.
  cpu: { kvTypes: ['f32', 'q8'], rows: ALL, first: 0.03, last: 0.12 },
  // Likewise. A software adapter computes a few tokens a second.
  webgpu: { kvTypes: ['f16'], rows: [20, 35], first: 0.03, last: 0.12 },
  gpujs: { kvTypes: ['f32'], rows: [7], first: 1e-5, last: 1e-5 }, // float32 sums
};
/** Float32 sums of up to 36 weights. */
const SUM = 1e-5;

const MINUTES = 60_000;
const weights = findModel(parseReference(process.env.PERCEPT_TEST_MODEL ?? 'smollm2'), directories())?.path;
const missing = weights ? undefined : 'no weights; set PERCEPT_TEST_MODEL or run percept pull smollm2';
if (missing) process.stderr.write(`tests/model/attention is skipped: ${missing}\n`);

describeShared(titled('attention of SmolLM2-135M-Instruct Q4_1', missing), (path) => {
  const folder = (file: string) => path(`goldens/smollm2-135m-instruct-q4_1/${file}`);
  const [chat]: { prompt_ids: number[] }[] = JSON.parse(readFileSync(folder('chat.json'), 'utf8'));
  const golden = readSafetensors(folder('logits.safetensors')); // attention_layerL [HEADS, TOKENS, TOKENS]

  /** [HEADS][token + 1] */
  const expected = (layer: number, token: number) => {
    const all = golden(`attention_layer${layer}`);
    return Array.from({ length: HEADS }, (_, h) => {
      const start = (h * TOKENS + token) * TOKENS;
      return [...all.subarray(start, start + token + 1)];
    }).flat();
  };

  for (const { name, kind, absent, start } of withModels(true)) {
    const { kvTypes, rows, ...largest } = BOUNDS[kind];
    describe.skipIf(absent ?? missing).each(kvTypes)(titled(`${name}, cache in %s`, absent), (kvType) => {
      let model: Model;
      beforeAll(async () => {
        model = await loadModel(weights!, { backend: start, contextLength: 64, kvType, attention: true });
      });
      afterAll(() => model?.dispose());

      it("equals PyTorch's in the first and the last layer, and sums to 1 in all", {
        timeout: 5 * MINUTES,
      }, async () => {
        const sequence = new Sequence(model);
        for (const token of rows) {
          const ids = chat!.prompt_ids.slice(0, token + 1);
          const { heads, positions, weights } = await attentionOf(sequence, ids);
          expect(heads).toEqual(new Array(LAYERS).fill(HEADS));
          expect(positions).toBe(token + 1);
          const ofLayer = (layer: number) =>
            weights.subarray(layer * HEADS * positions, (layer + 1) * HEADS * positions);
          expect(distance(ofLayer(0), expected(0, token)), `token ${token}`).toBeLessThan(largest.first);
          expect(distance(ofLayer(29), expected(29, token)), `token ${token}`).toBeLessThan(largest.last);
          for (let row = 0; row < LAYERS * HEADS; row++) {
            const sum = weights.subarray(row * positions, (row + 1) * positions).reduce((a, b) => a + b, 0);
            expect(Math.abs(sum - 1)).toBeLessThan(SUM);
          }
        }
      });
    });
  }
});
