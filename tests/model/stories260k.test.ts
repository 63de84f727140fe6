/** A trained model of 260,000 float32 weights (llama2.c): PyTorch's greedy story, on every backend. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../core/model.ts';
import { withModels } from '../backend/backends.ts';
import { describeShared } from '../shared.ts';
import { titled } from '../titled.ts';
import { argmax, distance, logitsOf } from './logits.ts';

interface Golden {
  readonly prompt_ids: number[];
  readonly greedy_ids: number[];
  readonly greedy_margin: number[]; // top-1 minus top-2 logit
  readonly first32_logits_last: number[]; // after the first 32 tokens, 5 decimals
}

/** Tolerance between the same row in different steps, if bits may differ. */
const OTHER_STEPS = 1e-4;
/** Tokens read one by one afterwards: each takes a software adapter a tenth of a second. */
const FEW = 48;
/** Float sums in another order change a logit by less than this; logits lie between -10 and 20. */
const MARGIN = 0.001;
const MINUTES = 60_000;
const TOLERANCE = 5e-5; // the golden is rounded to 5e-6; float32 sums in 5 layers add 6e-6

describeShared('stories260K', (path) => {
  const golden: Golden = JSON.parse(readFileSync(path('models/stories260K.json'), 'utf8'));
  const ids = [...golden.prompt_ids, ...golden.greedy_ids.slice(0, -1)];
  const binding = golden.greedy_margin.map((margin) => margin > MARGIN);
  const chosen = golden.greedy_ids.map((id, i) => (binding[i] ? id : undefined));

  for (const { name, absent, threads, sameBits, start } of withModels()) {
    describe.skipIf(absent)(titled(name, absent), () => {
      for (const count of threads) {
        it(`writes the story with ${count} threads, computed at once and token by token`, {
          timeout: 5 * MINUTES,
        }, async () => {
          const model = await loadModel(path('models/stories260K.gguf'), { backend: start, threads: count });
          const rows = await Array.fromAsync(logitsOf(model, ids));
          expect(rows.map((row, i) => (binding[i] ? argmax(row) : undefined))).toEqual(chosen);
          expect(distance(rows[31]!, golden.first32_logits_last)).toBeLessThan(TOLERANCE);
          const apart = await Array.fromAsync(
            logitsOf(model, sameBits ? ids : ids.slice(0, FEW), { rows: 1 }),
          );
          if (sameBits) expect(apart).toEqual(rows);
          else
            for (const [i, row] of apart.entries()) expect(distance(row, rows[i]!)).toBeLessThan(OTHER_STEPS);
          await model.dispose();
        });
      }
    });
  }
});
