/** Tiny checkpoints as llama.cpp's converter writes them, of every architecture, against transformers in float64. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadModel } from '../../core/model.ts';
import { withModels } from '../backend/backends.ts';
import { describeShared } from '../shared.ts';
import { titled } from '../titled.ts';
import { CHECKPOINTS } from './checkpoints.ts';
import { argmax, distance, logitsOf } from './logits.ts';
import { readSafetensors } from './safetensors.ts';

interface Golden {
  readonly input_ids: number[];
  readonly greedy_ids: number[];
  readonly greedy_margin: number[];
}

/** Logits around 1; float32 sums, and float32 angles in the golden, or a recurrence that transformers computes in float32. */
const toleranceOf = (checkpoint: string) => (checkpoint === 'qwen3-next' ? 3e-5 : 1e-5);
/** Recurrences, which the gpu.js backend does not compute. */
const SCANS = ['qwen3-next', 'falcon-h1'];

describeShared('gguf checkpoints', (path) => {
  for (const checkpoint of CHECKPOINTS) {
    const tolerance = toleranceOf(checkpoint);
    for (const { name, kind, absent, start } of withModels()) {
      if (kind === 'gpujs' && SCANS.includes(checkpoint)) continue;
      it.skipIf(absent)(titled(`${checkpoint} on ${name}`, absent), async () => {
        const folder = path(`goldens/architectures/${checkpoint}`);
        const golden: Golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8'));
        const expected = readSafetensors(`${folder}/golden.safetensors`)('logits');
        const file = path(`goldens/architectures-gguf/${checkpoint}.gguf`);
        const model = await loadModel(file, { backend: start, contextLength: 64 });
        const ids = [...golden.input_ids, ...golden.greedy_ids.slice(0, -1)];
        const rows = await Array.fromAsync(logitsOf(model, ids));
        await model.dispose();

        const prompt = rows.slice(0, golden.input_ids.length);
        const logits = prompt.flatMap((row) => [...row]);
        expect(distance(logits, expected)).toBeLessThan(tolerance);
        for (const [step, row] of rows.slice(prompt.length - 1).entries()) {
          if (golden.greedy_margin[step]! < 2 * tolerance) break;
          expect(argmax(row), `greedy id ${step}`).toBe(golden.greedy_ids[step]);
        }
      });
    }
  }
});
