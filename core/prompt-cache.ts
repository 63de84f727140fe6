/**
 * Keeps the states of long prompts on disk, so that the next process reads a prefix it shares instead of computing it.
 *
 * A file is the state of one sequence of one session: its name tells the model file, the first tokens and the session. It
 * appears under its name as a whole, so any number of processes may read and write. All files together are bounded;
 * the least recently used go first. Only the CPU's layout is stored: other backends compute again.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { makeFolder } from '../backends/make-folder.ts';
import { UserError } from '../errors.ts';
import { directories } from './directories.ts';
import type { Model } from './model.ts';
import { commonPrefix, LONG_PROMPT, type Sequence } from './sequence.ts';
import { perceptVersion } from './version.ts';

export interface PromptCacheOptions {
  readonly folder: string;
  /** Of all files together, in bytes. Default: 1 GB. */
  readonly bound?: number;
  /** Shorter prompts are computed: nobody notices the time. Half as many new tokens are worth a file. Default: LONG_PROMPT. */
  readonly least?: number; // tokens
}

/** Prompts are told apart by as many first tokens before their files are read. */
const HEAD_TOKENS = 16;

const BOUND = 1e9;
const MAGIC = 0x564b4350; // "PCKV"
const HEADER = 3; // u32 words: magic, crc32 of everything behind the header, number of tokens
const HOUR_MS = 3_600_000;

export class PromptCache {
  readonly #folder: string;
  readonly #bound: number;
  readonly #least: number;
  readonly #key: string | undefined;

  constructor(
    model: Pick<Model, 'backend' | 'graph' | 'path' | 'kvType'>,
    { folder, bound = BOUND, least = LONG_PROMPT }: PromptCacheOptions,
  ) {
    this.#folder = folder;
    this.#bound = bound;
    this.#least = least;
    this.#key = model.backend.name === 'cpu' ? keyOf(model) : undefined;
  }

  /**
   * Restores the longest stored prefix of `ids`, if it is longer by more than a few tokens than what the sequence holds.
   * Returns how many tokens were restored. Never throws: what cannot be read is computed.
   */
  async restore(sequence: Sequence, ids: readonly number[]): Promise<number> {
    const held = sequence.keepable(commonPrefix(sequence.tokens, ids));
    let best: { path: string; length: number } | undefined;
    for (const path of this.#candidates(ids, held)) {
      const tokens = tokensIn(path);
      const shared = tokens ? commonPrefix(tokens, ids) : 0;
      const length = sequence.model.recurrent && shared < tokens!.length ? 0 : shared;
      if (length >= held + this.#least / 2 && length > (best?.length ?? 0)) best = { path, length };
    }
    return best ? restoreFrom(best.path, sequence, best.length) : 0;
  }

  /**
   * Stores what the sequence holds for `session`, in place of what was stored for it. Never throws: a cache that cannot
   * be written costs time only.
   * @param computed tokens that were not restored
   */
  async save(sequence: Sequence, session: string, computed: number): Promise<void> {
    const { tokens } = sequence;
    if (!this.#key || tokens.length < this.#least || computed < this.#least / 2) return;
    const saved = await sequence.save();
    if (!saved || saved.state.length > this.#bound / 2) return;
    try {
      makeFolder(this.#folder, 0o700);
      forgetSession(this.#folder, session);
      writeParts(join(this.#folder, this.#name(tokens, session)), [Int32Array.from(tokens), saved.state]);
      this.#evict();
    } catch {
      // such as a disk that is full
    }
  }

  #name(ids: readonly number[], session: string): string {
    const head = createHash('sha256').update(Int32Array.from(ids.slice(0, HEAD_TOKENS)));
    return `${this.#key}-${head.digest('hex').slice(0, 16)}-${session}.kv`;
  }

  #candidates(ids: readonly number[], held: number): string[] {
    if (!this.#key || ids.length < Math.max(this.#least, held + this.#least / 2)) return [];
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

/** Removes what is stored of a session. */
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

/** Changes with percept's version, the type of the KV cache and the model's files, also if they are replaced by others of the same size. */
function keyOf({ graph, path, kvType }: Pick<Model, 'graph' | 'path' | 'kvType'>): string {
  const hash = createHash('sha256').update(`${perceptVersion()} ${kvType}`);
  for (const file of new Set([path, ...graph.tensors.map(({ part }) => part ?? path)])) {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    hash.update([file, dev, ino, size, mtimeNs, ctimeNs].join(' '));
  }
  return hash.digest('hex').slice(0, 16);
}

/** The tokens of a stored sequence; undefined for other files. They are checked again when all is read. */
function tokensIn(path: string): Int32Array | undefined {
  try {
    const file = openSync(path, 'r');
    try {
      const [magic, , count = 0] = wordsAt(file, 0, HEADER);
      if (magic !== MAGIC || count > statSync(path).size / 4) return undefined;
      return Int32Array.from(wordsAt(file, HEADER, count));
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined; // such as one that has just been evicted
  }
}

function wordsAt(file: number, word: number, count: number): Uint32Array {
  const words = new Uint32Array(count);
  readSync(file, words, 0, words.byteLength, 4 * word);
  return words;
}

/** Leaves the sequence empty if the file is damaged, and removes the file then. Returns how many tokens it restored. */
async function restoreFrom(path: string, sequence: Sequence, length: number): Promise<number> {
  try {
    const bytes = readFileSync(path);
    const [magic, sum, count = 0] = new Uint32Array(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 4 * HEADER),
    );
    const body = bytes.subarray(4 * HEADER);
    if (magic !== MAGIC || crc32(body) !== sum)
      throw new UserError(`${path} is damaged.`, 'It is made again.');
    const tokens = Array.from(
      new Int32Array(body.buffer.slice(body.byteOffset, body.byteOffset + 4 * count)),
    );
    await sequence.restore({ tokens, state: body.subarray(4 * count) });
    sequence.trim(length);
    utimesSync(path, new Date(), new Date());
    return sequence.tokens.length;
  } catch {
    rmSync(path, { force: true });
    return 0;
  }
}

function writeParts(path: string, parts: readonly ArrayBufferView[]): void {
  const views = parts.map(
    ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
  );
  const sum = views.reduce((crc, view) => crc32(view, crc), 0);
  const partial = `${path}.${process.pid}`;
  try {
    const file = openSync(partial, 'wx', 0o600);
    try {
      for (const view of [
        new Uint8Array(Uint32Array.of(MAGIC, sum, views[0]!.length / 4).buffer),
        ...views,
      ]) {
        for (let at = 0; at < view.length; ) at += writeSync(file, view, at);
      }
    } finally {
      closeSync(file);
    }
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
