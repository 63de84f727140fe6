/**
 * Keeps the states of long prompts on disk, so that the next process reads a prefix it shares instead of computing it.
 *
 * A file (prompt-file.ts) is the state of one sequence of one session: its name tells the model, the first tokens and the
 * session. It appears under its name as a whole, so any number of processes may read and write. All files together are
 * bounded; the least recently used go first.
 */
import { createHash } from 'node:crypto';
import { readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../backends/make-folder.ts';
import { directories } from './directories.ts';
import type { Model } from './model.ts';
import { readSequence, tokensIn, writeSequence } from './prompt-file.ts';
import { commonPrefix, type Sequence } from './sequence.ts';
import { LONG_PROMPT, type StoredPrompts } from './sequence-pool.ts';
import { perceptVersion } from './version.ts';

export interface PromptCacheOptions {
  readonly folder: string;
  /** Of all files together, in bytes. Default: 1 GB. */
  readonly bound?: number;
  /** Shorter prompts are not stored, in tokens. Default: LONG_PROMPT. */
  readonly least?: number;
}

/** Prompts are told apart by as many first tokens before their files are read. */
const HEAD_TOKENS = 16;

const BOUND = 1e9;
const HOUR_MS = 3_600_000;

export class PromptCache implements StoredPrompts {
  readonly #folder: string;
  readonly #bound: number;
  readonly #least: number;
  readonly #worthwhile: number; // tokens; to restore or to save fewer is not worth a file
  readonly #key: string | undefined; // undefined: nothing is stored of this model

  constructor(
    { stateKey }: Pick<Model, 'stateKey'>,
    { folder, bound = BOUND, least = LONG_PROMPT }: PromptCacheOptions,
  ) {
    this.#folder = folder;
    this.#bound = bound;
    this.#least = least;
    this.#worthwhile = least / 2;
    this.#key = stateKey === undefined ? undefined : digest(`${perceptVersion()} ${stateKey}`);
  }

  /**
   * Restores the longest stored prefix of `ids`, if it is longer by enough tokens than what the sequence holds. Returns how
   * many tokens were restored. Never throws: what cannot be read is computed.
   */
  async restore(sequence: Sequence, ids: readonly number[]): Promise<number> {
    const held = sequence.keepable(commonPrefix(sequence.tokens, ids));
    let best: { path: string; length: number } | undefined;
    for (const path of this.#candidates(ids, held)) {
      const length = usable(tokensIn(path) ?? [], ids, sequence);
      if (length >= held + this.#worthwhile && length > (best?.length ?? 0)) best = { path, length };
    }
    return best ? restoreFrom(best.path, sequence, ids) : 0;
  }

  /**
   * Stores what the sequence holds for `session`, in place of what was stored for it. Never throws: a cache that cannot
   * be written costs time only.
   * @param computed tokens that were not restored
   */
  async save(sequence: Sequence, session: string, computed: number): Promise<void> {
    if (!this.#key || sequence.tokens.length < this.#least || computed < this.#worthwhile) return;
    try {
      const saved = await sequence.save();
      if (!saved || saved.state.length > this.#bound / 2) return;
      makeFolder(this.#folder, 0o700);
      forgetSession(this.#folder, session);
      writeSequence(join(this.#folder, this.#name(saved.tokens, session)), saved);
      this.#evict();
    } catch {
      // such as a disk that is full
    }
  }

  #name(ids: readonly number[], session: string): string {
    return `${this.#key}-${digest(Int32Array.from(ids.slice(0, HEAD_TOKENS)))}-${session}.kv`;
  }

  #candidates(ids: readonly number[], held: number): string[] {
    if (!this.#key || ids.length < Math.max(this.#least, held + this.#worthwhile)) return [];
    const beginning = this.#name(ids, '').replace(/\.kv$/, '');
    return filesIn(this.#folder)
      .filter((name) => name.startsWith(beginning) && name.endsWith('.kv'))
      .map((name) => join(this.#folder, name));
  }

  /** Removes the least recently used files beyond the bound, and what dead processes left. */
  #evict(): void {
    const files = filesIn(this.#folder).flatMap((name) => {
      const path = join(this.#folder, name);
      const stats = statSync(path, { throwIfNoEntry: false });
      return stats ? [{ path, size: stats.size, usedAt: stats.mtimeMs }] : [];
    });
    let total = 0;
    for (const { path, size, usedAt } of files.sort((a, b) => b.usedAt - a.usedAt)) {
      const isLeft = !path.endsWith('.kv') && usedAt < Date.now() - HOUR_MS;
      if (!isLeft) total += size;
      if (isLeft || total > this.#bound) rmSync(path, { force: true });
    }
  }
}

/** Where percept keeps them. */
export function promptFolder(): string {
  return join(directories().cache, 'prompts');
}

/** Removes what is stored of a session. Throws the system's error if a file cannot be removed. */
export function forgetSession(folder: string, session: string): void {
  for (const name of filesIn(folder)) {
    if (name.includes(`-${session}.kv`)) rmSync(join(folder, name), { force: true });
  }
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // as a rule there is none
  }
}

/** How many of the stored tokens a prompt shares, as far as the sequence can hold and keep them. */
function usable(stored: ArrayLike<number>, ids: readonly number[], { model }: Sequence): number {
  if (stored.length > model.contextLength) return 0;
  const shared = commonPrefix(stored, ids);
  return model.recurrent && shared < stored.length ? 0 : shared; // a recurrent state cannot go back
}

/** Removes the file if it is damaged; otherwise a failure leaves it for those that can use it. */
async function restoreFrom(path: string, sequence: Sequence, ids: readonly number[]): Promise<number> {
  try {
    const saved = readSequence(path);
    if (!saved) {
      rmSync(path, { force: true });
      return 0;
    }
    await sequence.restore(saved);
    sequence.trim(usable(saved.tokens, ids, sequence));
  } catch {
    return 0; // the sequence is empty, or the disk did not let us read
  }
  try {
    utimesSync(path, new Date(), new Date()); // used last
  } catch {
    // a disk that is mounted read-only
  }
  return sequence.tokens.length;
}

function digest(content: string | NodeJS.ArrayBufferView): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
