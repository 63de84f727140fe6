import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../../errors.ts';

/** Gives the lock back; safe to call twice. */
type Release = () => void;

const SQLITE_BUSY = 5; // https://sqlite.org/rescode.html#busy

/**
 * Takes the lock at `path`, or returns undefined while another holder has it. Makes the folder if need be.
 *
 * An exclusive transaction on an empty SQLite database is a file lock of the operating system on every platform:
 * it ends with the process, however that ends, so a lock is never stale.
 *
 * @throws UserError when the folder cannot be written or its file system has no locks.
 */
export function tryLock(path: string): Release | undefined {
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw new UserError(
      `Expected to lock ${path}; it cannot be locked: ${(error as Error).message}.`,
      'Set PERCEPT_HOME to a folder of a local disk that you may write to.',
      { cause: error },
    );
  }
  return () => {
    if (!database.isOpen) return;
    try {
      rmSync(path, { force: true }); // while it is held, so that it is never another's
    } catch {
      // Windows keeps open files: it stays, empty
    }
    database.close();
  };
}

/** Takes the lock at `path`, waiting while another holder has it; `onWait` is called once if so. */
export async function lock(path: string, onWait: () => void, signal?: AbortSignal): Promise<Release> {
  for (let waiting = false; ; waiting = true) {
    const release = tryLock(path);
    if (release) return release;
    if (!waiting) onWait();
    await delay(200, undefined, { signal });
  }
}
