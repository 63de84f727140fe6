/** Tiny checkpoints in Hugging Face's layout, of every family, against transformers in float64. */
import { it } from 'vitest';
import { loadModel } from '../../core/model.ts';
import { type BackendUnderTest, withModels } from '../backend/backends.ts';
import { describeShared } from '../shared.ts';
import { titled } from '../titled.ts';
import { FOLDERS } from './checkpoints.ts';
import { expectGolden } from './golden.ts';

/** Logits around 1; float32 sums. transformers computes the recurrence of some in float32. */
const toleranceOf = (name: string) => (/qwen3-next|qwen3\.5/.test(name) ? 5e-4 : 1e-5);
/** Experts in blocks of 4 bits, for which cpu rounds activations to two planes of 8 bits. */
const MXFP4 = 'variants/gpt-oss-mxfp4';
const MXFP4_ON_CPU = 5e-4;
/** Families that every backend is tried with; the others differ in ops that have cases of their own. */
const ON_ALL = ['llama', 'qwen3', 'gemma3', 'qwen3-moe', 'lfm2'];
const isTried = (name: string, { kind }: BackendUnderTest) =>
  kind === 'reference' || kind === 'cpu' || ON_ALL.includes(name);

describeShared('folders', (path) => {
  for (const place of [...FOLDERS, MXFP4]) {
    const name = place.split('/').at(-1)!;
    for (const under of withModels()) {
      if (!isTried(name, under)) continue;
      it.skipIf(under.absent)(titled(`${name} on ${under.name}`, under.absent), async () => {
        const folder = path(`goldens/${place}`);
        const model = await loadModel(folder, { backend: under.start, contextLength: 64 });
        const tolerance = place === MXFP4 && under.kind === 'cpu' ? MXFP4_ON_CPU : toleranceOf(name);
        await expectGolden(model, folder, { tolerance, margin: 0.01 });
        await model.dispose();
      });
    }
  }
});
