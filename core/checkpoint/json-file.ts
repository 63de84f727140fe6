/** Reads JSON files of a checkpoint's folder. */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { UserError } from '../../errors.ts';
import { isObject } from './config.ts';

/** The largest real tokenizer.json, of 262,144 tokens, has 33 MB. */
const MOST_BYTES = 256 * 1024 * 1024;

/** The object in a file, or undefined if there is no such file. Throws UserError for anything else. */
export async function readJson(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  const value = parsed(path, text);
  if (isObject(value)) return value;
  throw unexpected(path, 'an object', value);
}

/** The list in a file, empty if there is no such file. Throws UserError for anything else. */
export async function readList(path: string): Promise<readonly unknown[]> {
  const text = await readText(path);
  if (text === undefined) return [];
  const value = parsed(path, text);
  if (Array.isArray(value)) return value;
  throw unexpected(path, 'a list', value);
}

function unexpected(path: string, expected: string, value: unknown): UserError {
  const got = Array.isArray(value) ? 'a list' : isObject(value) ? 'an object' : typeof value;
  return new UserError(`Expected ${expected} in ${path}, got ${got}.`, DAMAGED);
}

/** The text of a file, or undefined if there is no such file. */
export async function readText(path: string, most = MOST_BYTES): Promise<string | undefined> {
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return undefined;
    throw new UserError(`Cannot read ${path}: ${cause.message}.`, 'Check its permissions.', { cause });
  });
  if (!file) return undefined;
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new UserError(`${path} is not a regular file.`, DAMAGED);
    if (facts.size > most) {
      throw new UserError(
        `Expected ${basename(path)} to have at most ${most} bytes, got ${facts.size}.`,
        DAMAGED,
      );
    }
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** Other programs write Infinity and NaN as numbers, which JSON does not have. */
function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(text.replace(/([[,:]\s*)-?(?:Infinity|NaN)(?=\s*[\],}])/g, '$1null'));
    } catch (cause) {
      throw new UserError(
        `Expected JSON in ${path}: ${cause instanceof Error ? cause.message : cause}.`,
        DAMAGED,
        { cause },
      );
    }
  }
}

const DAMAGED = 'The checkpoint is damaged: get it again.';
