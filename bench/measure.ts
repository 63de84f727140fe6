/**
 * Speed of a loaded model as llama-bench defines it: pp N reads N tokens from an empty cache, tg N writes N tokens one
 * by one. Sampling is left out: token ids are fixed, so that nothing but the model is timed.
 */
import type { Model } from '../core/index.ts';

export interface Test {
  readonly kind: 'pp' | 'tg';
  readonly tokens: number;
}

export function testName({ kind, tokens }: Test): string {
  return `${kind}${tokens}`;
}

/** Tokens a second of one run. */
export async function runOnce(model: Model, test: Test): Promise<number> {
  const ids = tokenIds(test.tokens, model.config.vocabularySize);
  const start = performance.now();
  if (test.kind === 'pp') await readTokens(model, ids);
  else await writeTokens(model, ids);
  return test.tokens / ((performance.now() - start) / 1e3);
}

async function readTokens({ executable, maxTokens }: Model, ids: readonly number[]): Promise<void> {
  for (let pos = 0; pos < ids.length; pos += maxTokens) {
    const tokens = ids.slice(pos, pos + maxTokens);
    const logits = pos + maxTokens >= ids.length ? 'last' : 'none';
    await executable.submit({ slices: [{ seq: 0, pos, tokens }], logits }).logits();
  }
}

async function writeTokens({ executable }: Model, ids: readonly number[]): Promise<void> {
  for (const [pos, id] of ids.entries()) {
    await executable.submit({ slices: [{ seq: 0, pos, tokens: [id] }], logits: 'last' }).logits();
  }
}

/** Spread over the vocabulary, always the same. */
function tokenIds(count: number, vocabulary: number): number[] {
  return Array.from({ length: count }, (_, i) => 1 + ((i * 7919) % (vocabulary - 1)));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
