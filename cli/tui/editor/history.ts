/**
 * The prompts of earlier sessions: a file of JSON lines, the latest last. Several processes may append to it at once;
 * each sees the others' prompts after a restart.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder } from '../../../backends/make-folder.ts';
import { replaceFile } from '../../../backends/whole-file.ts';
import { UserError } from '../../../errors.ts';

/** Entries kept in a rewritten file, and the number above which it is rewritten. */
const KEPT = 1000;
const REWRITTEN_ABOVE = 1250;

/** A longer prompt is kept in memory only, because every start reads the whole file. */
const LONGEST = 64 * 1024; // UTF-16 units

const OWNER_ONLY = 0o600;

export class PromptHistory {
  readonly #path: string | undefined;
  #entries: string[];

  private constructor(path: string | undefined, entries: string[]) {
    this.#path = path;
    this.#entries = entries;
  }

  /**
   * Reads the history in `path`, which need not exist. Without a path, the history is kept in memory only.
   *
   * @throws UserError if the file exists but cannot be read.
   */
  static open(path?: string): PromptHistory {
    if (path === undefined) return new PromptHistory(undefined, []);
    try {
      return new PromptHistory(path, loaded(path));
    } catch (cause) {
      throw new UserError(
        `Reading the prompt history ${path} failed: ${(cause as Error).message}`,
        'Give yourself permission to read the file, or move it away.',
        { cause },
      );
    }
  }

  /** Oldest first; no two neighbours are equal. */
  get entries(): readonly string[] {
    return this.#entries;
  }

  /**
   * Adds a prompt, unless it equals the last one.
   *
   * @throws UserError if the file cannot be written. The entry is then kept in memory.
   */
  add(text: string): void {
    if (text.trim() === '' || text === this.#entries.at(-1)) return;
    this.#entries = [...this.#entries, text];
    if (this.#path === undefined || text.length > LONGEST) return;
    try {
      append(this.#path, text);
    } catch (cause) {
      throw new UserError(
        `Writing the prompt history ${this.#path} failed: ${(cause as Error).message}`,
        'Make its folder writable. Until then, prompts are kept in memory only.',
        { cause },
      );
    }
  }
}

/** The position in the history, and the text that was being edited before. */
export interface Walk<Draft> {
  readonly index: number; // of the shown entry
  readonly draft: Draft;
}

/** Moves to the next older entry; undefined if there is none. */
export function older<Draft>(
  entries: readonly string[],
  walk: Walk<Draft> | undefined,
  draft: Draft,
): Walk<Draft> | undefined {
  const index = (walk?.index ?? entries.length) - 1;
  return index < 0 ? undefined : { index, draft: walk ? walk.draft : draft };
}

/** Moves to the next newer entry; undefined if the draft comes next. */
export function newer<Draft>(entries: readonly string[], walk: Walk<Draft>): Walk<Draft> | undefined {
  const index = walk.index + 1;
  return index < entries.length ? { ...walk, index } : undefined;
}

/** Appends with a single write, so that lines of two processes never mix. An incomplete last line is ended first. */
function append(path: string, text: string): void {
  makeFolder(dirname(path), 0o700);
  const file = openSync(path, 'a+', OWNER_ONLY);
  try {
    const { size } = fstatSync(file);
    const last = new Uint8Array(1);
    if (size > 0) readSync(file, last, 0, 1, size - 1);
    const isOpen = size > 0 && last[0] !== 0x0a;
    writeSync(file, `${isOpen ? '\n' : ''}${lineOf(text)}`);
  } finally {
    closeSync(file);
  }
}

function loaded(path: string): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const all = bytes.toString().split('\n').flatMap(entryOf);
  const entries = all.filter((text, i) => text !== all[i - 1]);
  if (all.length <= REWRITTEN_ABOVE) return entries;
  const kept = entries.slice(-KEPT);
  rewrite(path, kept, bytes.length);
  return kept;
}

/** Replaces the file as a whole, unless another process has appended since it had `size` bytes. */
function rewrite(path: string, entries: readonly string[], size: number): void {
  try {
    replaceFile(path, entries.map(lineOf).join(''), { mode: OWNER_ONLY, size });
  } catch {
    // The file stays longer than necessary.
  }
}

function lineOf(text: string): string {
  return `${JSON.stringify({ at: new Date().toISOString(), text })}\n`;
}

/** The text of a line; nothing if the line is damaged. */
function entryOf(line: string): string[] {
  try {
    const { text } = JSON.parse(line);
    return typeof text === 'string' ? [text] : [];
  } catch {
    return [];
  }
}
