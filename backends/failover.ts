/**
 * An executable that outlives its device: when a step fails because the device was lost, another backend takes over.
 *
 * The cache of a lost device cannot be read, so the tokens of each sequence are kept here. The replacement computes
 * them again, then the step that failed. If the replacement cannot choose ids as the device did, they are chosen here
 * from its logits.
 */
import { UserError } from '../errors.ts';
import type { Executable, MemoryUse, Result, Ring, Slice, Step, Want } from './backend.ts';
import { Lifecycle } from './lifecycle.ts';
import { logitsOf, resultFromRow } from './results.ts';
import { unreadable } from './saved-state.ts';
import { greedyCount } from './step.ts';

export interface FailoverParts {
  readonly first: Executable;
  readonly sequences: number;
  readonly maxTokens: number; // most tokens in one step
  /** Compiles the same program on another backend. Called once, when the first device has failed. */
  readonly replace: (failure: UserError) => Promise<Executable>;
}

export class FailoverExecutable implements Executable {
  /** Of the first executable, also after its replacement. */
  readonly chooses: Executable['chooses'];
  readonly nearLogits: Executable['nearLogits'];
  readonly attends: Executable['attends'];
  #current: Executable;
  readonly #maxTokens: number;
  readonly #replace: FailoverParts['replace'];
  readonly #held: number[][]; // tokens of each sequence
  #replaced = false;
  readonly #lifecycle = new Lifecycle();

  constructor({ first, sequences, maxTokens, replace }: FailoverParts) {
    this.#current = first;
    this.#maxTokens = maxTokens;
    this.#replace = replace;
    this.#held = Array.from({ length: sequences }, () => []);
    this.chooses = first.chooses;
    this.nearLogits = first.nearLogits;
    this.attends = first.attends;
  }

  get memory(): MemoryUse {
    return this.#current.memory;
  }

  get ring(): Ring | undefined {
    return this.#current.ring;
  }

  submit(step: Step): Promise<readonly Result[]> {
    return this.#lifecycle.run(() => this.#finish(step, this.#start(step)));
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#unlessLost(() => this.#current.kvCopy(from, to, upto));
    this.#held[to] = this.#held[from]!.slice(0, upto);
  }

  keeps(seq: number, upto: number): number {
    let kept = Math.min(upto, this.#held[seq]!.length);
    this.#unlessLost(() => {
      kept = this.#current.keeps(seq, upto);
    });
    return kept;
  }

  kvTrim(seq: number, upto: number): number {
    const held = this.#held[seq]!;
    let left = Math.min(upto, held.length);
    this.#unlessLost(() => {
      left = this.#current.kvTrim(seq, upto);
    });
    held.length = Math.min(left, held.length);
    return left;
  }

  /** The tokens, then the state that the executable saves. Another executable may not be able to read that state. */
  async save(seq: number, upto: number): Promise<Uint8Array> {
    const tokens = this.#held[seq]!.slice(0, upto);
    if (!this.#current.save) throw new Error('This backend does not save sequences.');
    const state = await this.#current.save(seq, upto);
    return new Uint8Array(Buffer.concat([new Uint8Array(Uint32Array.of(upto, ...tokens).buffer), state]));
  }

  /** Computes the tokens again if another backend saved the state. */
  async restore(seq: number, saved: Uint8Array): Promise<number> {
    this.kvTrim(seq, 0);
    const { tokens, state } = split(saved);
    const fits = this.#current.restore?.(seq, state);
    await (fits ?? this.#compute(seq, tokens)).catch((error) => {
      if (!this.#replaced) throw error;
      return this.#compute(seq, tokens);
    });
    this.#held[seq] = tokens;
    return tokens.length;
  }

  /** Ignores a lost device: the next step fails, and the replacement computes everything from the tokens. */
  #unlessLost(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (this.#replaced || !isDeviceFailure(error)) throw error;
    }
  }

  dispose(): void {
    this.#lifecycle.dispose();
    this.#current.dispose();
  }

  /** Starts a step. Mistakes of the caller are thrown; a lost device rejects, so that `#finish` can recover. */
  #start(step: Step): Promise<readonly Result[]> {
    try {
      return this.#replaced ? this.#onReplacement(step) : this.#current.submit(step);
    } catch (error) {
      if (!isDeviceFailure(error)) throw error;
      return Promise.reject(error);
    }
  }

  async #finish(step: Step, started: Promise<readonly Result[]>): Promise<readonly Result[]> {
    const results = await started.catch((error) => {
      if (this.#replaced || this.#lifecycle.disposed || !isDeviceFailure(error)) throw error;
      return this.#recover(step, error);
    });
    for (const [i, { seq, pos, tokens }] of step.slices.entries()) {
      const held = this.#held[seq]!;
      held.length = pos;
      held.push(...Array.from(tokens), ...fedBack(results[i]!));
    }
    return results;
  }

  async #recover(step: Step, failure: UserError): Promise<readonly Result[]> {
    const lost = this.#current;
    const replacement = await this.#replace(failure);
    this.#current = replacement;
    this.#replaced = true;
    lost.dispose();
    await this.#replay(step);
    return this.#onReplacement(step);
  }

  /** Computes the tokens of all sequences again. For a sequence of the step, those before its slice. */
  async #replay({ slices }: Step): Promise<void> {
    for (const [seq, held] of this.#held.entries()) {
      const end = slices.find((slice) => slice.seq === seq)?.pos ?? held.length;
      await this.#compute(seq, held.slice(0, end));
    }
  }

  async #compute(seq: number, tokens: readonly number[]): Promise<void> {
    for (let pos = 0; pos < tokens.length; pos += this.#maxTokens) {
      await this.#current.submit({
        slices: [{ seq, pos, tokens: tokens.slice(pos, pos + this.#maxTokens) }],
      });
    }
  }

  /** Runs a step on the replacement. If it cannot choose ids as the step wants, they are chosen from logits. */
  async #onReplacement(step: Step): Promise<readonly Result[]> {
    const { chooses } = this.#current;
    const chosen = ({ want }: Slice) => want?.kind === 'top' || want?.kind === 'greedy';
    const able = ({ want }: Slice) => {
      return (want?.kind !== 'top' && want?.kind !== 'greedy') || want.count <= (chooses?.[want.kind] ?? 0);
    };
    if (step.slices.every(able)) return this.#current.submit(step);
    const logits = (slices: readonly Slice[]) =>
      slices.map((slice) => (chosen(slice) ? { ...slice, want: { kind: 'logits' } as const } : slice));
    const count = greedyCount(step);
    let results = await this.#rowsAs(step.slices, logits(step.slices));
    let slices = step.slices;
    for (let i = 1; i < count; i++) {
      slices = slices.map(({ seq, pos, tokens, want }, j) => {
        const { ids } = results[j] as Extract<Result, { kind: 'greedy' }>;
        return { seq, pos: pos + tokens.length, tokens: ids.slice(-1), want };
      });
      const next = await this.#rowsAs(slices, logits(slices));
      results = results.map((result, j) => joinedIds(result, next[j]!));
    }
    return results;
  }

  /** Runs `plain`, and makes the results that `slices` want from its logits. */
  async #rowsAs(slices: readonly Slice[], plain: readonly Slice[]): Promise<Result[]> {
    const results = await this.#current.submit({ slices: plain });
    return results.map((result, i) => {
      const want: Want | undefined = slices[i]!.want;
      return want?.kind === 'top' || want?.kind === 'greedy' ? resultFromRow(want, logitsOf(result)) : result;
    });
  }
}

/** Splits a saved sequence. Throws UserError if it is incomplete. */
function split(saved: Uint8Array): { tokens: number[]; state: Uint8Array } {
  const words = new DataView(saved.buffer, saved.byteOffset, saved.byteLength);
  const count = saved.length < 4 ? 0 : words.getUint32(0, true);
  const end = 4 * (count + 1);
  if (saved.length < 4 || end > saved.length) throw unreadable('it is incomplete');
  return {
    tokens: Array.from({ length: count }, (_, i) => words.getUint32(4 * (i + 1), true)),
    state: saved.subarray(end),
  };
}

function joinedIds(before: Result, next: Result): Result {
  if (before.kind !== 'greedy' || next.kind !== 'greedy') return next;
  return { kind: 'greedy', ids: Int32Array.of(...before.ids, ...next.ids) };
}

/** The chosen ids that the device fed back: all but the last. */
function fedBack(result: Result): number[] {
  return result.kind === 'greedy' ? Array.from(result.ids.subarray(0, -1)) : [];
}

function isDeviceFailure(error: unknown): error is UserError {
  return error instanceof UserError && error.kind === 'device';
}
