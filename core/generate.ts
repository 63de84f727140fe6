/**
 * Generates text from a prompt, token by token: evaluate, sample, yield, append, until the answer ends.
 *
 * The step over a token is submitted before the token is yielded, so the caller shows it while the next one is computed.
 * With speculation a step covers several tokens, so not every token needs its own step.
 */
import { UserError } from '../errors.ts';
import { Answer, type FinishReason } from './generate/answer.ts';
import { claim, release } from './generate/claim.ts';
import { Clock, type Timings } from './generate/clock.ts';
import { requireDifferences } from './generate/differences.ts';
import { Logprobs, type TokenLogprob } from './generate/logprobs.ts';
import { deviceChooses, type TokenSource, tokenSource } from './generate/token-source.ts';
import type { SamplerChain } from './sampler/chain.ts';
import {
  checkIds,
  contextError,
  type Evaluated,
  notGiven,
  type Sequence,
  type SequenceModel,
} from './sequence.ts';
import { DraftModel } from './speculate/draft-model.ts';
import { PromptLookup } from './speculate/prompt-lookup.ts';
import { type SpeculationStats, SpeculativeDecoder } from './speculate/speculative-decoder.ts';
import { stepCostsOf } from './speculate/step-costs.ts';

export interface GenerateOptions {
  readonly sampler: SamplerChain;
  /** Most tokens to generate. Without it, an answer that fills the context throws UnfinishedAnswer. */
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  /** Never choose an end-of-generation token. */
  readonly ignoreEos?: boolean;
  /** Go on where the answer repeats a long span word for word. Also with ignoreEos. */
  readonly ignoreLoops?: boolean;
  /** Log probabilities of the token and of the N most probable ones, before any sampler. */
  readonly logprobs?: number;
  readonly signal?: AbortSignal;
  /**
   * Draft tokens and check several in a step: 'on', 'off', or 'auto', which drafts only while measurements show a gain.
   * The answer stays the same (speculate/speculative-decoder.ts). Default: 'auto' with a draft model, 'off' without.
   * Without a draft model, 'auto' does not draft if the device chooses tokens by itself.
   */
  readonly speculate?: 'auto' | 'on' | 'off';
  /**
   * Sequence of a smaller draft model with the same vocabulary. Without one, drafts are looked up in the text so far. If
   * the same sequence is passed for the next turn, it computes only the new tokens.
   */
  readonly draft?: Sequence;
  /** Called while the prompt is computed: tokens in the cache so far, and tokens of the prompt. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface GeneratedToken {
  readonly id: number;
  /** Text that can be shown now; may be empty. The last token has the text held back so far. */
  readonly text: string;
  readonly logprob?: number;
  readonly top?: readonly TokenLogprob[]; // most probable first
}

export interface GenerateResult {
  /** Every generated token, including the end token or the tokens of the stop string. */
  readonly ids: readonly number[];
  /** The joined texts of the tokens, without the end token, the stop string and the text after it. */
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly stopString?: string; // the one that ended it
  readonly stoppedBy?: 'repetition'; // beside finishReason 'stop'
  readonly usage: Usage;
  readonly timings: Timings;
  readonly speculation?: SpeculationStats; // unless it was off
}

/** Of kind 'context': the context was full before the answer ended. `result` is the answer so far. */
export class UnfinishedAnswer extends UserError {
  readonly result: GenerateResult;

  constructor(result: GenerateResult, trained: number) {
    const { promptTokens, completionTokens } = result.usage;
    const contextLength = promptTokens + completionTokens;
    const larger = Math.min(2 * contextLength, trained);
    const context = larger > contextLength ? `a larger context (--ctx ${larger}), ` : '';
    super(
      `The answer did not end within the context of ${contextLength} tokens: ${promptTokens} of prompt and ${completionTokens} of answer fill it, so at least ${contextLength + 1} are needed.`,
      `Give ${context}a shorter prompt, or a limit for the answer (--max-tokens).`,
      { kind: 'context' },
    );
    this.result = result;
  }
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number; // ids.length
  readonly cachedTokens: number; // of the prompt, reused from the sequence
}

/**
 * Generates from `promptIds`. Resets the sampler and feeds it the prompt. Afterwards the sequence holds the prompt and
 * all generated tokens but the last, also if the caller stops early.
 *
 * Throws UserError of kind 'context' at once if the prompt and maxTokens do not fit the context. Throws its subclass
 * UnfinishedAnswer after the last token if maxTokens is absent and the context is full. Throws UserError of kind 'usage'
 * for options out of range, for a draft model with another vocabulary, and for a sequence on which another generation began.
 */
export async function* generate(
  sequence: Sequence,
  promptIds: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken, GenerateResult> {
  const { sampler, signal } = options;
  checkIds(promptIds);
  checkOptions(options, promptIds.length, sequence.model);
  const { answer, logprobs, speculation, source } = prepare(sequence, promptIds, options);
  const clock = new Clock();

  const claimed = await claim(sequence);
  sampler.reset();
  for (const id of promptIds) sampler.accept(id);
  let prompt: Evaluated | undefined;
  let started = false;
  try {
    const starting = startUnlessAborted(source, promptIds, options, claimed.signal);
    claimed.pending = Promise.allSettled([starting]);
    prompt = await starting;
    started = true;
    clock.prefilled();
    while (prompt && !answer.finish && !signal?.aborted) {
      claimed.signal.throwIfAborted();
      const { id, logits } = source.take();
      sampler.accept(id);
      clock.sampled();
      const scores = logits && logprobs?.of(logits, id);
      const text = answer.push(id);
      const step = answer.finish ? undefined : source.advance(id);
      const settled = Promise.allSettled([step]); // a failure is thrown below, not while the caller has the token
      claimed.pending = settled;
      try {
        yield { id, text, ...scores };
      } finally {
        await settled;
      }
      await step;
    }
  } finally {
    if (started && !claimed.signal.aborted) source.end(promptIds.length + Math.max(0, answer.ids.length - 1));
    release(sequence, claimed);
  }

  const result = { ...resultOf(answer, promptIds.length, prompt, clock), speculation: speculation?.stats };
  requireEnd(result, options, sequence.model);
  return result;
}

/** @throws UnfinishedAnswer if the context ended an answer without a limit */
function requireEnd(result: GenerateResult, { maxTokens }: GenerateOptions, model: SequenceModel): void {
  const isCut = result.finishReason === 'length' && maxTokens === undefined;
  if (isCut) throw new UnfinishedAnswer(result, model.trainedContext);
}

/** What takes part in a generation besides the sampler. */
function prepare(sequence: Sequence, promptIds: readonly number[], options: GenerateOptions) {
  const { tokenizer, contextLength } = sequence.model;
  const { sampler, stop, ignoreEos, ignoreLoops, maxTokens } = options;
  const limit = maxTokens ?? contextLength - promptIds.length;
  const logprobs = options.logprobs === undefined ? undefined : new Logprobs(options.logprobs);
  const answer = new Answer(tokenizer, promptIds, { limit, stop, endsRepeats: !ignoreLoops && !ignoreEos });
  const seen = { sampler, banned: ignoreEos ? tokenizer.endIds : undefined, scored: logprobs !== undefined };
  // A device that chooses tokens returns no logits; drafts would need the logits of every token.
  const far = deviceChooses(sequence, seen) && !sequence.model.executable.nearLogits;
  const drafts = options.draft || options.speculate !== 'auto' || !far;
  const speculation = drafts ? speculativeDecoder(sequence, promptIds, limit, options) : undefined;
  return { answer, logprobs, speculation, source: tokenSource(sequence, { ...seen, speculation, limit }) };
}

function resultOf(answer: Answer, promptTokens: number, prompt: Evaluated | undefined, clock: Clock) {
  const { cachedTokens = 0, computedTokens = 0 } = prompt ?? {};
  const { ids, text, finish: finishReason = 'aborted', stopString, repeats } = answer;
  return {
    ...{ ids, text, finishReason, stopString },
    stoppedBy: repeats ? ('repetition' as const) : undefined,
    usage: { promptTokens, completionTokens: ids.length, cachedTokens },
    timings: clock.timings(computedTokens, ids.length),
  };
}

function speculativeDecoder(
  sequence: Sequence,
  promptIds: readonly number[],
  limit: number,
  { draft, speculate = draft ? 'auto' : 'off' }: GenerateOptions,
): SpeculativeDecoder | undefined {
  if (speculate === 'off') return undefined;
  if (draft?.model.recurrent) throw noWayBack('The draft model');
  if (sequence.model.recurrent) {
    if (draft || speculate === 'on') throw noWayBack('The model');
    return undefined; // a rejected draft would cost more than drafts gain: the whole text is computed again
  }
  const drafter = draft ? new DraftModel(draft, sequence.model.tokenizer) : new PromptLookup();
  const mostTokens = promptIds.length + limit - 1; // the last token is not evaluated
  const costs = stepCostsOf(sequence.model, draft?.model ?? sequence.model);
  return new SpeculativeDecoder(sequence, promptIds, drafter, {
    mostTokens,
    always: speculate === 'on',
    costs,
  });
}

function noWayBack(what: string): UserError {
  return new UserError(
    `${what} is recurrent: it cannot take back the drafted tokens that are rejected.`,
    'Leave out --draft, and --speculate unless it is off.',
    { kind: 'usage' },
  );
}

/** Undefined if the signal ended it. */
async function startUnlessAborted(
  source: TokenSource,
  promptIds: readonly number[],
  { signal, onProgress }: GenerateOptions,
  claimed: AbortSignal,
): Promise<Evaluated | undefined> {
  try {
    const either = signal ? AbortSignal.any([signal, claimed]) : claimed;
    const prompt = await source.start(promptIds, { signal: either, onProgress });
    requireDifferences(prompt.result);
    return prompt;
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return undefined;
    throw error;
  }
}

function checkOptions(
  { sampler, signal, maxTokens, logprobs }: GenerateOptions,
  promptTokens: number,
  { contextLength, trainedContext }: SequenceModel,
): void {
  if (typeof sampler?.sample !== 'function') throw notGiven('options.sampler, a SamplerChain', sampler);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw notGiven('an AbortSignal', signal);
  checkWhole('max tokens', maxTokens, 1);
  checkWhole('logprobs', logprobs, 0);
  const needed = promptTokens + (maxTokens ?? 1);
  if (needed > contextLength) throw contextError(needed, contextLength, trainedContext);
}

function checkWhole(option: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least)) return;
  throw new UserError(
    `Expected ${option} to be a whole number from ${least} up, got ${value}.`,
    `Give ${option} such a number, or leave it out.`,
    { kind: 'usage' },
  );
}
