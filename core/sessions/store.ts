/**
 * Sessions on disk: conversations, stored while they grow. They survive a process that dies during an answer, and
 * several processes may write at once. The tables are in schema.ts.
 */
import type { DatabaseSync, SQLTagStore } from 'node:sqlite';
import { UserError } from '../../errors.ts';
import type { AnswerOrigin, MessageId, TreeMessage } from '../conversation.ts';
import { type AnswerWriter, BufferedAnswer } from './answer-writer.ts';
import { clearInbox, type Exchange, hasWaiting, readInbox, type Waiting } from './inbox.ts';
import type { Owner } from './owner.ts';
import { inTransaction } from './schema.ts';
import { SearchQuery } from './search-query.ts';
import { canonicalId, newSessionId } from './session-id.ts';
import { type SearchHit, SessionReader, type SessionSummary, type StoredSession } from './session-reader.ts';
import { IN_MEMORY, SessionRemoved, storeError } from './store-errors.ts';

export type { AnswerWriter } from './answer-writer.ts';
export type { SearchHit, SessionSummary, StoredSession } from './session-reader.ts';
export { IN_MEMORY, SessionRemoved };

/** Most sessions named in an error about an ambiguous id. */
const MOST_CANDIDATES = 5;

/**
 * Opens or creates the sessions file at `path`; with `reads`, a file that cannot be changed is enough. Throws UserError
 * if it cannot be used.
 */
export async function openSessions(path: string, { reads = false } = {}): Promise<SessionStore> {
  const [database, { Owner }] = await Promise.all([import('./database.ts'), import('./owner.ts')]);
  const open = reads ? database.openToRead : database.openDatabase;
  let store: SessionStore;
  try {
    store = new SessionStore(path, await open(path), new Owner(path));
  } catch (error) {
    throw storeError(path, error);
  }
  if (path !== IN_MEMORY && hasWaiting(path)) takeIn(store, path);
  return store;
}

/** Adds what waits in the inbox. If that fails, it waits for the next process. */
function takeIn(store: SessionStore, path: string): void {
  try {
    const added = store.add(() => readInbox(path));
    clearInbox(path, added);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
}

/**
 * Every method throws UserError if the file cannot be read or written. Message ids are those of the caller's
 * conversation. If another process has used the same id meanwhile, the file has another id instead.
 */
export class SessionStore {
  readonly #path: string;
  readonly #database: DatabaseSync;
  /** Writes use `all`, too: `run` fails after FTS5 has left a last rowid beyond 2^53. */
  readonly #sql: SQLTagStore;
  readonly #owner: Owner;
  readonly #reader: SessionReader;
  /** Sessions without messages; they are not in the file yet. */
  readonly #created = new Map<string, { readonly model: string; readonly createdAt: string }>();
  /** By session: the caller's message ids to the ids in the file, if they differ. */
  readonly #renumbered = new Map<string, Map<MessageId, MessageId>>();
  readonly #writers = new Set<BufferedAnswer>();

  constructor(path: string, database: DatabaseSync, owner: Owner) {
    this.#path = path;
    this.#database = database;
    this.#sql = database.createTagStore();
    this.#owner = owner;
    this.#reader = new SessionReader(this.#sql, owner);
  }

  /** The id of a new session. It is stored with its first message. */
  create({ model }: { readonly model: string }): string {
    const id = newSessionId();
    this.#created.set(id, { model, createdAt: now() });
    return id;
  }

  /** Adds a complete message and makes it the head. Throws RangeError if its parent does not exist, SessionRemoved if the session does not. */
  append(session: string, message: TreeMessage): void {
    this.#write(() => this.#addMessage(session, message));
    this.#created.delete(session);
  }

  /**
   * Begins an answer and makes it the head. Its text is stored while it is generated. If this process dies before the
   * end, `known` is the answer's origin. Throws like `append`.
   */
  begin(
    session: string,
    message: Omit<TreeMessage, 'content' | 'origin'>,
    known: Partial<AnswerOrigin> = {},
  ): AnswerWriter {
    const owner = this.#reach(() => this.#owner.name);
    const key = this.#write(() => {
      const key = this.#insert(session, message);
      this.#sql.all`INSERT INTO begun VALUES (${key}, ${owner}, ${JSON.stringify(known)})`;
      return key;
    });
    this.#created.delete(session);
    let pieces = 0;
    const writer = new BufferedAnswer({
      save: (text) => {
        this.#write(() => this.#addPiece(key, pieces, text));
        pieces++;
      },
      end: (text, origin) => {
        this.#write(() => {
          this.#addPiece(key, pieces, text);
          this.#addEnd(key, origin);
          this.#index(key, message.role);
        });
        this.#writers.delete(writer);
      },
    });
    this.#writers.add(writer);
    return writer;
  }

  /** Makes a message the head. Throws RangeError if it does not exist. */
  setHead(session: string, message: MessageId): void {
    const id = this.#storedId(session, message);
    this.#write(() => {
      this.#addHead(session, id);
      if (!this.#has(session, id)) throw noMessage(message);
    });
  }

  /**
   * Adds conversations of one question each, except those that are here, and returns all. They are read while no other
   * process writes: one that another has added and removed meanwhile must not come back.
   */
  add(read: () => readonly Waiting[]): readonly Waiting[] {
    return this.#write(() => {
      const waiting = read();
      for (const { exchange } of waiting) this.#addExchange(exchange);
      return waiting;
    });
  }

  #addExchange({ id, model, asked, answer }: Exchange): void {
    if (this.#sql.get`SELECT 1 FROM sessions WHERE id = ${id}`) return;
    this.#sql.all`INSERT INTO sessions VALUES (${id}, ${asked[0]!.createdAt}, ${model})`;
    for (const [i, said] of [...asked, answer].entries()) {
      this.#addMessage(id, { ...said, id: i + 1, parent: i === 0 ? undefined : i });
    }
  }

  /** Gives a session a title. An empty one restores the first question as its title. */
  rename(session: string, title: string): void {
    const line = title.trim().replace(/\s+/g, ' ');
    this.#write(() => {
      this.#insertSession(session);
      this.#sql.all`INSERT INTO titles (session, title, at) VALUES (${session}, ${line}, ${now()})`;
    });
    this.#created.delete(session);
  }

  /** Removes sessions, and their text from every page of the file. */
  remove(...sessions: readonly string[]): void {
    this.#write(() => {
      for (const session of sessions) {
        this.#sql.all`DELETE FROM words WHERE rowid IN (SELECT key FROM messages WHERE session = ${session})`;
        this.#sql.all`DELETE FROM sessions WHERE id = ${session}`;
      }
      this.#sql.all`INSERT INTO words (words) VALUES ('optimize')`;
    });
    this.#reach(() => this.#sql.get`PRAGMA wal_checkpoint(TRUNCATE)`);
  }

  /** The last changed sessions first. */
  list({ limit = Number.MAX_SAFE_INTEGER }: { readonly limit?: number } = {}): SessionSummary[] {
    return this.#reach(() => this.#reader.summaries('', limit));
  }

  /** The session whose id begins with `id`. Throws UserError (usage) unless there is exactly one. */
  find(id: string): SessionSummary {
    const prefix = canonicalId(id.trim());
    const found = prefix === '' ? [] : this.#reach(() => this.#reader.summaries(prefix, MOST_CANDIDATES + 1));
    if (found.length === 1) return found[0]!;
    throw found.length === 0 ? noSession(id) : severalSessions(id, found);
  }

  /** A session with its conversation, by its id or the beginning of it. Throws like `find`. */
  read(id: string): StoredSession {
    const summary = this.find(id);
    const conversation = this.#reach(() => this.#reader.conversation(summary));
    this.#renumbered.delete(summary.id); // the caller now uses the ids in the file
    return { ...summary, conversation };
  }

  /** The last changed session. */
  last(): StoredSession | undefined {
    const row = this.#reach(
      () =>
        this.#sql
          .get`SELECT session FROM messages WHERE typeof(session) = 'text' ORDER BY created_at DESC, key DESC LIMIT 1`,
    );
    return row && this.read(row.session as string);
  }

  /** Hits in given titles first, then in messages, best match first. Throws UserError (usage) for an empty query. */
  search(text: string, { limit = 20 }: { readonly limit?: number } = {}): SearchHit[] {
    const query = new SearchQuery(text);
    this.#settle();
    return this.#reach(() => this.#reader.hits(query, limit));
  }

  /** Writes the collected text of answers. */
  flush(): void {
    for (const writer of this.#writers) writer.flush();
  }

  /** Closes the file. Unfinished answers count as broken off from now on. */
  close(): void {
    if (!this.#database.isOpen) return;
    this.flush();
    this.#database.close();
    this.#owner.release();
  }

  /** Ends answers of dead processes, so that search finds them. A later call retries if the file cannot be written. */
  #settle(): void {
    const dead = this.#reach(() => this.#reader.deadOwners());
    if (dead.size === 0) return;
    try {
      this.#write(() => {
        for (const { key, origin } of this.#reader.brokenAnswers(dead)) {
          this.#addEnd(key, origin);
          this.#index(key, 'assistant');
        }
      });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }

  #addMessage(session: string, message: TreeMessage): void {
    const key = this.#insert(session, message);
    this.#addPiece(key, 0, message.content);
    if (message.origin) this.#addEnd(key, message.origin);
    this.#index(key, message.role);
  }

  /** The key of a new row. */
  #insert(session: string, { id, parent, role, createdAt }: Omit<TreeMessage, 'content'>): number {
    this.#insertSession(session);
    const from = parent === undefined ? null : this.#storedId(session, parent);
    if (from !== null && !this.#has(session, from)) {
      if (!this.#sql.get`SELECT 1 FROM sessions WHERE id = ${session}`) throw new SessionRemoved();
      throw new RangeError(`Message ${id} follows message ${parent}, which does not exist.`);
    }
    const free = this.#freeId(session, id);
    const row = this.#sql.get`
      INSERT INTO messages (session, id, parent, role, created_at)
      VALUES (${session}, ${free}, ${from}, ${role}, ${createdAt}) RETURNING key`;
    this.#addHead(session, free);
    return row!.key as number;
  }

  #insertSession(id: string): void {
    const created = this.#created.get(id);
    if (!created) return;
    const { createdAt, model } = created;
    this.#sql.all`INSERT OR IGNORE INTO sessions VALUES (${id}, ${createdAt}, ${model})`;
  }

  #addHead(session: string, message: MessageId): void {
    this.#sql.all`INSERT INTO heads (session, message, at) VALUES (${session}, ${message}, ${now()})`;
  }

  #addPiece(key: number, seq: number, text: string): void {
    if (text !== '') this.#sql.all`INSERT INTO pieces VALUES (${key}, ${seq}, ${text})`;
  }

  #addEnd(key: number, origin: AnswerOrigin): void {
    this.#sql.all`INSERT INTO ends VALUES (${key}, ${now()}, ${JSON.stringify(origin)})`;
  }

  /** System messages are not indexed: many sessions share them, and users do not search for them. */
  #index(key: number, role: TreeMessage['role']): void {
    if (role === 'system') return;
    this.#sql.all`INSERT INTO words (rowid, text) VALUES (${key}, ${this.#reader.content(key)})`;
  }

  #has(session: string, id: MessageId): boolean {
    return this.#sql.get`SELECT 1 FROM messages WHERE session = ${session} AND id = ${id}` !== undefined;
  }

  #freeId(session: string, id: MessageId): MessageId {
    const own = this.#renumbered.get(session) ?? new Map<MessageId, MessageId>();
    own.delete(id);
    if (!this.#has(session, id)) return id;
    const row = this.#sql.get`SELECT max(id) + 1 AS free FROM messages WHERE session = ${session}`;
    this.#renumbered.set(session, own.set(id, row!.free as MessageId));
    return row!.free as MessageId;
  }

  #storedId(session: string, id: MessageId): MessageId {
    return this.#renumbered.get(session)?.get(id) ?? id;
  }

  #write<T>(work: () => T): T {
    return this.#reach(() => inTransaction(this.#database, work));
  }

  #reach<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeError(this.#path, error);
    }
  }
}

function now(): string {
  return new Date().toISOString();
}

function noSession(id: string): UserError {
  return new UserError(
    `There is no session "${id}".`,
    'percept sessions lists the ids; percept sessions search WORDS finds sessions by their text.',
    { kind: 'usage' },
  );
}

function severalSessions(id: string, found: readonly SessionSummary[]): UserError {
  const shown = found
    .slice(0, MOST_CANDIDATES)
    .map(({ id, updatedAt }) => `${id} (${updatedAt.slice(0, 10)})`);
  const more = found.length > MOST_CANDIDATES ? ' and others' : '';
  return new UserError(
    `Several sessions have ids that begin with "${id}": ${shown.join(', ')}${more}.`,
    'Type more characters of the id.',
    { kind: 'usage' },
  );
}

function noMessage(id: MessageId): UserError {
  const hint = 'Another process may have removed it; percept sessions lists the saved sessions.';
  return new UserError(`The session has no message ${id}.`, hint);
}
