/** Entries of folders, for completion. */
import type { Dirent } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Most entries read of a folder. In a larger one, the user has to type more of the path. */
const ENTRIES_READ = 5000;

/** Sorted entries, hidden ones or the others; none of a folder that does not exist or may not be read. */
export async function entriesOf(
  location: string,
  { hidden }: { readonly hidden: boolean },
): Promise<Dirent[]> {
  const found: Dirent[] = [];
  try {
    let count = 0;
    for await (const entry of await opendir(location, { bufferSize: 256 })) {
      if (entry.name.startsWith('.') === hidden) found.push(entry);
      if (++count === ENTRIES_READ) break;
    }
  } catch {
    return [];
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether an entry of `location` is a folder, or a link to one. */
export async function isFolder(entry: Dirent, location: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  try {
    return (await stat(join(location, entry.name))).isDirectory();
  } catch {
    return false; // a broken link
  }
}
