/** Finds a file that the user names. */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { homeDirectory } from '../../core/directories.ts';
import { UserError } from '../../errors.ts';

/** How the user names files, for errors. */
export interface Naming {
  readonly mark: '@' | '';
  /** What to do instead of attaching. */
  readonly instead: string;
}

/** A file or folder that exists. */
export interface Named {
  readonly path: string;
  readonly location: string; // absolute
  readonly stats: Stats;
}

/** The absolute path of a file that the user named. */
export function locationOf(path: string, cwd: string): string {
  return path.startsWith('~/') ? join(homeDirectory(), path.slice(2)) : resolve(cwd, path);
}

/** Undefined if there is no such file. @throws UserError if the system does not tell */
export async function namedFile(path: string, cwd: string, naming: Naming): Promise<Named | undefined> {
  const location = locationOf(path, cwd);
  try {
    return { path, location, stats: await stat(location) };
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(code)) return undefined;
    throw unreadable(path, naming, cause);
  }
}

/** The error for a file that the system does not let percept read. */
export function unreadable(path: string, { mark, instead }: Naming, cause: unknown): UserError {
  return new UserError(
    `Reading ${mark}${path} failed: ${(cause as Error).message}`,
    `Give yourself permission to read the file, or ${instead}.`,
    { cause },
  );
}
