/**
 * The tables of the sessions file. Rows are only added; `DELETE` is for removing a session. Each change of a title, of
 * the current branch, or of the text of an answer adds a row, and the last row applies.
 */
import type { DatabaseSync } from 'node:sqlite';
import { UserError } from '../../errors.ts';

/** Each step migrates from the schema before it. Steps are only added, never edited. Times are ISO 8601 in UTC. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    model TEXT NOT NULL -- reference of the model it began with
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE messages (
    key INTEGER PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
    id INTEGER NOT NULL, -- within the session, from 1
    parent INTEGER, -- id of the message that it follows
    role TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (session, id)
  ) STRICT;

  CREATE TABLE pieces ( -- joined by seq they are the content of a message
    message INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (message, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE begun ( -- answers that come piece by piece
    message INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    owner TEXT NOT NULL, -- the process that writes it
    origin TEXT NOT NULL -- JSON: what was known then
  ) STRICT;

  CREATE TABLE ends ( -- answers that are complete, or will never be
    message INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    at TEXT NOT NULL,
    origin TEXT NOT NULL -- JSON
  ) STRICT;

  CREATE TABLE heads ( -- the end of the branch that is read
    key INTEGER PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
    message INTEGER NOT NULL, -- id within the session
    at TEXT NOT NULL
  ) STRICT;
  CREATE INDEX heads_of_session ON heads (session);

  CREATE TABLE titles (
    key INTEGER PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
    title TEXT NOT NULL, -- empty: the first question again
    at TEXT NOT NULL
  ) STRICT;
  CREATE INDEX titles_of_session ON titles (session);

  CREATE VIRTUAL TABLE words USING fts5 ( -- by the key of messages; the text itself is in pieces
    text,
    content = '',
    contentless_delete = 1,
    tokenize = 'unicode61 remove_diacritics 2',
    prefix = '2 3'
  );
  `,
];

/** Migrates the tables to the present schema. Throws UserError if theirs is newer. */
export function migrate(database: DatabaseSync, path: string): void {
  if (versionOf(database, path) === MIGRATIONS.length) return;
  inTransaction(database, () => {
    // Another process may have migrated them meanwhile.
    for (const step of MIGRATIONS.slice(versionOf(database, path))) database.exec(step);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

/** Throws UserError unless the tables have the present schema: a file that is only read cannot be migrated. */
export function checkVersion(database: DatabaseSync, path: string): void {
  const version = versionOf(database, path);
  if (version === MIGRATIONS.length) return;
  throw new UserError(
    `The sessions in ${path} have schema ${version}, which is older than schema ${MIGRATIONS.length} of this percept.`,
    'Copy the file to where you may write, and set PERCEPT_HOME to the folder of the copy.',
  );
}

function versionOf(database: DatabaseSync, path: string): number {
  const version = Number(database.prepare('PRAGMA user_version').get()!.user_version);
  if (version <= MIGRATIONS.length) return version;
  throw new UserError(
    `The sessions in ${path} have schema ${version}, which is newer than schema ${MIGRATIONS.length} of this percept.`,
    'A newer percept wrote them. To use them, update this percept; or use --no-save.',
  );
}

/** Runs `work` in a transaction. Waits while another process writes. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
