import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { makeFolder } from '../../backends/make-folder.ts';
import { UserError } from '../../errors.ts';

/** Releases the lock; safe to call twice. */
type Release = () => void;

const SQLITE_BUSY = 5; // https://sqlite.org/rescode.html#busy

/**
 * Acquires the lock at `path`; returns undefined if another holder has it. Creates the folder if necessary.
 *
 * An exclusive transaction on an empty SQLite database is a file lock of the operating system on every platform. It
 * ends with the process, whatever ends that, so a lock is never stale.
 *
 * @throws UserError if the folder cannot be written or its file system has no locks.
 */
export function tryLock(path: string): Release | undefined {
  let database: DatabaseSync | undefined;
  try {
    makeFolder(dirname(path));
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw new UserError(
      `Cannot lock ${path}: ${(error as Error).message}.`,
      'Set PERCEPT_HOME to a writable folder on a local disk.',
      { cause: error },
    );
  }
  return () => {
    if (!database.isOpen) return;
    try {
      rmSync(path, { force: true }); // while the lock is held, so that the file is never another holder's
    } catch {
      // Windows does not remove open files; an empty file remains.
    }
    database.close();
  };
}

/** Acquires the lock at `path`; waits while another holder has it, and then calls `onWait` once. */
export async function lock(path: string, onWait: () => void, signal?: AbortSignal): Promise<Release> {
  for (let waiting = false; ; waiting = true) {
    const release = tryLock(path);
    if (release) return release;
    if (!waiting) onWait();
    await delay(200, undefined, { signal });
  }
}
