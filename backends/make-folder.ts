import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and the missing ones above it. Node's own recursion never ends below a folder in which nothing can be
 * made and the system says ENOENT, such as /proc.
 */
export function makeFolder(path: string, mode?: number): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeFolder(parent, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another process may have made it, and some systems say EROFS or EACCES for a folder that exists.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
