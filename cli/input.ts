/** Reads stdin and files, in pieces and up to a bound, because either may have no end. `-` as a file name is stdin. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { UserError } from '../errors.ts';
import { decodedText, hasZeros } from './decode-text.ts';
import type { Output } from './output.ts';
import { chooseStdin, type StdinRequest, stdinKind } from './stdin.ts';

/** Some four million tokens: more than contexts hold. Tokenizing takes up to a hundred times the bytes of a text. */
const MOST_MEGABYTES = 16;

const LISTEN_MS = 1000; // a program that starts percept for its text has written some by then
const WAIT_MS = 2000;

/** All of stdin as text. */
export async function readStdin(): Promise<string> {
  try {
    return await readAll(openedStdin(), 'stdin');
  } catch (cause) {
    throw unreadable('stdin', cause);
  }
}

/** Throws where Node would give an empty stream: for a folder, and for a stdin that has been read. */
function openedStdin(): NodeJS.ReadStream {
  if (process.stdin.readableEnded) {
    throw new UserError('stdin is asked for twice.', 'It can be read once: give a file instead.', {
      kind: 'usage',
    });
  }
  if (stdinKind() === 'folder') throw Object.assign(new Error('stdin is a folder'), { code: 'EISDIR' });
  return process.stdin;
}

/** The part of stdin that belongs to the prompt: cli/stdin.ts has the rule. */
export async function readStdinFor(
  asked: StdinRequest,
  output: Pick<Output, 'note' | 'detail'>,
): Promise<string> {
  const kind = stdinKind();
  const isOpenQuestion = asked.wanted === 'if there' && kind !== 'terminal' && kind !== 'device';
  const surroundings = isOpenQuestion ? await import('./stdin-surroundings.ts') : undefined;
  const choice = chooseStdin(asked, kind, surroundings?.sharingShells() ?? []);
  if (choice === 'leave') return '';
  const hint = asked.hasPrompt ? '; to go without it: --no-stdin' : '';
  const timer = setTimeout(() => output.note(`Waiting for the end of stdin${hint}.`), WAIT_MS);
  try {
    const stdin = choice === 'read' ? openedStdin() : await begun(process.stdin);
    if (stdin) return await readAll(stdin, 'stdin');
    if (kind === 'pipe' && surroundings?.stdinIsShellsPipe()) return await readAll(process.stdin, 'stdin');
    output.note('stdin is open, but nothing comes: answering without it. To wait for it: percept - "..."');
    return '';
  } catch (cause) {
    const isOptional = asked.wanted === 'if there' && asked.hasPrompt;
    if (!isOptional || cause instanceof UserError) throw unreadable('stdin', cause);
    output.detail(`stdin is left out: ${(cause as Error).message}`);
    return '';
  } finally {
    clearTimeout(timer);
  }
}

/** The stream, as soon as something comes, its end or an error included. Undefined if it stays silent. */
async function begun(stream: NodeJS.ReadStream): Promise<NodeJS.ReadStream | undefined> {
  const silence = new AbortController();
  const signs = ['readable', 'end', 'close', 'error'].map((name) =>
    once(stream, name, { signal: silence.signal }),
  );
  const timer = setTimeout(() => silence.abort(), LISTEN_MS);
  const isBegun = await Promise.race(signs).then(
    () => true,
    () => !silence.signal.aborted, // an error, which reading reports
  );
  clearTimeout(timer);
  silence.abort();
  return isBegun ? stream : undefined;
}

/** @throws UserError for a file that cannot be read */
export async function readText(path: string): Promise<string> {
  if (path === '-') return readStdin();
  return readAll(createReadStream(path), path).catch((cause) => {
    throw unreadable(path, cause);
  });
}

/** @throws UserError for more bytes than the bound, and for bytes that are no text */
async function readAll(stream: AsyncIterable<Buffer>, name: string): Promise<string> {
  const chunks: Buffer[] = [];
  let left = MOST_MEGABYTES * 2 ** 20;
  for await (const chunk of stream) {
    if (hasZeros(chunk, chunks[0])) throw binary(name);
    left -= chunk.length;
    if (left < 0) throw tooLong(name);
    chunks.push(chunk);
  }
  const text = decodedText(Buffer.concat(chunks));
  if (text === undefined) throw binary(name);
  return text;
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

/** Errors of the system in the words of a user. */
const FILE_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'you may not read it',
};
const STDIN_FAILURES: Readonly<Record<string, string>> = {
  EBADF: 'it is not open for reading',
  EISDIR: 'it is a folder',
  EIO: 'its terminal is gone, or belongs to another job',
};

function unreadable(path: string, cause: unknown): UserError {
  if (cause instanceof UserError) return cause;
  const { message, code = '' } = cause as NodeJS.ErrnoException;
  const isStdin = path === 'stdin';
  return new UserError(
    `Reading ${path} failed: ${(isStdin ? STDIN_FAILURES : FILE_FAILURES)[code] ?? message}.`,
    isStdin ? 'Give it a file or a pipe: percept - < prompt.txt' : 'Check the path.',
    { kind: 'usage', cause },
  );
}

function tooLong(name: string): UserError {
  return new UserError(
    `${name} is too long: it has more than ${MOST_MEGABYTES} MB, the most that is read as text.`,
    'Give the part that matters, such as the first megabyte: head -c 1M FILE',
    { kind: 'usage' },
  );
}

function binary(name: string): UserError {
  return new UserError(
    `${name} is not UTF-8 text: it is binary or has another encoding.`,
    'Convert it to UTF-8, for example with iconv.',
    { kind: 'usage' },
  );
}

function wrongJson(path: string, items: string, got: string, cause?: unknown): UserError {
  return new UserError(`Expected a JSON array of ${items} in ${path}, got ${got}.`, 'Check the file.', {
    kind: 'usage',
    cause,
  });
}
