/**
 * Files named in a message, as `@path` or `@"a path"`. They are read when it is sent and appended to its text. A folder
 * stands for its text files.
 */

import { UserError } from '../../errors.ts';
import { AttachedFiles, type Attachment, type AttachOptions } from './attached-files.ts';
import { type Named, type Naming, namedFile } from './named-file.ts';

/** Matches at the start of a word only: neither a@b.c nor `x=@y` names a file. */
const MENTIONS = /(?<=^|[\s([{])@(?:"([^"\n]+)"|([^\s"]+))/g;

/** Punctuation that ends a sentence, unless a file with that name exists. */
const CLOSING = /[.,;:!?)\]}']+$/;

const NAMING: Naming = { mark: '@', instead: 'write the word without @' };

/**
 * Appends the files that `text` names. A word that names no file stays text, unless it is meant as a file.
 *
 * @throws UserError if there is no such file, if one cannot be read or is not text, or if the files together exceed a limit.
 */
export async function attachFiles(
  text: string,
  { cwd, ...options }: AttachOptions & { readonly cwd: string },
): Promise<{ content: string; attachments: readonly Attachment[] }> {
  const attached = new AttachedFiles(NAMING, options);
  const bareFolders = !text.includes('\n');
  for (const [, quoted, word] of text.matchAll(MENTIONS)) {
    const named = await existing(quoted === undefined ? spellings(word!) : [quoted], cwd, { bareFolders });
    if (named) await attached.add(named);
    else requireWord(quoted, word);
  }
  return { content: [text, ...attached.texts].join('\n\n'), attachments: attached.attachments };
}

/** How a message names `path`, with quotes if needed; undefined if no mention can express it. */
export function mentionOf(path: string): string | undefined {
  if (/["\p{Cc}]/u.test(path)) return undefined;
  return /\s/.test(path) || CLOSING.test(path) ? `@"${path}"` : `@${path}`;
}

/** The word itself first, then the word without closing punctuation. */
function spellings(word: string): string[] {
  const bare = word.replace(CLOSING, '');
  return bare === word ? [word] : [word, bare];
}

/**
 * Punctuation only is no name, apart from the folders `./`, `../` and `~/`.
 *
 * @param bareFolders whether `@docs` names a folder as `@docs/` does. In a message of several lines it does not: they are
 *   often pasted code, where `@test` is an annotation.
 */
async function existing(
  paths: readonly string[],
  cwd: string,
  { bareFolders }: { readonly bareFolders: boolean },
): Promise<Named | undefined> {
  for (const path of paths) {
    if (!/[\p{L}\p{N}]|^(?:~|\.{1,2})\/$/u.test(path)) continue;
    const named = await namedFile(path, cwd, NAMING);
    if (named && (bareFolders || path.includes('/') || !named.stats.isDirectory())) return named;
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
