/**
 * One sequence of a model: which token ids its KV cache holds, and what is computed next on it.
 *
 * `evaluate(ids)` makes the cache hold exactly `ids` and returns logits of the last one: the longest common prefix with
 * what it held is reused, the rest is computed.
 */
import type { Result, Want } from '../backends/backend.ts';
import { logitsOf } from '../backends/results.ts';
import { UserError } from '../errors.ts';
import type { Model } from './model.ts';

export type SequenceModel = Pick<
  Model,
  'executable' | 'scheduler' | 'tokenizer' | 'contextLength' | 'sequences' | 'maxTokens' | 'recurrent'
>;

export interface Evaluated {
  readonly result: Result; // as wanted
  readonly cachedTokens: number; // length of the reused prefix
  readonly computedTokens: number;
}

export interface EvaluateOptions {
  /** Stops between two steps, with the signal's reason; the cache then holds what was computed. */
  readonly signal?: AbortSignal;
  /** Called after every step with the tokens held so far, reused ones included, of all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** What the last token is to give; default its logits. Choices as far as `Executable.chooses` allows. */
  readonly want?: Want;
}

export interface SavedSequence {
  readonly tokens: readonly number[];
  readonly state: Uint8Array; // keys and values (backends/saved-state.ts)
}

const LOGITS: Want = { kind: 'logits' };

export class Sequence {
  readonly model: SequenceModel;
  readonly seq: number;
  #tokens: number[] = [];
  #logits: Float32Array = new Float32Array(0); // of `append`, used again: new memory for each token costs 4 % of decode

  /** A sequence that starts empty. Throws RangeError for a sequence the model does not have. */
  constructor(model: SequenceModel, seq = 0) {
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
   * Makes the cache hold `ids`, and greedy ids but the last where these are wanted; returns what the last of `ids`, which
   * is always computed, is to give. Throws UserError for no ids, and of kind 'context' for more than fit.
   */
  async evaluate(ids: readonly number[], options: EvaluateOptions = {}): Promise<Evaluated> {
    const cachedTokens = this.#keep(ids);
    const result = await this.#compute(ids.slice(cachedTokens), options.want ?? LOGITS, options);
    return { result, cachedTokens, computedTokens: ids.length - cachedTokens };
  }

  /**
   * Makes the cache hold `ids` and returns the attention weights of the last of them (Result), which is computed in a
   * step of its own. Only where `model.executable.attends`. Throws like `evaluate`.
   */
  async attend(ids: readonly number[], options: Omit<EvaluateOptions, 'want'> = {}): Promise<Float32Array> {
    const kept = this.#keep(ids);
    const last = ids.length - 1;
    const onProgress = (done: number) => options.onProgress?.(done, ids.length);
    if (kept < last) await this.#compute(ids.slice(kept, last), undefined, { ...options, onProgress });
    const result = await this.#compute(ids.slice(last), { kind: 'attention' }, { ...options, onProgress });
    if (result.kind !== 'attention') throw new TypeError(`Expected attention weights, got ${result.kind}.`);
    return result.weights;
  }

  /** Adds tokens and returns the logits of each, [tokens, V], valid until the next call. Throws like `evaluate`. */
  async append(...ids: readonly number[]): Promise<Float32Array> {
    this.#checkRoom(ids.length);
    const logits = logitsOf(await this.#compute(ids, { kind: 'logits', rows: 'all', into: this.#logits }));
    if (logits.length > this.#logits.length) this.#logits = logits;
    return logits;
  }

  /** Adds a token and returns what it is to give; greedy ids but the last are added too. Throws like `evaluate`. */
  async advance(id: number, want: Want): Promise<Result> {
    this.#checkRoom(want.kind === 'greedy' ? want.count : 1);
    return this.#compute([id], want);
  }

  /** Forgets the tokens from place `length` on, or from an earlier one where the model cannot go back to it. */
  trim(length: number): void {
    // Also where nothing is forgotten: a step that failed may have left more in the cache.
    const left = this.model.scheduler.trim(this.seq, Math.min(length, this.#tokens.length));
    this.#tokens.length = Math.min(left, this.#tokens.length);
  }

  /** What the sequence holds, to be kept on disk or moved; undefined where the backend does not hand it out. */
  async save(): Promise<SavedSequence | undefined> {
    const tokens = [...this.#tokens];
    const state = await this.model.scheduler.save(this.seq, tokens.length);
    return state && { tokens, state };
  }

  /**
   * Holds what was saved, of the same model on a backend of the same kind. Throws UserError for anything else, and holds
   * nothing then.
   */
  async restore({ tokens, state }: SavedSequence): Promise<void> {
    this.#tokens.length = 0;
    const positions = await this.model.scheduler.restore(this.seq, state);
    this.#tokens = tokens.slice(0, positions);
  }

  /** How many of the first `length` tokens can be kept: of a recurrent model all that it holds, or none. */
  keepable(length: number): number {
    return this.model.recurrent && length < this.#tokens.length ? 0 : length;
  }

  /**
   * Another sequence that holds the same tokens, or those of the first `length` that can be kept, copied instead of
   * computed.
   */
  async fork(seq: number, length = this.#tokens.length): Promise<Sequence> {
    if (seq === this.seq) throw new RangeError(`Expected another sequence than ${seq} to fork to.`);
    const fork = new Sequence(this.model, seq);
    if (this.model.recurrent) this.trim(this.#tokens.length); // a step that failed may have left more in the cache
    const tokens = this.#tokens.slice(0, this.keepable(length));
    await this.model.scheduler.copy(this.seq, seq, tokens.length);
    fork.#tokens = tokens;
    return fork;
  }

  /** Keeps the longest beginning of `ids` that is held, but for the last of them; returns its length. */
  #keep(ids: readonly number[]): number {
    const { contextLength } = this.model;
    if (ids.length === 0) throw emptyPrompt();
    if (ids.length > contextLength) throw contextError(ids.length, contextLength);
    this.trim(Math.min(commonPrefix(this.#tokens, ids), ids.length - 1));
    return this.#tokens.length;
  }

  #checkRoom(more: number): void {
    const { contextLength } = this.model;
    const needed = this.#tokens.length + more;
    if (needed > contextLength) throw contextError(needed, contextLength);
  }

  /** Computes the next tokens; those of each step count as held once it is through. */
  async #compute(
    tokens: readonly number[],
    want: Want | undefined,
    { signal, onProgress }: Pick<EvaluateOptions, 'signal' | 'onProgress'> = {},
  ): Promise<Result> {
    const before = this.#tokens.length;
    const held = (done: number) => {
      for (let i = this.#tokens.length - before; i < done; i++) this.#tokens.push(tokens[i]!);
      onProgress?.(before + done, before + tokens.length);
    };
    const slice = { seq: this.seq, pos: before, tokens, want };
    const result = await this.model.scheduler.compute(slice, { signal, onProgress: held });
    if (result.kind === 'greedy') for (const id of result.ids.subarray(0, -1)) this.#tokens.push(id);
    return result;
  }
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
