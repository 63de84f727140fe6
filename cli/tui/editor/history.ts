/**
 * The prompts of earlier sessions: a file of JSON lines, the latest last. Two processes may append to it at once;
 * each sees what the other wrote when it starts again.
 */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { UserError } from '../../../errors.ts';

/** Entries that a rewritten file keeps, and how many make rewriting worth its while. */
const KEPT = 1000;
const REWRITTEN_ABOVE = 1250;

/** A longer prompt is remembered in this session only: the file is read whole at every start. */
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
   * The history kept in `path`, which need not exist yet; without a path it is that of this session.
   *
   * @throws UserError when the file is there and cannot be read.
   */
  static open(path?: string): PromptHistory {
    if (path === undefined) return new PromptHistory(undefined, []);
    try {
      return new PromptHistory(path, loaded(path));
    } catch (cause) {
      throw new UserError(
        `Expected to read the prompt history in ${path}; it failed: ${(cause as Error).message}`,
        'Make the file readable for you, or move it away.',
        { cause },
      );
    }
  }

  /** Oldest first; neighbours differ. */
  get entries(): readonly string[] {
    return this.#entries;
  }

  /**
   * Adds what was sent, but not twice in a row.
   *
   * @throws UserError when it cannot be written; the entry is there for this session all the same.
   */
  add(text: string): void {
    if (text.trim() === '' || text === this.#entries.at(-1)) return;
    this.#entries = [...this.#entries, text];
    if (this.#path === undefined || text.length > LONGEST) return;
    try {
      append(this.#path, text);
    } catch (cause) {
      throw new UserError(
        `Expected to write the prompt history to ${this.#path}; it failed: ${(cause as Error).message}`,
        'Make its folder writable; until then prompts are remembered in this session only.',
        { cause },
      );
    }
  }
}

/** Where one stands in the history, and what one was writing before. */
export interface Walk<Draft> {
  readonly index: number; // the entry that is shown
  readonly draft: Draft;
}

/** One entry further back; undefined where there is none. */
export function older<Draft>(
  entries: readonly string[],
  walk: Walk<Draft> | undefined,
  draft: Draft,
): Walk<Draft> | undefined {
  const index = (walk?.index ?? entries.length) - 1;
  return index < 0 ? undefined : { index, draft: walk ? walk.draft : draft };
}

/** One entry forth; undefined where the draft comes next. */
export function newer<Draft>(entries: readonly string[], walk: Walk<Draft>): Walk<Draft> | undefined {
  const index = walk.index + 1;
  return index < entries.length ? { ...walk, index } : undefined;
}

/** One write in append mode, so that lines of two processes never mix; a damaged last line is closed first. */
function append(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
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
  const next = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(next, entries.map(lineOf).join(''), { mode: OWNER_ONLY });
    if (statSync(path).size === size) renameSync(next, path);
    else rmSync(next);
  } catch {
    // It stays longer than it need be.
  }
}

function lineOf(text: string): string {
  return `${JSON.stringify({ at: new Date().toISOString(), text })}\n`;
}

/** The text of a line, or nothing where the line is damaged. */
function entryOf(line: string): string[] {
  try {
    const { text } = JSON.parse(line);
    return typeof text === 'string' ? [text] : [];
  } catch {
    return [];
  }
}
