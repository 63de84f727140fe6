/**
 * Attached files. A message names them as `@path` or `@"a path"`. They are read when it is sent and appended to its
 * text, each in a fence under its name.
 */
import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { homeDirectory } from '../../core/directories.ts';
import { UserError } from '../../errors.ts';
import { formatBytes } from '../sizes.ts';

export interface Attachment {
  readonly path: string; // as written in the message
  readonly bytes: number;
  readonly lines: number;
}

interface AttachOptions {
  readonly cwd: string;
  readonly limitBytes?: number; // of all files of the message together
}

/** About 64,000 tokens: more than most contexts hold. */
const LIMIT_BYTES = 256_000;

/** Matches at the start of a word only: neither a@b.c nor `x=@y` names a file. */
const MENTIONS = /(?<=^|[\s([{])@(?:"([^"\n]+)"|([^\s"]+))/g;

/** Punctuation that ends a sentence, unless a file with that name exists. */
const CLOSING = /[.,;:!?)\]}']+$/;

/**
 * Appends the files that `text` names. A word that names no file stays text, unless it is meant as a file.
 *
 * @throws UserError if there is no such file, if one cannot be read or is not text, or if the files together exceed the limit.
 */
export async function attachFiles(
  text: string,
  { cwd, limitBytes = LIMIT_BYTES }: AttachOptions,
): Promise<{ content: string; attachments: Attachment[] }> {
  const attachments: Attachment[] = [];
  const parts = [text];
  const seen = new Set<string>();
  let total = 0;
  for (const [, quoted, word] of text.matchAll(MENTIONS)) {
    const named = await existing(quoted === undefined ? spellings(word!) : [quoted], cwd);
    if (!named) requireWord(quoted, word);
    if (!named || seen.has(named.location)) continue;
    seen.add(named.location);
    total += named.stats.size;
    requireFile(named);
    requireRoom(named.path, total, limitBytes);
    const bytes = await contentOf(named);
    total += bytes.length - named.stats.size;
    requireRoom(named.path, total, limitBytes);
    const content = decoded(bytes, named.path);
    const lines = content.split('\n').length - (content === '' || content.endsWith('\n') ? 1 : 0);
    attachments.push({ path: named.path, bytes: bytes.length, lines });
    parts.push(fenced(named.path, content));
  }
  return { content: parts.join('\n\n'), attachments };
}

/** How a message names `path`, with quotes if needed; undefined if no mention can express it. */
export function mentionOf(path: string): string | undefined {
  if (/["\p{Cc}]/u.test(path)) return undefined;
  return /\s/.test(path) || CLOSING.test(path) ? `@"${path}"` : `@${path}`;
}

/** The absolute path of a file named in a message. */
export function locationOf(path: string, cwd: string): string {
  return path.startsWith('~/') ? join(homeDirectory(), path.slice(2)) : resolve(cwd, path);
}

interface Named {
  readonly path: string;
  readonly location: string;
  readonly stats: Stats;
}

/** The word itself first, then the word without closing punctuation. */
function spellings(word: string): string[] {
  const bare = word.replace(CLOSING, '');
  return bare === word ? [word] : [word, bare];
}

async function existing(paths: readonly string[], cwd: string): Promise<Named | undefined> {
  for (const path of paths) {
    if (!/[\p{L}\p{N}]/u.test(path)) continue; // punctuation only
    const location = locationOf(path, cwd);
    try {
      return { path, location, stats: await stat(location) };
    } catch (cause) {
      const { code = '' } = cause as NodeJS.ErrnoException;
      if (!['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(code)) throw unreadable(path, cause);
    }
  }
  return undefined;
}

/** Names of files end so; decorators, hosts and handles such as `@pytest.fixture` and `@alice@example.social` do not. */
const EXTENSIONS =
  'bash|bat|bib|c|cc|cfg|cjs|conf|cpp|cs|css|csv|diff|docx?|env|go|gz|h|hpp|html?|ini|ipynb|java|jpe?g|jsx?|jsonl?|kt|log|' +
  'lua|md|mdx|mjs|nix|odt|patch|pdf|php|pl|png|ps1|py|r|rb|rs|rst|sh|sql|srt|svg|swift|tar|tex|toml|tsv|tsx?|txt|vue|xlsx?|' +
  'xml|ya?ml|zig|zip|zsh';

/** Meant as a file: from a known folder on, or with a known extension. `@alice` and `@scope/package` are words. */
const PATHS = new RegExp(`^(?:~|\\.{1,2})?/|\\w\\.(?:${EXTENSIONS})$`, 'i');

/** Throws UserError for a name of no file that is meant as one. */
function requireWord(quoted: string | undefined, word = ''): void {
  const path = quoted ?? word.replace(CLOSING, '');
  if (quoted === undefined && !PATHS.test(path)) return;
  throw new UserError(`There is no file @${path}.`, 'Check its name, or write the word without @.');
}

function requireFile({ path, stats }: Named): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory() ? 'a folder' : 'not a regular file';
  throw new UserError(`@${path} is not a file but ${kind}.`, 'Name each file, or write the word without @.');
}

function requireRoom(path: string, total: number, limitBytes: number): void {
  if (total <= limitBytes) return;
  throw new UserError(
    `The attached files are too large: ${formatBytes(total)} with @${path}, the limit is ${formatBytes(limitBytes)}.`,
    'Attach fewer files, or copy the part that matters into the message.',
  );
}

async function contentOf({ path, location }: Named): Promise<Uint8Array> {
  try {
    return await readFile(location);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): UserError {
  return new UserError(
    `Reading @${path} failed: ${(cause as Error).message}`,
    'Give yourself permission to read the file, or write the word without @.',
    { cause },
  );
}

function decoded(bytes: Uint8Array, path: string): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch {
    // Reported below, as binary files are.
  }
  throw new UserError(
    `@${path} is not UTF-8 text: it is binary or has another encoding.`,
    'Convert it to UTF-8, or write the word without @.',
  );
}

/** Uses a fence longer than any run of backticks in the file. */
function fenced(path: string, content: string): string {
  const longest = Math.max(2, ...Array.from(content.matchAll(/`+/g), ([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const language = /^\.\w+$/.test(extname(path)) ? extname(path).slice(1) : '';
  const newline = content === '' || content.endsWith('\n') ? '' : '\n';
  return `${path}:\n${fence}${language}\n${content}${newline}${fence}`;
}
