/** Converts errors of SQLite and the file system into errors that a user can act on. */
import { UserError } from '../../errors.ts';

/** Another process removed a session that is still used. */
export class SessionRemoved extends UserError {
  constructor(cause?: unknown) {
    super(
      'The session no longer exists: another process removed it.',
      'percept sessions lists the saved sessions.',
      { cause },
    );
  }
}

/** Used in place of a path: sessions that end with the process. */
export const IN_MEMORY = ':memory:';

// https://sqlite.org/rescode.html; the low byte is the primary code.
const BUSY = 5;
const FULL = 13;
const DAMAGED = new Set([1, 11, 19, 26]); // SQLITE_ERROR, _CORRUPT, _CONSTRAINT, _NOTADB: percept's own SQL is right
const OUT_OF_REACH = new Set([3, 8, 10, 14, 23]); // SQLITE_PERM, _READONLY, _IOERR, _CANTOPEN, _AUTH
const FOREIGN_KEY = 787;

const WITHOUT = 'use --no-save';

export function isBusy(error: unknown): boolean {
  return primaryCodeOf(error) === BUSY;
}

/** Whether the file or its folder cannot be reached, or not be changed. */
export function isOutOfReach(error: unknown): boolean {
  return OUT_OF_REACH.has(primaryCodeOf(error) ?? 0);
}

/** Converts an error thrown while reading or writing `path`. Errors of other kinds are returned unchanged. */
export function storeError(path: string, error: unknown): unknown {
  if (codeOf(error) === FOREIGN_KEY) return new SessionRemoved(error);
  const problem = problemOf(error);
  if (!problem) return error;
  const [what, remedy] = problem;
  return new UserError(`The sessions file ${path} cannot be used: ${what}.`, remedy, { cause: error });
}

function problemOf(error: unknown): readonly [what: string, remedy: string] | undefined {
  const code = primaryCodeOf(error);
  const { message, syscall } = error as NodeJS.ErrnoException;
  if (code === BUSY)
    return ['another process has locked it', `Try again when that process is done, or ${WITHOUT}.`];
  if (code === FULL) return ['the disk is full', `Free some space, or ${WITHOUT}.`];
  const isHuge = (error as NodeJS.ErrnoException).code === 'ERR_OUT_OF_RANGE'; // an integer beyond 2^53
  if ((code !== undefined && DAMAGED.has(code)) || isHuge) {
    return [`it is damaged: ${message}`, `Move it away to start a new one, or ${WITHOUT}.`];
  }
  if (code === undefined ? syscall === undefined : !OUT_OF_REACH.has(code)) return undefined;
  return [
    `it cannot be read or written: ${message}`,
    `Make the file and its folder readable and writable, set PERCEPT_HOME to another folder, or ${WITHOUT}.`,
  ];
}

function primaryCodeOf(error: unknown): number | undefined {
  const code = codeOf(error);
  return code === undefined ? undefined : code & 0xff;
}

function codeOf(error: unknown): number | undefined {
  return (error as { errcode?: number }).errcode;
}
