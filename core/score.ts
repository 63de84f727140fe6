/**
 * Perplexity: how surprised a model is by a text, as exp of the mean negative log probability of its tokens.
 *
 * The text is cut into chunks of n tokens, each computed from an empty cache. The remainder is not scored. Position i
 * of a chunk predicts its token i + 1, for i = 0 .. n-2. The second half is i >= floor(n / 2): positions with at least
 * half a chunk of context. If the tokenizer adds a begin token, it replaces the first token of each chunk. Chunks,
 * second half and begin token follow llama.cpp tools/perplexity.
 */
import { logSumExp } from '../backends/logits.ts';
import { logitsOf } from '../backends/results.ts';
import { UserError } from '../errors.ts';
import type { Model } from './model.ts';
import { contextError } from './sequence.ts';

export interface ScoreOptions {
  readonly chunkTokens?: number; // default 512
  readonly chunks?: number; // most chunks to score; default: all
  readonly signal?: AbortSignal;
  /** Called at the start and after every step: tokens predicted so far, and tokens to predict. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ScoredChunk {
  readonly index: number;
  readonly tokens: readonly number[]; // as evaluated
  readonly logprobs: Float64Array; // [tokens - 1]: entry i is that of token i + 1, natural logarithm
  readonly nllAll: number; // mean negative log probability, nats a token
  readonly nllSecondHalf: number;
}

export interface ScoreSummary {
  readonly chunks: number;
  readonly tokens: number; // predicted tokens
  readonly perplexity: number; // exp of the mean nllAll
  readonly perplexitySecondHalf: number;
}

/** Fewest tokens of a chunk: its second half has at least one prediction. */
export const LEAST_CHUNK = 3;

type ScoreModel = Pick<Model, 'scheduler' | 'tokenizer' | 'contextLength' | 'trainedContext'>;

/** Rows of logits requested at once. A row has V floats, so a whole chunk could take a gigabyte. */
const ROWS_AT_ONCE = 64;

/**
 * Scores `ids` chunk by chunk on sequence 0 of the model. Empties the cache of that sequence.
 *
 * Throws UserError for options out of range and for fewer ids than one chunk, and of kind 'context' for chunks longer
 * than the context. Throws the signal's reason if it is aborted.
 */
export async function* score(
  model: ScoreModel,
  ids: readonly number[],
  options: ScoreOptions = {},
): AsyncGenerator<ScoredChunk, ScoreSummary> {
  const { chunkTokens = 512, chunks: wanted = Number.POSITIVE_INFINITY, signal, onProgress } = options;
  checkOptions(model, ids.length, chunkTokens, wanted);
  const chunks = Math.min(wanted, Math.floor(ids.length / chunkTokens));
  const perChunk = chunkTokens - 1;
  onProgress?.(0, chunks * perChunk);
  let sumAll = 0;
  let sumSecondHalf = 0;
  for (let index = 0; index < chunks; index++) {
    const tokens = ids.slice(index * chunkTokens, (index + 1) * chunkTokens);
    const { addBos, bosId } = model.tokenizer;
    if (addBos && bosId !== undefined) tokens[0] = bosId;
    const onStep = (done: number) => onProgress?.(index * perChunk + done, chunks * perChunk);
    const logprobs = await tokenLogprobs(model, tokens, { signal, onStep });
    const nllAll = -mean(logprobs);
    const nllSecondHalf = -mean(logprobs.subarray(chunkTokens >> 1));
    sumAll += nllAll;
    sumSecondHalf += nllSecondHalf;
    yield { index, tokens, logprobs, nllAll, nllSecondHalf };
  }
  return {
    chunks,
    tokens: chunks * perChunk,
    perplexity: Math.exp(sumAll / chunks),
    perplexitySecondHalf: Math.exp(sumSecondHalf / chunks),
  };
}

/** Log probability of each token but the first, given the tokens before it. */
async function tokenLogprobs(
  model: ScoreModel,
  tokens: readonly number[],
  { signal, onStep }: { signal?: AbortSignal; onStep: (done: number) => void },
): Promise<Float64Array> {
  const { scheduler } = model;
  const logprobs = new Float64Array(tokens.length - 1);
  scheduler.trim(0, 0);
  for (let pos = 0; pos < logprobs.length; pos += ROWS_AT_ONCE) {
    const piece = tokens.slice(pos, Math.min(pos + ROWS_AT_ONCE, logprobs.length));
    const want = { kind: 'logits', rows: 'all' } as const;
    const onProgress = (done: number) => onStep(pos + done);
    const slice = { seq: 0, pos, tokens: piece, want };
    const logits = logitsOf(await scheduler.compute(slice, { signal, onProgress }));
    const V = logits.length / piece.length;
    for (let row = 0; row < piece.length; row++) {
      const logit = logits[row * V + tokens[pos + row + 1]!]!;
      const logprob = logit - logSumExp(logits, row * V, (row + 1) * V);
      if (Number.isNaN(logprob)) throw notFinite(pos + row);
      logprobs[pos + row] = logprob;
    }
  }
  return logprobs;
}

function notFinite(position: number): UserError {
  return new UserError(
    `The model gave logits that are not finite numbers, at position ${position} of a chunk.`,
    'Its file may be damaged: get it again, or use another one.',
  );
}

function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function checkOptions(model: ScoreModel, tokens: number, chunkTokens: number, chunks: number): void {
  if (!(Number.isInteger(chunkTokens) && chunkTokens >= LEAST_CHUNK)) {
    throw new UserError(
      `Expected chunks of a whole number of tokens from ${LEAST_CHUNK} up, got ${chunkTokens}.`,
      'Give such a number (--ctx N).',
      { kind: 'usage' },
    );
  }
  if (!(chunks >= 1 && (Number.isInteger(chunks) || chunks === Number.POSITIVE_INFINITY))) {
    throw new UserError(
      `Expected a whole number of chunks from 1 up, got ${chunks}.`,
      'Give such a number (--chunks N).',
      { kind: 'usage' },
    );
  }
  if (chunkTokens > model.contextLength)
    throw contextError(chunkTokens, model.contextLength, model.trainedContext);
  if (tokens < chunkTokens) {
    throw new UserError(
      `Expected a text of at least one chunk, ${chunkTokens} tokens, got ${tokens}.`,
      chunkTokens > LEAST_CHUNK ? 'Give a longer text or smaller chunks (--ctx N).' : 'Give a longer text.',
      { kind: 'usage' },
    );
  }
}
