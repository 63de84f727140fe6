/** What transformers gives for a tiny checkpoint, in float64: logits of a prompt, and greedy ids with their margins. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Model } from '../../core/model.ts';
import { argmax, distance, logitsOf } from './logits.ts';
import { readSafetensors } from './safetensors.ts';

interface Golden {
  readonly input_ids: number[];
  readonly greedy_ids: number[];
  readonly greedy_margin: number[];
}

/**
 * @param folder of the golden
 * @param tolerance of a logit
 * @param margin of an id that must be the same
 */
export async function expectGolden(
  model: Model,
  folder: string,
  { tolerance, margin }: { tolerance: number; margin: number },
): Promise<void> {
  const golden: Golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8'));
  const expected = readSafetensors(`${folder}/golden.safetensors`)('logits');
  const ids = [...golden.input_ids, ...golden.greedy_ids.slice(0, -1)];
  const rows = await Array.fromAsync(logitsOf(model, ids));
  const prompt = rows.slice(0, golden.input_ids.length);
  const logits = prompt.flatMap((row) => [...row]);
  expect(distance(logits, expected)).toBeLessThan(tolerance);
  for (const [step, row] of rows.slice(prompt.length - 1).entries()) {
    if (golden.greedy_margin[step]! < margin) break;
    expect(argmax(row), `greedy id ${step}`).toBe(golden.greedy_ids[step]);
  }
}
