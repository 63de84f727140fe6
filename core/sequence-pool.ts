/**
 * The sequences of a model as a cache of branches. A prompt gets the sequence that caches its longest prefix. If that
 * would overwrite tokens of another branch, the shared prefix is copied to the least recently used sequence, so that
 * returning to the other branch computes nothing. A recurrent model shares a branch as a whole or computes anew.
 */
import { commonPrefix, Sequence, type SequenceModel } from './sequence.ts';

/** From as many tokens on the time to compute a prompt is noticed, so that its states are worth storing. */
export const LONG_PROMPT = 512;

/** What other processes have stored of prompts (prompt-cache.ts). Nothing here throws. */
export interface StoredPrompts {
  restore(sequence: Sequence, ids: readonly number[]): Promise<number>;
  save(sequence: Sequence, session: string, computed: number): Promise<void>;
}

/** Recomputing this many tokens is cheaper than using another sequence. */
const FEW_TOKENS = 16;

export class SequencePool {
  /** The most recently used first. */
  readonly #sequences: Sequence[];
  readonly #stored: (() => Promise<StoredPrompts>) | undefined;
  #opened: Promise<StoredPrompts> | undefined;
  /** How many tokens of a sequence were restored, and not computed. */
  readonly #restored = new WeakMap<Sequence, number>();

  /** @param stored called once, for the first long prompt */
  constructor(model: SequenceModel, stored?: () => Promise<StoredPrompts>) {
    this.#stored = stored;
    this.#sequences = Array.from({ length: model.sequences }, (_, seq) => new Sequence(model, seq));
  }

  /** The sequence to evaluate `ids` in. The caller owns it until the next call. */
  async sequenceFor(ids: readonly number[]): Promise<Sequence> {
    const sequence = await this.#sequenceFor(ids);
    const kept = Math.min(this.#restored.get(sequence) ?? 0, commonPrefix(sequence.tokens, ids));
    const restored = ids.length < LONG_PROMPT ? 0 : await (await this.#prompts())?.restore(sequence, ids);
    this.#restored.set(sequence, restored || kept);
    return sequence;
  }

  /** Stores the sequence used last for `session`. */
  async store(session: string): Promise<void> {
    const [latest] = this.#sequences;
    if (!latest || latest.tokens.length < LONG_PROMPT) return;
    const computed = latest.tokens.length - (this.#restored.get(latest) ?? 0);
    await (await this.#prompts())?.save(latest, session, computed);
  }

  async #prompts(): Promise<StoredPrompts | undefined> {
    this.#opened ??= this.#stored?.();
    return this.#opened;
  }

  async #sequenceFor(ids: readonly number[]): Promise<Sequence> {
    const shared = new Map(
      this.#sequences.map((sequence) => [sequence, sequence.keepable(commonPrefix(sequence.tokens, ids))]),
    );
    const best = this.#sequences.reduce((a, b) => (shared.get(b)! > shared.get(a)! ? b : a));
    const kept = shared.get(best)!;
    const lost = best.tokens.length - kept;
    if (lost <= FEW_TOKENS || this.#sequences.length === 1) return this.#use(best);
    const spare = this.#sequences.findLast((sequence) => sequence !== best)!;
    if (kept === 0) return this.#use(spare);
    const fork = await best.fork(spare.seq, kept);
    this.#restored.set(fork, Math.min(this.#restored.get(best) ?? 0, kept));
    this.#sequences.splice(this.#sequences.indexOf(spare), 1, fork);
    return this.#use(fork);
  }

  #use(sequence: Sequence): Sequence {
    this.#sequences.splice(this.#sequences.indexOf(sequence), 1);
    this.#sequences.unshift(sequence);
    return sequence;
  }
}
