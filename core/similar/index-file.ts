/**
 * The index of files by meaning: an SQLite database with the vector of every chunk, found by the hash of the chunk's text, so
 * that only what changed is embedded again. It is a cache: a damaged one, or one of another version, is made anew.
 */
import { closeSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from '../../backends/make-folder.ts';

/** Grows with every change of the tables. */
const VERSION = 1;
/** Time that a write waits for another process. */
const BUSY_MS = 10_000;

const TABLES = `
  CREATE TABLE vectors (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE, -- of the text
    vector BLOB NOT NULL -- float32
  ) STRICT;
  CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL, -- absolute
    cut TEXT NOT NULL, -- into what
    stamp TEXT NOT NULL, -- changes with the file
    UNIQUE (path, cut)
  ) STRICT;
  CREATE TABLE chunks (
    file INTEGER NOT NULL REFERENCES files ON DELETE CASCADE,
    number INTEGER NOT NULL,
    line INTEGER NOT NULL,
    vector INTEGER NOT NULL,
    PRIMARY KEY (file, number)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${VERSION};
`;

/** A file as it was indexed. */
export interface IndexedFile {
  readonly path: string;
  readonly stamp: string;
  readonly chunks: readonly IndexedChunk[];
}

export interface IndexedChunk {
  readonly line: number;
  readonly hash: Uint8Array;
}

export interface Place {
  readonly path: string;
  readonly line: number;
  readonly number: number; // of the chunk within the file
}

export class IndexFile {
  readonly #database: DatabaseSync;
  readonly #cut: string;

  /** @param cut what the files are cut into; an index may have several kinds */
  constructor(path: string, cut: string) {
    this.#cut = cut;
    makeFolder(dirname(path), 0o700);
    try {
      this.#database = opened(path);
    } catch {
      for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
      this.#database = opened(path);
    }
  }

  close(): void {
    this.#database.close();
  }

  /** What a file was when it was indexed; undefined if it was not. */
  stampOf(path: string): string | undefined {
    const found = this.#database.prepare('SELECT stamp FROM files WHERE path = ? AND cut = ?');
    return found.get(path, this.#cut)?.stamp as string | undefined;
  }

  has(hash: Uint8Array): boolean {
    return this.#database.prepare('SELECT 1 FROM vectors WHERE hash = ?').get(hash) !== undefined;
  }

  add(vectors: Iterable<readonly [hash: Uint8Array, vector: Float32Array]>): void {
    const insert = this.#database.prepare('INSERT OR IGNORE INTO vectors (hash, vector) VALUES (?, ?)');
    this.#transaction(() => {
      for (const [hash, vector] of vectors) insert.run(hash, new Uint8Array(vector.buffer));
    });
  }

  /**
   * Replaces what is known of files, whose vectors are all there, and drops those that are gone.
   *
   * @param again the vector of a hash that another process has dropped meanwhile
   */
  replace(
    files: readonly IndexedFile[],
    gone: readonly string[],
    again: (hash: Uint8Array) => Float32Array | undefined,
  ): void {
    const remove = this.#database.prepare('DELETE FROM files WHERE path = ? AND cut = ?');
    const addFile = this.#database.prepare('INSERT INTO files (path, cut, stamp) VALUES (?, ?, ?)');
    const find = this.#database.prepare('SELECT id FROM vectors WHERE hash = ?');
    const addVector = this.#database.prepare('INSERT INTO vectors (hash, vector) VALUES (?, ?)');
    const addChunk = this.#database.prepare('INSERT INTO chunks VALUES (?, ?, ?, ?)');
    this.#transaction(() => {
      for (const path of [...gone, ...files.map((file) => file.path)]) remove.run(path, this.#cut);
      for (const { path, stamp, chunks } of files) {
        const file = addFile.run(path, this.#cut, stamp).lastInsertRowid;
        for (const [number, { line, hash }] of chunks.entries()) {
          const vector = find.get(hash)?.id ?? added(hash);
          if (vector !== undefined) addChunk.run(file, number, line, vector as number);
        }
      }
      this.#database.exec('DELETE FROM vectors WHERE id NOT IN (SELECT vector FROM chunks)');
    });
    function added(hash: Uint8Array) {
      const vector = again(hash);
      return vector && addVector.run(hash, new Uint8Array(vector.buffer)).lastInsertRowid;
    }
  }

  /** The files of a folder that are indexed. */
  pathsIn(folder: string): string[] {
    const rows = this.#database.prepare('SELECT path FROM files WHERE cut = ? AND substr(path, 1, ?) = ?');
    const start = folder.endsWith('/') ? folder : `${folder}/`;
    return rows.all(this.#cut, start.length, start).map(({ path }) => path as string);
  }

  /** Every chunk of these files with its vector. */
  *chunksIn(paths: ReadonlySet<string>): Generator<Place & { readonly vector: Float32Array }> {
    const rows = this.#database.prepare(`
      SELECT path, number, line, vectors.vector AS vector FROM files
      JOIN chunks ON chunks.file = files.id JOIN vectors ON vectors.id = chunks.vector WHERE cut = ?`);
    for (const row of rows.iterate(this.#cut)) {
      const path = row.path as string;
      if (!paths.has(path)) continue;
      const bytes = row.vector as Uint8Array;
      const vector = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      yield { path, number: Number(row.number), line: Number(row.line), vector };
    }
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

/** Throws for a file that is damaged or of another version. */
function opened(path: string): DatabaseSync {
  closeSync(openSync(path, 'a', 0o600)); // SQLite gives its other files the same mode
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON');
    database.exec('BEGIN IMMEDIATE');
    const { user_version: version } = database.prepare('PRAGMA user_version').get()!;
    if (version === 0) database.exec(TABLES);
    database.exec('COMMIT');
    if (version !== 0 && version !== VERSION) throw new Error(`version ${version}`);
    database.prepare('SELECT count(*) FROM files').get();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
