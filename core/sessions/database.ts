/** Opens the sessions file, an SQLite database. Loads node:sqlite. */
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { makeFolder } from '../../backends/make-folder.ts';
import { checkVersion, migrate } from './schema.ts';
import { IN_MEMORY, isBusy, isOutOfReach } from './store-errors.ts';

/** Time that a write waits for another process. */
const BUSY_MS = 5000;
const RETRY_MS = 10;

/**
 * Opens the file, or creates it, readable by the user alone.
 *
 * With a write-ahead log and synchronous = NORMAL, a commit costs no fsync. It survives a crash of the process. A power
 * loss may lose the last commits, but never damages the file.
 */
export async function openDatabase(path: string): Promise<DatabaseSync> {
  if (path !== IN_MEMORY && !existsSync(path)) createPrivate(path);
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    if (path !== IN_MEMORY) await switchToLog(database);
    // secure_delete: removed text does not stay in free pages.
    database.exec('PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON');
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * As `openDatabase`, but only to read, so that a file is enough that this user cannot change, such as one on a disk that
 * is mounted read-only. SQLite wants to write even then, to coordinate with writers. Where it cannot, nobody writes, and
 * the file is read as one that never changes, if its log is empty.
 */
export async function openToRead(path: string): Promise<DatabaseSync> {
  try {
    return await openDatabase(path);
  } catch (error) {
    const [file, log] = [path, `${path}-wal`].map((each) => statSync(each, { throwIfNoEntry: false }));
    if (!isOutOfReach(error) || !file?.isFile() || (log?.isFile() && log.size > 0)) throw error;
  }
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  const database = new DatabaseSync(url, { readOnly: true });
  try {
    checkVersion(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** SQLite gives its other files the mode of this file. */
function createPrivate(path: string): void {
  makeFolder(dirname(path), 0o700);
  closeSync(openSync(path, 'a', 0o600));
}

/** Needed once per file. Retries, because SQLite does not wait here if two processes switch at once. */
async function switchToLog(database: DatabaseSync): Promise<void> {
  for (const deadline = performance.now() + BUSY_MS; ; await delay(RETRY_MS)) {
    try {
      const { journal_mode } = database.prepare('PRAGMA journal_mode').get()!;
      if (journal_mode !== 'wal') database.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
  }
}
