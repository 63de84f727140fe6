/** Reads stdin and files. `-` as a file name is stdin. */
import { readFile } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { decodeText } from './decode-text.ts';

/** All of stdin as text. */
export async function readStdin(): Promise<string> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk);
    return decodeText(Buffer.concat(chunks));
  } catch (cause) {
    throw unreadable('stdin', cause);
  }
}

/** @throws UserError for a file that cannot be read */
export async function readText(path: string): Promise<string> {
  if (path === '-') return readStdin();
  try {
    return decodeText(await readFile(path));
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/**
 * Reads a file that contains a JSON array.
 * @param items what the array contains, for the error
 */
export async function readJsonArray<T>(path: string, items: string): Promise<readonly T[]> {
  const text = await readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text, withFloats);
  } catch (cause) {
    throw wrongJson(path, items, (cause as Error).message, cause);
  }
  if (Array.isArray(value)) return value;
  throw wrongJson(path, items, value === null ? 'null' : `a JSON ${typeof value}`);
}

/** Keeps 1.0 apart from 1, because templates print both: as an object. */
function withFloats(_key: string, value: unknown, context?: { source?: string }): unknown {
  return Number.isInteger(value) && /[.eE]/.test(context?.source ?? '') ? Object(value) : value;
}

/** Parses token ids that are separated by commas, spaces or lines, with or without the brackets of a JSON array. */
export function parseIds(text: string): number[] {
  const words = text.replace(/^\s*\[|\]\s*$/g, '').split(/[\s,]+/);
  return words.filter((word) => word !== '').map(parseId);
}

function parseId(word: string): number {
  if (/^\d+$/.test(word) && Number.isSafeInteger(Number(word))) return Number(word);
  throw new UserError(
    `Expected token ids separated by commas or spaces, got "${word}".`,
    'Token ids look like this: 1,2,3. percept tokenize TEXT prints them.',
    { kind: 'usage' },
  );
}

function unreadable(path: string, cause: unknown): UserError {
  return new UserError(`Reading ${path} failed: ${(cause as Error).message}.`, 'Check the path.', {
    kind: 'usage',
    cause,
  });
}

function wrongJson(path: string, items: string, got: string, cause?: unknown): UserError {
  return new UserError(`Expected a JSON array of ${items} in ${path}, got ${got}.`, 'Check the file.', {
    kind: 'usage',
    cause,
  });
}
