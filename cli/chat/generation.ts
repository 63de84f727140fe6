/** Generates one answer from a prompt, with an event for each token. */
import { answerLimit } from '../../core/context-window.ts';
import type { AnswerOrigin } from '../../core/conversation.ts';
import { type GeneratedToken, type GenerateResult, UnfinishedAnswer } from '../../core/generate.ts';
import { parametersFor } from '../../core/model-defaults.ts';
import { SamplerChain } from '../../core/sampler/chain.ts';
import type { SamplerParameters } from '../../core/sampler/parameters.ts';
import type { Options } from '../arguments/options.ts';
import { samplingOf } from '../sampling.ts';
import type { LoadedModel } from './loaded-model.ts';

export interface GenerationRequest {
  readonly loaded: LoadedModel;
  readonly promptIds: readonly number[];
  /** Tokens that the answer starts with, whatever the model would choose. */
  readonly forced: readonly number[];
  /** Number of existing versions of this answer. It is added to a fixed seed, so that versions differ. */
  readonly versions: number;
  readonly options: Options;
  /** Computes the probability of every token, which costs a few percent of the speed. */
  readonly scored: boolean;
  readonly signal: AbortSignal;
  readonly onReading: (done: number, total: number) => void;
  readonly onToken: (token: GeneratedToken) => void;
}

export interface Generated {
  readonly text: string; // without the forced tokens
  readonly ids: readonly number[]; // including the forced ones
  readonly origin: AnswerOrigin;
  /** The failure that ended it, if any. */
  readonly error?: unknown;
}

/** Alternatives kept for each scored token. */
export const ALTERNATIVES = 8;

/** The sampling parameters that apply. Throws UserError if one is out of range. */
export function parametersOf({ model }: LoadedModel, options: Options, versions = 0): SamplerParameters {
  const given = samplingOf(options);
  const seed = given.seed === undefined ? undefined : (given.seed + versions) % 2 ** 32;
  return parametersFor(model.defaults, { ...given, seed });
}

/** Returns a partial answer if it fails after the first token; throws if it fails before. */
export async function generateAnswer(request: GenerationRequest): Promise<Generated> {
  const { loaded, options, promptIds, forced, signal, onToken } = request;
  const { contextLength } = loaded.model;
  const sampler = new SamplerChain(parametersOf(loaded, options, request.versions), loaded.model.tokenizer);
  const tokens = loaded.chat.answer([...promptIds, ...forced], {
    sampler,
    maxTokens: answerLimit({ contextLength, maxTokens: options.maxTokens }, promptIds.length + forced.length),
    stop: options.stop,
    ignoreEos: options.ignoreEos,
    ignoreLoops: options.ignoreLoops,
    speculate: options.speculate as 'auto' | 'on' | 'off' | undefined, // one of its choices
    logprobs: request.scored ? ALTERNATIVES : undefined,
    signal,
    onProgress: request.onReading,
  });
  const ids = [...forced];
  let text = '';
  const partly = (finish: AnswerOrigin['finish']): Generated => ({
    text,
    ids,
    origin: originOf(request, sampler.seed, { finish, completionTokens: ids.length }),
  });
  try {
    for (;;) {
      const next = await tokens.next();
      if (next.done) return { ids, text, origin: originOfResult(request, sampler.seed, next.value) };
      ids.push(next.value.id);
      text += next.value.text;
      onToken(next.value);
    }
  } catch (error) {
    if (error instanceof UnfinishedAnswer) {
      return { ids, text, origin: originOfResult(request, sampler.seed, error.result), error };
    }
    if (ids.length === forced.length) throw error;
    return { ...partly('error'), error };
  }
}

function originOfResult(request: GenerationRequest, seed: number, result: GenerateResult): AnswerOrigin {
  const { usage, timings, finishReason, stoppedBy } = result;
  return originOf(request, seed, {
    finish: finishReason,
    stoppedBy,
    completionTokens: usage.completionTokens + request.forced.length,
    cachedTokens: usage.cachedTokens,
    prefillMs: timings.prefillMs,
    decodeMs: timings.decodeMs,
  });
}

function originOf(
  { loaded, promptIds }: GenerationRequest,
  seed: number,
  known: Pick<AnswerOrigin, 'finish'> & Partial<AnswerOrigin>,
): AnswerOrigin {
  return {
    model: loaded.reference,
    backend: loaded.model.backend.name,
    seed,
    promptTokens: promptIds.length,
    completionTokens: 0,
    cachedTokens: 0,
    prefillMs: 0,
    decodeMs: 0,
    ...known,
  };
}
