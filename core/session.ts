/**
 * One sequence of a model: which token ids its KV cache holds, and the next step over them.
 *
 * `evaluate(ids)` makes the cache hold exactly `ids` and returns logits of the last one: the longest common
 * prefix with what it held is reused, the rest is computed in steps of at most model.maxTokens.
 */
import type { Choice, Step, Ticket, TopLogits } from '../backends/backend.ts';
import { UserError } from '../errors.ts';
import type { Model } from './model.ts';

export type SessionModel = Pick<
  Model,
  'executable' | 'tokenizer' | 'contextLength' | 'sequences' | 'maxTokens'
>;

/** What came of a step: logits, or what it was to make of them. */
export interface Outcome {
  readonly logits: Float32Array; // [rows, V], valid until the next step; empty where the device chose
  readonly top?: TopLogits;
  readonly ids?: Int32Array; // greedy ones
}

export interface Evaluated extends Outcome {
  readonly cachedTokens: number; // length of the reused prefix
  readonly computedTokens: number;
}

export interface EvaluateOptions {
  /** Stops between two steps, with the signal's reason; the cache then holds what was computed. */
  readonly signal?: AbortSignal;
  /** Called after every step with the tokens held so far, reused ones included, of all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** What the device is to make of the last token's logits, as far as `Executable.chooses` allows. */
  readonly choose?: Choice;
}

export class Session {
  readonly model: SessionModel;
  readonly seq: number;
  #tokens: number[] = [];

  /** A session that starts empty. Throws RangeError for a sequence the model does not have. */
  constructor(model: SessionModel, seq = 0) {
    if (!(Number.isInteger(seq) && seq >= 0 && seq < model.sequences)) {
      throw new RangeError(`Expected a sequence from 0 to ${model.sequences - 1}, got ${seq}.`);
    }
    this.model = model;
    this.seq = seq;
  }

  /** The ids the cache holds. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /**
   * Makes the cache hold `ids`, and greedy ids but the last where these are chosen; returns the logits of the last of
   * `ids`, which is always computed, or what is chosen by them.
   * Throws UserError for no ids, and of kind 'context' for more than fit.
   */
  async evaluate(ids: readonly number[], options: EvaluateOptions = {}): Promise<Evaluated> {
    const { maxTokens } = this.model;
    const cachedTokens = this.#keep(ids);
    const whole = maxTokens * Math.floor((ids.length - cachedTokens - 1) / maxTokens);
    await this.#fill(ids, cachedTokens + whole, options);
    options.signal?.throwIfAborted();
    const outcome = await this.#step(ids.slice(cachedTokens + whole), 'last', options.choose);
    options.onProgress?.(Math.min(this.#tokens.length, ids.length), ids.length);
    return { ...outcome, cachedTokens, computedTokens: ids.length - cachedTokens };
  }

  /**
   * Makes the cache hold `ids` and returns the attention weights of the last of them (Ticket.attention), which is
   * computed in a step of its own. Only where `model.executable.attends`. Throws like `evaluate`.
   */
  async attend(ids: readonly number[], options: Omit<EvaluateOptions, 'choose'> = {}): Promise<Float32Array> {
    this.#keep(ids);
    const pos = ids.length - 1;
    await this.#fill(ids, pos, options);
    options.signal?.throwIfAborted();
    const slices = [{ seq: this.seq, pos, tokens: ids.slice(pos) }];
    const ticket = this.model.executable.submit({ slices, logits: 'none', attention: true });
    const weights = await ticket.attention!();
    this.#tokens.push(ids[pos]!);
    options.onProgress?.(ids.length, ids.length);
    return weights;
  }

  /**
   * Adds from 1 to model.maxTokens tokens in one step and returns the logits of each, [tokens, V], valid until the
   * next step. Throws like `evaluate`.
   */
  async append(...ids: readonly number[]): Promise<Float32Array> {
    const { contextLength } = this.model;
    const needed = this.#tokens.length + ids.length;
    if (needed > contextLength) throw contextError(needed, contextLength);
    return (await this.#step(ids, 'all')).logits;
  }

  /** Adds a token and has the device choose by its logits; greedy ids but the last are added too. */
  async choose(choice: Choice, id: number): Promise<Outcome> {
    const { contextLength } = this.model;
    const needed = this.#tokens.length + (choice.kind === 'greedy' ? choice.count : 1);
    if (needed > contextLength) throw contextError(needed, contextLength);
    return this.#step([id], 'last', choice);
  }

  /** Forgets the tokens from place `length` on. */
  trim(length: number): void {
    if (length < this.#tokens.length) this.#tokens.length = length;
    // Also where nothing is forgotten: a step that failed may have left more in the cache.
    this.model.executable.kvTrim(this.seq, this.#tokens.length);
  }

  /** A session on another sequence that holds the same tokens, or the first `length`, copied instead of computed. */
  fork(seq: number, length = this.#tokens.length): Session {
    if (seq === this.seq) throw new RangeError(`Expected another sequence than ${seq} to fork to.`);
    const fork = new Session(this.model, seq);
    fork.#tokens = this.#tokens.slice(0, length);
    this.model.executable.kvCopy(this.seq, seq, fork.#tokens.length);
    return fork;
  }

  /** Keeps the longest beginning of `ids` that is held, but for the last of them; returns its length. */
  #keep(ids: readonly number[]): number {
    const { contextLength } = this.model;
    if (ids.length === 0) throw emptyPrompt();
    if (ids.length > contextLength) throw contextError(ids.length, contextLength);
    const kept = Math.min(commonPrefix(this.#tokens, ids), ids.length - 1);
    this.trim(kept);
    return kept;
  }

  /** Computes the tokens before place `end` that are not held yet, without logits. */
  async #fill(ids: readonly number[], end: number, { signal, onProgress }: EvaluateOptions): Promise<void> {
    while (this.#tokens.length < end) {
      signal?.throwIfAborted();
      const start = this.#tokens.length;
      await this.#step(ids.slice(start, Math.min(start + this.model.maxTokens, end)), 'none');
      onProgress?.(this.#tokens.length, ids.length);
    }
  }

  /** One step over the next tokens, which count as held once it is through. */
  async #step(tokens: readonly number[], logits: Step['logits'], choose?: Choice): Promise<Outcome> {
    const ticket = this.model.executable.submit({
      slices: [{ seq: this.seq, pos: this.#tokens.length, tokens }],
      logits,
      choose,
    });
    const outcome = await outcomeOf(ticket, choose);
    for (const token of tokens) this.#tokens.push(token);
    for (const id of outcome.ids?.subarray(0, -1) ?? []) this.#tokens.push(id);
    return outcome;
  }
}

async function outcomeOf(ticket: Ticket, choice: Choice | undefined): Promise<Outcome> {
  const logits = new Float32Array(0);
  if (choice?.kind === 'greedy') return { logits, ids: await ticket.ids!() };
  if (choice?.kind === 'top') return { logits, top: await ticket.top!() };
  return { logits: await ticket.logits() };
}

/** The error of a text that does not fit. `needed` is the number of tokens it takes. */
export function contextError(needed: number, contextLength: number): UserError {
  return new UserError(
    `Expected at most ${contextLength} tokens, the context length, but ${needed} are needed.`,
    `Give a larger context (--ctx ${needed}) or a shorter prompt.`,
    { kind: 'context' },
  );
}

function emptyPrompt(): UserError {
  return new UserError('Expected a prompt of one token or more, got an empty one.', 'Give a prompt.', {
    kind: 'usage',
  });
}

/** Length of the longest beginning that both have. */
export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const limit = Math.min(a.length, b.length);
  let n = 0;
  while (n < limit && a[n] === b[n]) n++;
  return n;
}
