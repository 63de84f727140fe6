/** Completion of `@path` with the folder typed so far and its entries. */
import type { Dirent } from 'node:fs';
import { mentionOf } from '../../attachments/mentions.ts';
import { locationOf } from '../../attachments/named-file.ts';
import { entriesOf, isFolder } from '../../folder-entries.ts';
import { type CompletionItem, type CompletionSource, ranked } from './completion.ts';

const ENTRIES_OFFERED = 200;

/** An @ at the start of a word, and the path up to the cursor. A quoted path may contain spaces. */
const MENTION_BEFORE = /(?:^|[\s([{])@(?:"([^"\n]*)|([^\s"]*))$/;

/** The mention that ends at the end of `text`: its start, and its path so far. */
export function mentionBefore(text: string): { start: number; path: string } | undefined {
  const found = MENTION_BEFORE.exec(text);
  if (!found) return undefined;
  const [, quoted, word] = found;
  const path = quoted ?? word!;
  return { start: text.length - path.length - (quoted === undefined ? 1 : 2), path };
}

/** Offers files and folders: relative to `cwd`, relative to the home directory after `~/`, or absolute. */
export function fileSource(cwd: string): CompletionSource {
  return (text, cursor) => {
    const lineStart = text.lastIndexOf('\n', cursor - 1) + 1;
    const mention = mentionBefore(text.slice(lineStart, cursor));
    if (!mention) return undefined;
    const start = lineStart + mention.start;
    return offered(mention.path, cwd).then((items) => ({ start, end: cursor, items }));
  };
}

async function offered(path: string, cwd: string): Promise<CompletionItem[]> {
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const name = path.slice(folder.length);
  const location = locationOf(folder === '' ? '.' : folder, cwd);
  const entries = await entriesNamed(name, location);
  const items = await Promise.all(entries.map((entry) => itemOf(entry, folder, location)));
  return folder === '' || name !== '' || items.length === 0 ? items : [folderItem(folder), ...items];
}

/** Hidden entries if `name` begins with a dot, else the others. */
async function entriesNamed(name: string, location: string): Promise<Dirent[]> {
  const entries = await entriesOf(location, { hidden: name.startsWith('.') });
  return ranked(entries, name, (entry) => entry.name)
    .filter((entry) => mentionOf(entry.name) !== undefined)
    .slice(0, ENTRIES_OFFERED);
}

/** The folder itself: what is typed then, so that Enter sends it. */
function folderItem(folder: string): CompletionItem {
  return { value: mentionOf(folder)!, label: folder, detail: 'all its text files' };
}

async function itemOf(entry: Dirent, folder: string, location: string): Promise<CompletionItem> {
  if (!(await isFolder(entry, location)))
    return { value: mentionOf(folder + entry.name)!, label: entry.name };
  // The quote stays open, because the path continues.
  const value = mentionOf(`${folder}${entry.name}/`)!.replace(/"$/, '');
  return { value, label: `${entry.name}/`, partial: true };
}
