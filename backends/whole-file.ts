import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder } from './make-folder.ts';

export interface ReplaceOptions {
  readonly mode?: number; // permissions of the new file
  /** Give up if the old file no longer has this size, because another process has written to it. */
  readonly size?: number; // bytes
}

/** Replaces a file as a whole: readers see the old content or the new one. If that fails, it throws and leaves nothing. */
export function replaceFile(
  path: string,
  content: string | readonly Uint8Array[],
  { mode, size }: ReplaceOptions = {},
): void {
  const partial = `${path}.${process.pid}`;
  try {
    rmSync(partial, { force: true }); // of a dead process with the same number
    write(partial, content, mode);
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

function write(path: string, content: string | readonly Uint8Array[], mode: number | undefined): void {
  const file = openSync(path, 'wx', mode);
  try {
    for (const part of typeof content === 'string' ? [Buffer.from(content)] : content) {
      for (let at = 0; at < part.length; ) at += writeSync(file, part, at);
    }
  } finally {
    closeSync(file);
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
