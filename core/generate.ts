/**
 * Text from a prompt, token by token: evaluate, sample, show, append, until an end.
 *
 * The step over a token is submitted before the token is handed out, so that whoever shows it works while the
 * next one is computed.
 */
import { UserError } from '../errors.ts';
import { Candidates } from './sampler/candidates.ts';
import type { SamplerChain } from './sampler/chain.ts';
import { logSumExp } from './sampler/log-sum-exp.ts';
import { contextError, type Evaluated, type Session } from './session.ts';
import { StopStrings } from './stop-strings.ts';
import { StreamingDecoder } from './tokenizer/streaming-decoder.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

export interface GenerateOptions {
  readonly sampler: SamplerChain;
  /** Most tokens to generate. Where it is absent, an answer that fills the context ends in a UserError. */
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  /** Never choose an end-of-generation token. */
  readonly ignoreEos?: boolean;
  /** Log probabilities of the token and of the N most probable ones, before any sampler. */
  readonly logprobs?: number;
  readonly signal?: AbortSignal;
  /** Called while the prompt is computed, with the tokens held so far of all. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}

export interface GeneratedToken {
  readonly id: number;
  /** What can be shown now; may be empty. The last token brings what was held back. */
  readonly text: string;
  readonly logprob?: number;
  readonly top?: readonly TokenLogprob[]; // most probable first
}

export interface GenerateResult {
  /** Every token generated, including the end token or those of the stop string that ended it. */
  readonly ids: readonly number[];
  /** The texts of the tokens joined: without end token, stop string and what follows it. */
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly stopString?: string; // the one that ended it
  readonly usage: Usage;
  readonly timings: Timings;
}

/** stop: an end token or a stop string; length: maxTokens were generated. */
export type FinishReason = 'stop' | 'length' | 'aborted';

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number; // ids.length
  readonly cachedTokens: number; // of the prompt, reused from the session
}

export interface Timings {
  readonly prefillMs: number;
  readonly prefillTokensPerSecond: number; // of the tokens computed
  readonly decodeMs: number; // from the first token to the last
  readonly decodeTokensPerSecond: number; // of the tokens after the first
  readonly firstTokenMs: number; // from the call to the first token; 0 without one
}

/**
 * Generates from `promptIds`. Leaves the session with the prompt and all generated tokens but the last, also
 * when the caller stops early; resets the sampler and shows it the prompt.
 *
 * Throws UserError of kind 'context' at once where the prompt and maxTokens do not fit the context, or after
 * the last token where maxTokens is absent and the context is full; of kind 'usage' for options out of range.
 */
export async function* generate(
  session: Session,
  promptIds: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken, GenerateResult> {
  const { tokenizer, contextLength } = session.model;
  const { sampler, signal, maxTokens } = options;
  checkOptions(options, promptIds.length, contextLength);
  const limit = maxTokens ?? contextLength - promptIds.length;
  const banned = options.ignoreEos ? tokenizer.endIds : undefined;
  const logprobs = options.logprobs === undefined ? undefined : new Logprobs(options.logprobs);
  const output = new Output(tokenizer, options.stop ?? [], promptIds);
  const clock = new Clock();
  const ids: number[] = [];
  let text = '';
  let finishReason: FinishReason = 'aborted';

  sampler.reset();
  for (const id of promptIds) sampler.accept(id);
  const prompt = await evaluateUnlessAborted(session, promptIds, options);
  clock.prefilled();
  let logits = prompt?.logits;
  while (logits && !signal?.aborted) {
    const id = sampler.sample(logits, banned);
    sampler.accept(id);
    ids.push(id);
    clock.sampled();
    const scores = logprobs?.of(logits, id);
    const { piece, finish } = output.push(id, ids.length === limit);
    text += piece;
    const step = finish ? undefined : session.append(id);
    const settled = Promise.allSettled([step]); // a failure is thrown below, not while the caller has the token
    try {
      yield { id, text: piece, ...scores };
    } finally {
      await settled;
    }
    if (finish) finishReason = finish;
    logits = await step;
  }
  if (finishReason === 'length' && maxTokens === undefined) throw unfinished(promptIds.length, ids.length);

  const usage = {
    promptTokens: promptIds.length,
    completionTokens: ids.length,
    cachedTokens: prompt?.cachedTokens ?? 0,
  };
  const timings = clock.timings(prompt?.computedTokens ?? 0, ids.length);
  return { ids, text, finishReason, stopString: output.stopString, usage, timings };
}

/** Undefined where the signal ended it. */
async function evaluateUnlessAborted(
  session: Session,
  promptIds: readonly number[],
  { signal, onProgress }: GenerateOptions,
): Promise<Evaluated | undefined> {
  try {
    return await session.evaluate(promptIds, { signal, onProgress });
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return undefined;
    throw error;
  }
}

/** Token ids to text: decodes, and watches for end tokens and stop strings. */
class Output {
  readonly #endIds: ReadonlySet<number>;
  readonly #decoder: StreamingDecoder;
  readonly #stops: StopStrings;

  constructor(tokenizer: Tokenizer, stop: readonly string[], promptIds: readonly number[]) {
    this.#endIds = tokenizer.endIds;
    this.#decoder = new StreamingDecoder(tokenizer, {
      continues: promptIds.some((id) => !tokenizer.isControl(id)),
    });
    this.#stops = new StopStrings(stop);
  }

  get stopString(): string | undefined {
    return this.#stops.found;
  }

  /** What to show for a token, and whether it is the last: an end, or the last one allowed. */
  push(id: number, isLast: boolean): { piece: string; finish: FinishReason | undefined } {
    const isEnd = this.#endIds.has(id);
    let piece = isEnd ? '' : this.#stops.push(this.#decoder.push(id));
    if (isEnd || isLast) piece += this.#stops.push(this.#decoder.end()) + this.#stops.end();
    const stopped = isEnd || this.#stops.found !== undefined;
    return { piece, finish: stopped ? 'stop' : isLast ? 'length' : undefined };
  }
}

/** Log probabilities under the model itself: log-softmax of the raw logits, in float64. */
class Logprobs {
  readonly #top: number;
  readonly #candidates = new Candidates();

  constructor(top: number) {
    this.#top = top;
  }

  of(logits: Float32Array, id: number): { logprob: number; top: TokenLogprob[] } {
    const total = logSumExp(logits);
    const logprob = logits[id]! - total;
    if (this.#top === 0) return { logprob, top: [] };
    this.#candidates.load(logits);
    this.#candidates.keepTop(this.#top);
    const ids = this.#candidates.ids.subarray(0, this.#candidates.length);
    return { logprob, top: Array.from(ids, (id) => ({ id, logprob: logits[id]! - total })) };
  }
}

class Clock {
  readonly #start = performance.now();
  #prefillEnd = 0;
  #first = 0; // time of the first token
  #last = 0;

  prefilled(): void {
    this.#prefillEnd = performance.now();
  }

  sampled(): void {
    this.#last = performance.now();
    this.#first ||= this.#last;
  }

  timings(computedTokens: number, generatedTokens: number): Timings {
    const prefillMs = this.#prefillEnd - this.#start;
    const decodeMs = this.#last - this.#first;
    return {
      prefillMs,
      prefillTokensPerSecond: perSecond(computedTokens, prefillMs),
      decodeMs,
      decodeTokensPerSecond: perSecond(generatedTokens - 1, decodeMs),
      firstTokenMs: generatedTokens === 0 ? 0 : this.#first - this.#start,
    };
  }
}

function perSecond(count: number, ms: number): number {
  return ms > 0 ? (1000 * count) / ms : 0;
}

function checkOptions(
  { maxTokens, logprobs }: GenerateOptions,
  promptTokens: number,
  contextLength: number,
): void {
  checkWhole('max tokens', maxTokens, 1);
  checkWhole('logprobs', logprobs, 0);
  const needed = promptTokens + (maxTokens ?? 1);
  if (needed > contextLength) throw contextError(needed, contextLength);
}

function checkWhole(option: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least)) return;
  throw new UserError(
    `Expected ${option} to be a whole number from ${least} up, got ${value}.`,
    `Give ${option} such a number, or leave it out.`,
    { kind: 'usage' },
  );
}

function unfinished(promptTokens: number, generatedTokens: number): UserError {
  const contextLength = promptTokens + generatedTokens;
  return new UserError(
    `Expected the answer to end within the context of ${contextLength} tokens, but ${promptTokens} of prompt and ${generatedTokens} of answer fill it; at least ${contextLength + 1} are needed.`,
    `Give a larger context (--ctx ${2 * contextLength}), a shorter prompt, or a limit for the answer (--max-tokens).`,
    { kind: 'context' },
  );
}
