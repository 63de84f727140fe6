/** What SQLite and the file system say about the file of sessions, in words a user can act on. */
import { UserError } from '../../errors.ts';

/** In place of a path: sessions that are gone with the process. */
export const IN_MEMORY = ':memory:';

// https://sqlite.org/rescode.html; the lower byte is the primary code.
const BUSY = 5;
const FULL = 13;
const DAMAGED = new Set([11, 26]); // SQLITE_CORRUPT, SQLITE_NOTADB
const OUT_OF_REACH = new Set([3, 8, 10, 14, 23]); // SQLITE_PERM, _READONLY, _IOERR, _CANTOPEN, _AUTH
const FOREIGN_KEY = 787;

const WITHOUT = 'chat without saving by --no-save';

export function isBusy(error: unknown): boolean {
  return primaryCodeOf(error) === BUSY;
}

/** The error to show for one that reading or writing `path` threw; errors of other kinds as they are. */
export function storeError(path: string, error: unknown): unknown {
  if (codeOf(error) === FOREIGN_KEY) {
    return new UserError(
      'Expected to add to a session, but it is gone: another process removed it.',
      'percept sessions lists those that are there.',
      { cause: error },
    );
  }
  const problem = problemOf(error);
  if (!problem) return error;
  const [what, remedy] = problem;
  return new UserError(`Expected to keep sessions in ${path}, but ${what}.`, remedy, { cause: error });
}

function problemOf(error: unknown): readonly [what: string, remedy: string] | undefined {
  const code = primaryCodeOf(error);
  const { message, syscall } = error as NodeJS.ErrnoException;
  if (code === BUSY) return ['another process holds it', `Try again when that one is done; or ${WITHOUT}.`];
  if (code === FULL) return ['the disk is full', `Make room; or ${WITHOUT}.`];
  if ((code !== undefined && DAMAGED.has(code)) || /^no such (table|column)/.test(message)) {
    return [`the file is damaged: ${message}`, `Move it away, and a new one is begun; or ${WITHOUT}.`];
  }
  if (code === undefined ? syscall === undefined : !OUT_OF_REACH.has(code)) return undefined;
  return [
    `it cannot be read or written: ${message}`,
    `Make the file and its folder yours, or set PERCEPT_HOME to another folder; or ${WITHOUT}.`,
  ];
}

function primaryCodeOf(error: unknown): number | undefined {
  const code = codeOf(error);
  return code === undefined ? undefined : code & 0xff;
}

function codeOf(error: unknown): number | undefined {
  return (error as { errcode?: number }).errcode;
}
