/** Tiny encoders against transformers in float64: hidden states of texts, and vectors pooled from them. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { logitsOf } from '../../backends/results.ts';
import { Embedder, POOLINGS } from '../../core/embedding.ts';
import { loadModel } from '../../core/model.ts';
import { withModels } from '../backend/backends.ts';
import { describeShared } from '../shared.ts';
import { titled } from '../titled.ts';
import { distance } from './logits.ts';
import { readSafetensors } from './safetensors.ts';

const ENCODERS = ['bert', 'gemma3-embedding', 'modernbert', 'nomic-bert', 'xlm-roberta'];
/** Hidden states around 1; float32 sums. */
const TOLERANCE = 2e-5;

describeShared('encoders', (path) => {
  for (const name of ENCODERS) {
    const folder = path(`goldens/encoders/${name}`);
    for (const { name: backend, start, absent, kind } of withModels()) {
      if (kind === 'gpujs') continue; // attention without causality is not supported there
      it.skipIf(absent)(titled(`${name} on ${backend}`, absent), async () => {
        const golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8'));
        const hidden = readSafetensors(`${folder}/golden.safetensors`);
        const model = await loadModel(folder, { backend: start, contextLength: 64, output: 'hidden' });
        for (const [i, tokens] of golden.input_ids.entries()) {
          const want = { kind: 'logits', rows: 'all' } as const;
          const states = logitsOf(await model.scheduler.compute({ seq: 0, pos: 0, tokens, want }));
          expect(distance(states, hidden(`hidden${i}`))).toBeLessThan(TOLERANCE);
        }
        await model.dispose();
      });
    }

    it(`${name}: pooled vectors`, async () => {
      const golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8'));
      for (const pooling of POOLINGS) {
        const embedder = await Embedder.load(folder, { backend: 'cpu', pooling });
        const vectors = await embedder.embed(golden.input_ids);
        for (const [i, { vector }] of vectors.entries())
          expect(distance(vector, golden[pooling][i])).toBeLessThan(1e-5);
        await embedder.model.dispose();
      }
    });
  }
});
