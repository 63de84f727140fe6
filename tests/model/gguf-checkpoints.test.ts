/** Tiny checkpoints as llama.cpp's converter writes them, of every architecture, against transformers in float64. */
import { it } from 'vitest';
import { loadModel } from '../../core/model.ts';
import { withModels } from '../backend/backends.ts';
import { describeShared } from '../shared.ts';
import { titled } from '../titled.ts';
import { CHECKPOINTS } from './checkpoints.ts';
import { expectGolden } from './golden.ts';

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
        const file = path(`goldens/architectures-gguf/${checkpoint}.gguf`);
        const model = await loadModel(file, { backend: start, contextLength: 64 });
        const folder = path(`goldens/architectures/${checkpoint}`);
        await expectGolden(model, folder, { tolerance, margin: 2 * tolerance });
        await model.dispose();
      });
    }
  }
});
