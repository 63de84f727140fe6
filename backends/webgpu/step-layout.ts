/** Writes the numbers of a step in the layout that kernels read (kernels/webgpu/step.wgsl). */
import type { Limits, Step } from '../backend.ts';
import type { StepRows } from '../step.ts';

const HEADER = 4; // slices, keys of an attention workgroup, logits that top-k keeps, unused

export function stepConstants({ sequences, maxTokens }: Limits): Record<string, number> {
  return { MAX_TOKENS: maxTokens, MAX_SLICES: sequences };
}

export function stepBytes({ sequences, maxTokens }: Limits): number {
  return 4 * (HEADER + 4 * maxTokens + 5 * sequences);
}

/** Writes a step into `words`, which are `stepBytes` long. */
export function writeStep(
  words: Uint32Array,
  { sequences, maxTokens }: Limits,
  step: Step,
  rows: StepRows,
  { splitKeys, count }: { splitKeys: number; count: number },
): void {
  words[0] = step.slices.length;
  words[1] = splitKeys;
  words[2] = count;
  words.set(rows.tokens, HEADER);
  words.set(rows.positions, HEADER + maxTokens);
  words.set(rows.sequences, HEADER + 2 * maxTokens);
  words.set(rows.outputs, HEADER + 3 * maxTokens);
  let first = 0;
  step.slices.forEach(({ seq, pos, tokens }, i) => {
    words.set([first, tokens.length, seq, pos], HEADER + 4 * maxTokens + 4 * i);
    first += tokens.length;
  });
  words.fill(0, HEADER + 4 * maxTokens + 4 * sequences); // ids chosen so far: none
}

/** Byte offset of the output rows. */
export function outputsAt({ maxTokens }: Limits): number {
  return 4 * (HEADER + 3 * maxTokens);
}
