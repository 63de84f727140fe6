/** LoRA adapters on a tiny llama against PEFT in float64, alone and mixed, on the folder and on a GGUF file of it. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadModel } from '../../core/model.ts';
import { withModels } from '../backend/backends.ts';
import { describeShared } from '../shared.ts';
import { titled } from '../titled.ts';
import { argmax, distance, logitsOf } from './logits.ts';
import { readSafetensors } from './safetensors.ts';

const TOLERANCE = 1e-5;

describeShared('adapters', (path) => {
  const at = (name: string) => path(`goldens/variants/llama-lora/${name}`);
  const golden = () => JSON.parse(readFileSync(at('golden.json'), 'utf8'));
  const folder = path('goldens/architectures/llama');
  const gguf = path('goldens/architectures-gguf/llama.gguf');
  const CASES = [
    { name: 'adapter0', lora: [at('adapter0')], logits: 'golden0.safetensors' },
    { name: 'adapter1', lora: [at('adapter1/adapter_model.safetensors')], logits: 'golden1.safetensors' },
    {
      name: 'mixed',
      lora: [`${at('adapter0')}=0.5`, `${at('adapter1')}=0.75`],
      logits: 'golden-mixed.safetensors',
    },
  ];

  for (const { name, start, absent } of withModels()) {
    for (const { name: which, lora, logits } of CASES) {
      it.skipIf(absent)(titled(`${which} on ${name}`, absent), async () => {
        const { input_ids: ids, [which]: answer } = golden();
        const expected = readSafetensors(at(logits))('logits');
        for (const base of name === 'cpu' ? [folder, gguf] : [folder]) {
          const model = await loadModel(base, { backend: start, contextLength: 64, lora });
          const greedy: number[] = answer.greedy_ids;
          const rows = await Array.fromAsync(logitsOf(model, [...ids, ...greedy.slice(0, -1)]));
          const found = rows.slice(0, ids.length).flatMap((row) => [...row]);
          expect(distance(found, expected)).toBeLessThan(TOLERANCE);
          for (const [step, row] of rows.slice(ids.length - 1).entries()) {
            if (answer.greedy_margin[step] < 0.01) break;
            expect(argmax(row), `greedy id ${step}`).toBe(greedy[step]);
          }
          await model.dispose();
        }
      });
    }
  }

  it('leave the weights as they are: a factor of 0 gives the bits of the model alone', async () => {
    const { input_ids: ids } = golden();
    const rowsOf = async (lora: string[]) => {
      const model = await loadModel(folder, { backend: 'cpu', contextLength: 64, lora });
      const rows = await Array.fromAsync(logitsOf(model, ids));
      await model.dispose();
      return rows;
    };
    const alone = await rowsOf([]);
    expect(await rowsOf([`${at('adapter1')}=0`])).toEqual(alone);
    expect(await rowsOf([at('adapter1')])).not.toEqual(alone);
  });
});
