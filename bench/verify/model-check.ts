/**
 * Compares a backend with the reference on the same prompts. Both read the prompt in one step and then the reference's
 * greedy answer token by token, so every row of logits has a counterpart.
 */
import { logitsOf } from '../../backends/results.ts';
import type { Model } from '../../core/index.ts';
import { median } from '../statistics.ts';

/** Text, code and a list; short, because the reference is slow. */
const PROMPTS = [
  'Once upon a time, in a village by the sea, there lived an old woman who',
  'function fibonacci(n) {\n  if (n < 2) return n;\n  return ',
  'The seven days of the week are Monday, Tuesday,',
];

/** If the two best logits of the reference are closer than this, rounding may decide the choice. */
export const MARGIN_BOUND = 0.3;

/** The reference's answer to one prompt. */
export interface Answer {
  readonly promptIds: readonly number[];
  readonly ids: readonly number[]; // greedy
  readonly rows: readonly Float32Array[]; // the logits from which each id was chosen
}

export interface ModelVerdict {
  readonly tokens: number; // compared
  readonly equal: number; // greedy ids
  readonly first_difference: Difference | null;
  /** Largest margin of the reference at a token where the ids differ; 0 if none differs. */
  readonly worst_margin: number;
  readonly worst_logit_error: number;
  readonly prefill_tok_s: number; // of these prompts
  readonly decode_tok_s: number;
}

export interface Difference {
  readonly prompt: number; // from 1
  readonly token: number; // of the answer, from 1
  readonly expected: number; // ids
  readonly got: number;
  readonly margin: number; // best less second best logit of the reference
}

type CheckedModel = Pick<Model, 'executable' | 'tokenizer' | 'contextLength' | 'maxTokens'>;

export interface ModelCheckOptions {
  readonly signal?: AbortSignal;
  /** Called before each step. */
  readonly onStep?: () => void;
}

/** Token ids of the prompts, cut so that n more tokens fit. */
export function promptIds({ tokenizer, contextLength, maxTokens }: CheckedModel, n: number): number[][] {
  const room = Math.min(maxTokens, contextLength - n);
  return PROMPTS.map((text) => tokenizer.encode(text, { addSpecial: true }).slice(0, room));
}

export async function answer(
  model: CheckedModel,
  prompt: readonly number[],
  n: number,
  options: ModelCheckOptions,
): Promise<Answer & Times> {
  const ids: number[] = [];
  const { rows, times } = await rowsAfter(model, prompt, n, options, (row) => {
    const { best } = bestTwo(row);
    ids.push(best);
    return best;
  });
  return { promptIds: prompt, ids, rows, times };
}

/** Compares a backend on the tokens of the reference's answers. */
export async function compare(
  model: CheckedModel,
  answers: readonly Answer[],
  options: ModelCheckOptions,
): Promise<ModelVerdict> {
  const differences: Difference[] = [];
  const seen: Times[] = [];
  let worst = 0;
  for (const [i, { promptIds, ids, rows: expected }] of answers.entries()) {
    const { rows, times } = await rowsAfter(model, promptIds, ids.length, options, (_, t) => ids[t]!);
    for (const [t, row] of rows.entries()) {
      worst = Math.max(worst, distance(row, expected[t]!)); // keeps NaN
      const [got, { margin }] = [bestTwo(row).best, bestTwo(expected[t]!)];
      if (got !== ids[t]) differences.push({ prompt: i + 1, token: t + 1, expected: ids[t]!, got, margin });
    }
    seen.push({ times, promptIds });
  }
  const tokens = answers.reduce((sum, { ids }) => sum + ids.length, 0);
  return {
    tokens,
    equal: tokens - differences.length,
    first_difference: differences[0] ?? null,
    worst_margin: Math.max(0, ...differences.map(({ margin }) => margin)),
    worst_logit_error: worst,
    ...speedOf(seen),
  };
}

/** Whether ids differ although the margin of the reference is large, or logits are not numbers. */
export function isWrong({ worst_margin, worst_logit_error }: ModelVerdict): boolean {
  return worst_margin > MARGIN_BOUND || !Number.isFinite(worst_logit_error);
}

/** Milliseconds of each step; the first step read the prompt. */
export interface Times {
  readonly times: readonly number[];
  readonly promptIds: readonly number[];
}

export function speedOf(seen: readonly Times[]): Pick<ModelVerdict, 'prefill_tok_s' | 'decode_tok_s'> {
  const decode = seen.flatMap(({ times }) => times.slice(1));
  return {
    prefill_tok_s: median(seen.map(({ times, promptIds }) => (1e3 * promptIds.length) / times[0]!)),
    decode_tok_s: decode.length > 0 ? 1e3 / median(decode) : 0,
  };
}

/** n rows of logits, one a step: after the prompt, and after each token that `next` picks from the row before. */
async function rowsAfter(
  { executable }: CheckedModel,
  prompt: readonly number[],
  n: number,
  { signal, onStep }: ModelCheckOptions,
  next: (row: Float32Array, t: number) => number,
): Promise<{ rows: Float32Array[]; times: number[] }> {
  const rows: Float32Array[] = [];
  const times: number[] = [];
  let [pos, tokens] = [0, prompt];
  while (rows.length < n) {
    signal?.throwIfAborted();
    onStep?.();
    const start = performance.now();
    const [result] = await executable.submit({ slices: [{ seq: 0, pos, tokens, want: { kind: 'logits' } }] });
    times.push(performance.now() - start);
    rows.push(logitsOf(result));
    pos += tokens.length;
    tokens = [next(rows.at(-1)!, rows.length - 1)];
  }
  return { rows, times };
}

function bestTwo(row: Float32Array): { best: number; margin: number } {
  let [best, second] = [0, Number.NEGATIVE_INFINITY];
  for (let id = 1; id < row.length; id++) {
    if (row[id]! > row[best]!) [best, second] = [id, row[best]!];
    else if (row[id]! > second) second = row[id]!;
  }
  return { best, margin: row[best]! - second };
}

/** Largest difference; NaN if one of them contains NaN. */
function distance(a: Float32Array, b: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}
