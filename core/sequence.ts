/**
 * One sequence of a model, with the token ids that its KV cache holds.
 *
 * `evaluate(ids)` makes the cache hold exactly `ids` and returns the logits of the last one. It reuses the longest
 * common prefix with the ids in the cache and computes the rest.
 */
import type { Result, Want } from '../backends/backend.ts';
import { logitsOf } from '../backends/results.ts';
import { UserError } from '../errors.ts';
import type { Model } from './model.ts';

export type SequenceModel = Pick<
  Model,
  | 'executable'
  | 'scheduler'
  | 'tokenizer'
  | 'contextLength'
  | 'trainedContext'
  | 'sequences'
  | 'maxTokens'
  | 'recurrent'
>;

export interface Evaluated {
  readonly result: Result; // of the wanted kind
  readonly cachedTokens: number; // length of the reused prefix
  readonly computedTokens: number;
}

export interface EvaluateOptions {
  /** Stops between two steps with the signal's reason. Tokens computed until then stay in the cache. */
  readonly signal?: AbortSignal;
  /** Called after every step: tokens in the cache so far, reused ones included, and tokens of all ids. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Result wanted for the last token; default: its logits. `Executable.chooses` bounds `top` and `greedy`. */
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
  #logits: Float32Array = new Float32Array(0); // of `append`; reused: new memory for each token costs 4 % of decode

  /** Starts empty. Throws UserError without a model, RangeError for a sequence number that it does not have. */
  constructor(model: SequenceModel, seq = 0) {
    if (!model?.scheduler) throw notGiven('a model from loadModel', model);
    if (!(Number.isInteger(seq) && seq >= 0 && seq < model.sequences)) {
      throw new RangeError(`Expected a sequence from 0 to ${model.sequences - 1}, got ${seq}.`);
    }
    this.model = model;
    this.seq = seq;
  }

  /** The ids in the cache. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /**
   * Makes the cache hold `ids`, and returns the result wanted for the last of them, which is always computed. If greedy
   * ids are wanted, the cache then also holds those but the last. Throws UserError for no ids, and of kind 'context'
   * for more than fit.
   */
  async evaluate(ids: readonly number[], options: EvaluateOptions = {}): Promise<Evaluated> {
    const cachedTokens = this.#keep(ids);
    const result = await this.#compute(ids.slice(cachedTokens), options.want ?? LOGITS, options);
    return { result, cachedTokens, computedTokens: ids.length - cachedTokens };
  }

  /**
   * Makes the cache hold `ids` and returns the attention weights of the last of them (Result), which is computed in a
   * step of its own. Requires `model.executable.attends`. Throws like `evaluate`.
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

  /** Adds a token and returns the wanted result; greedy ids but the last are added too. Throws like `evaluate`. */
  async advance(id: number, want: Want): Promise<Result> {
    this.#checkRoom(want.kind === 'greedy' ? want.count : 1);
    return this.#compute([id], want);
  }

  /** Forgets the tokens from place `length` on. A model with recurrent states or windows may have to forget more. */
  trim(length: number): void {
    // Needed even if no token is forgotten: a failed step may have left more positions in the cache.
    const left = this.model.scheduler.trim(this.seq, Math.min(length, this.#tokens.length));
    this.#tokens.length = Math.min(left, this.#tokens.length);
  }

  /** A copy of the sequence, to store or to move; undefined if the backend cannot save it. */
  async save(): Promise<SavedSequence | undefined> {
    const tokens = [...this.#tokens];
    const state = await this.model.scheduler.save(this.seq, tokens.length);
    return state && { tokens, state };
  }

  /**
   * Restores a sequence saved from the same model on a backend of the same kind. For anything else it throws UserError
   * and leaves the sequence empty.
   */
  async restore({ tokens, state }: SavedSequence): Promise<void> {
    this.#tokens.length = 0;
    const positions = await this.model.scheduler.restore(this.seq, state);
    this.#tokens = tokens.slice(0, positions);
  }

  /** How many of the first `length` tokens can be kept: all or none (Executable.keeps). */
  keepable(length: number): number {
    return Math.min(length, this.model.scheduler.keeps(this.seq, length));
  }

  /** Copies the first `length` tokens to sequence `seq`, or none if a recurrent model cannot. Computes nothing. */
  async fork(seq: number, length = this.#tokens.length): Promise<Sequence> {
    if (seq === this.seq) throw new RangeError(`Sequence ${seq} cannot be forked to itself.`);
    const fork = new Sequence(this.model, seq);
    if (this.model.recurrent) this.trim(this.#tokens.length); // a failed step may have left more positions in the cache
    const tokens = this.#tokens.slice(0, this.keepable(length));
    await this.model.scheduler.copy(this.seq, seq, tokens.length);
    fork.#tokens = tokens;
    return fork;
  }

  /** Trims the cache to its longest common prefix with `ids`, without the last id; returns the length of that prefix. */
  #keep(ids: readonly number[]): number {
    const { contextLength, trainedContext } = this.model;
    checkIds(ids);
    if (ids.length > contextLength) throw contextError(ids.length, contextLength, trainedContext);
    this.trim(Math.min(commonPrefix(this.#tokens, ids), ids.length - 1));
    return this.#tokens.length;
  }

  #checkRoom(more: number): void {
    const { contextLength, trainedContext } = this.model;
    const needed = this.#tokens.length + more;
    if (needed > contextLength) throw contextError(needed, contextLength, trainedContext);
  }

  /** Computes the next tokens. The tokens of a step are recorded as held when the step is done. */
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

/**
 * The error of a text that does not fit. It advises no context that would be refused.
 * @param needed tokens that the text takes
 * @param trained the longest context that the model can have
 */
export function contextError(needed: number, contextLength: number, trained: number): UserError {
  return new UserError(
    `Expected at most ${contextLength} tokens, the context length, but ${needed} are needed.`,
    needed <= trained
      ? `Give a larger context (--ctx ${needed}) or a shorter prompt.`
      : `Give a shorter prompt: this model was trained for a context of ${trained} tokens.`,
    { kind: 'context' },
  );
}

/** Throws UserError of kind usage unless there are ids. Their range is checked by the backend. */
export function checkIds(ids: ArrayLike<number>): void {
  if (!Array.isArray(ids) && !ArrayBuffer.isView(ids)) throw notGiven('an array of token ids', ids);
  if (ids.length === 0) throw emptyPrompt();
}

/** The error for an argument of another type, which only callers without types can pass. */
export function notGiven(expected: string, got: unknown): UserError {
  const what = got === null ? 'null' : typeof got;
  return new UserError(`Expected ${expected}, got ${what}.`, 'See the example at the top of core/index.ts.', {
    kind: 'usage',
  });
}

function emptyPrompt(): UserError {
  return new UserError('The prompt is empty.', 'Give a prompt.', { kind: 'usage' });
}

/** Length of the longest common prefix. */
export function commonPrefix(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const limit = Math.min(a.length, b.length);
  let n = 0;
  while (n < limit && a[n] === b[n]) n++;
  return n;
}
