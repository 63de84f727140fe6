/**
 * The default model against PyTorch float32 on the dequantized file. The weights are not part of the tests: they come
 * from the file in PERCEPT_TEST_MODEL, or from `percept pull smollm2`.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directories } from '../../core/directories.ts';
import { loadModel, type Model } from '../../core/model.ts';
import { parseReference } from '../../core/models/reference.ts';
import { findModel } from '../../core/models/store.ts';
import { score } from '../../core/score.ts';
import { type BackendUnderTest, titled, withModels } from '../backend/backends.ts';
import { describeShared } from '../shared.ts';
import { argmax, distance, logitsOf, surprise } from './logits.ts';
import { readSafetensors } from './safetensors.ts';

interface Chat {
  readonly messages: { content: string }[];
  readonly prompt_ids: number[];
  readonly prompt_nll: number[]; // of prompt_ids[1], ...
  readonly greedy_ids: number[];
  readonly greedy_margin: number[]; // top-1 minus top-2 logit
}

interface Perplexity {
  readonly token_ids_first_16: number[];
  readonly chunks: { nll_second_half: number; nll_all: number }[];
}

interface Bounds {
  readonly chats: number; // of the golden's five
  readonly ids: number; // of the 96 greedy ones of a chat
  readonly margin: number; // above it, greedy ids must be equal
  readonly logit: number; // largest distance; logits lie between -20 and 40
  readonly nll: number; // largest distance of a token's negative log probability
}

const BOUNDS: Readonly<Record<BackendUnderTest['kind'], Bounds>> = {
  // Float64 against float32: 30 layers of float32 sums. Slow, so only the first tokens.
  reference: { chats: 1, ids: 6, margin: 0.01, logit: 1e-3, nll: 1e-3 },
  // Activations and cache in 8 bits, in 30 layers: 1.24 and 0.59 seen, 1.15 with a float32 cache.
  cpu: { chats: 5, ids: 96, margin: 0.3, logit: 1.6, nll: 0.9 },
  // A software adapter computes a few tokens a second, so only one chat.
  webgpu: { chats: 1, ids: 64, margin: 0.3, logit: 1.6, nll: 0.9 },
  gpujs: { chats: 1, ids: 64, margin: 0.3, logit: 1.6, nll: 0.9 },
};

/** Perplexity over all positions: 27.61 in float32; int8 activations cost half a percent. */
const MAX_PERPLEXITY = 27.75;

const MINUTES = 60_000;
const weights = findModel(parseReference(process.env.PERCEPT_TEST_MODEL ?? 'smollm2'), directories())?.path;
const missing = weights ? undefined : 'no weights; set PERCEPT_TEST_MODEL or run percept pull smollm2';
if (missing) process.stderr.write(`tests/model/smollm2 is skipped: ${missing}\n`);

describeShared(titled('SmolLM2-135M-Instruct Q4_1', missing), (path) => {
  const folder = (file: string) => path(`goldens/smollm2-135m-instruct-q4_1/${file}`);
  const chats: Chat[] = JSON.parse(readFileSync(folder('chat.json'), 'utf8'));
  const golden = readSafetensors(folder('logits.safetensors'));

  for (const { name, kind, absent, start } of withModels(true)) {
    describe.skipIf(absent ?? missing)(titled(name, absent), () => {
      const bounds = BOUNDS[kind];
      let model: Model;
      beforeAll(async () => {
        model = await loadModel(weights!, { backend: start, contextLength: 512 });
      });
      afterAll(() => model?.dispose());

      for (const [i, chat] of chats.slice(0, bounds.chats).entries()) {
        it(`answers “${chat.messages.at(-1)!.content.slice(0, 40)}”`, { timeout: 5 * MINUTES }, async () => {
          const P = chat.prompt_ids.length;
          const greedy = chat.greedy_ids.slice(0, bounds.ids);
          const ids = [...chat.prompt_ids, ...greedy.slice(0, -1)];
          const rows = await Array.fromAsync(logitsOf(model, ids));
          expect(distance(rows[P - 1]!, golden(`logits_last_${i}`))).toBeLessThan(bounds.logit);
          const nll = chat.prompt_nll.map((_, t) => surprise(rows[t]!, ids[t + 1]!));
          expect(distance(nll, chat.prompt_nll)).toBeLessThan(bounds.nll);
          for (const [step, row] of rows.slice(P - 1).entries()) {
            if (chat.greedy_margin[step]! <= bounds.margin) continue;
            expect(argmax(row), `greedy id ${step}`).toBe(greedy[step]);
          }
        });
      }

      if (kind !== 'cpu') return; // the rest would take an hour on the others
      it('reads WikiText-2', { timeout: 5 * MINUTES }, async () => {
        const golden: Perplexity = JSON.parse(readFileSync(folder('perplexity.json'), 'utf8'));
        const ids = model.tokenizer.encode(readFileSync(path('text/wikitext2-test-60k.txt'), 'utf8'));
        expect(ids.slice(0, 16)).toEqual(golden.token_ids_first_16);
        let mean = 0;
        for await (const { index, nllAll, nllSecondHalf } of score(model, ids, { chunks: 8 })) {
          expect(nllAll).toBeCloseTo(golden.chunks[index]!.nll_all, 1);
          expect(nllSecondHalf).toBeCloseTo(golden.chunks[index]!.nll_second_half, 1);
          mean += nllAll / golden.chunks.length;
        }
        expect(Math.exp(mean)).toBeLessThan(MAX_PERPLEXITY);
      });
    });
  }
});
