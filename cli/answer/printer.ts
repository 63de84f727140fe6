/** Prints an answer on stdout while it is generated: as text, one JSON object, or JSON lines. */
import type { GeneratedToken, GenerateResult } from '../../core/generate.ts';
import type { Model } from '../../core/model.ts';
import type { SpeculationStats } from '../../core/speculate/speculative-decoder.ts';
import type { Output } from '../output.ts';

export interface AnswerPrinter {
  token(token: GeneratedToken): Promise<void>;
  /** Called last, without a result if generation failed. */
  end(result: GenerateResult | undefined): Promise<void>;
}

/** Facts that are known before the first token. */
export interface Beginning {
  readonly reference: string; // of the model, as the user wrote it
  readonly model: Model;
  readonly promptIds: readonly number[];
  readonly seed: number;
  readonly session?: string; // id of the session that stores it
}

/** Streams the text and ends it with exactly one newline; prints nothing if generation failed before the first token. */
export function textAnswer(output: Output): AnswerPrinter {
  let held = ''; // trailing newlines, dropped if the answer ends here
  let begun = false;
  return {
    async token({ text }) {
      begun = true;
      const whole = held + text;
      const ready = whole.replace(/\n+$/, '');
      held = whole.slice(ready.length);
      if (ready !== '') await output.print(ready);
    },
    async end(result) {
      if (begun || result) await output.print('\n');
    },
  };
}

/** Prints one object at the end. */
export function jsonAnswer(output: Output, beginning: Beginning): AnswerPrinter {
  const { reference, model, promptIds, seed, session } = beginning;
  const logprobs: object[] = [];
  return {
    async token({ id, logprob, top }) {
      if (logprob !== undefined) logprobs.push({ ...scored(model, id, logprob), top: topOf(model, top) });
    },
    async end(result) {
      if (!result) return;
      const { ids, text } = result;
      await output.json({
        model: reference,
        ...engineOf(model),
        prompt_ids: promptIds,
        ids,
        text,
        ...endingOf(result, model),
        seed,
        session,
        logprobs: logprobs.length > 0 ? logprobs : undefined,
      });
    },
  };
}

/** Prints a line at the start, one for each token, and one at the end. */
export async function jsonLinesAnswer(output: Output, beginning: Beginning): Promise<AnswerPrinter> {
  const { reference, model, promptIds, seed, session } = beginning;
  const engine = engineOf(model);
  await output.json({ type: 'start', model: reference, ...engine, prompt_ids: promptIds, seed, session });
  return {
    async token({ id, text, logprob, top }) {
      await output.json({ type: 'token', id, text, logprob, top: topOf(model, top) });
    },
    async end(result) {
      if (result) await output.json({ type: 'end', ...endingOf(result, model) });
    },
  };
}

export function engineOf({ backend }: Model) {
  return { backend: backend.name, threads: backend.threads };
}

function endingOf(
  { finishReason, stoppedBy, usage, timings, speculation }: GenerateResult,
  { loadMs }: Model,
) {
  return {
    finish_reason: finishReason,
    stopped_by: stoppedBy,
    usage: {
      prompt_tokens: usage.promptTokens,
      completion_tokens: usage.completionTokens,
      cached_tokens: usage.cachedTokens,
    },
    timings: {
      load_ms: rounded(loadMs),
      prefill_ms: rounded(timings.prefillMs),
      prefill_tok_s: rounded(timings.prefillTokensPerSecond),
      decode_ms: rounded(timings.decodeMs),
      decode_tok_s: rounded(timings.decodeTokensPerSecond),
      first_token_ms: rounded(timings.firstTokenMs),
    },
    speculation: speculation?.drafted ? speculationOf(speculation) : undefined,
  };
}

function speculationOf({ steps, drafts, drafted, accepted, meanAccepted, gain }: SpeculationStats) {
  return {
    steps,
    drafts,
    drafted,
    accepted,
    mean_accepted: rounded(meanAccepted),
    gain: rounded(gain!), // known: steps are timed before the first draft
  };
}

function topOf(model: Model, top: GeneratedToken['top']) {
  return top?.map(({ id, logprob }) => scored(model, id, logprob));
}

/** A token may contain only a part of a character, which becomes U+FFFD. */
function scored({ tokenizer }: Model, id: number, logprob: number) {
  return { id, text: new TextDecoder().decode(tokenizer.tokenBytes(id, { special: true })), logprob };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
