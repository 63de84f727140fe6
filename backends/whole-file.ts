import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder } from './make-folder.ts';

export interface ReplaceOptions {
  readonly mode?: number; // permissions of the new file
  /** Give up if the old file no longer has this size, because another process has written to it. */
  readonly size?: number; // bytes
}

/** Replaces a file as a whole: readers see the old text or the new one. If that fails, it throws and leaves nothing. */
export function replaceFile(path: string, text: string, { mode, size }: ReplaceOptions = {}): void {
  const partial = `${path}.${process.pid}`;
  try {
    writeFileSync(partial, text, { mode });
    if (size === undefined || statSync(path).size === size) renameSync(partial, path);
    else rmSync(partial);
  } catch (error) {
    try {
      rmSync(partial, { force: true });
    } catch {
      // the first error says more
    }
    throw error;
  }
}

/** Like replaceFile, for a file of a cache. Creates its folder. Ignores failures: the next start makes the file again. */
export function writeWhole(path: string, text: string): void {
  try {
    makeFolder(dirname(path));
    replaceFile(path, text);
  } catch {
    // such as a home folder that cannot be written
  }
}
