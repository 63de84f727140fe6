/** Reads sessions, conversations and search hits from the tables of schema.ts. */
import type { SQLTagStore } from 'node:sqlite';
import type { AnswerOrigin, Conversation, MessageId, Role, TreeMessage } from '../conversation.ts';
import type { Owner } from './owner.ts';
import type { SearchQuery, Snippet } from './search-query.ts';
import { titleOf } from './title.ts';

export interface SessionSummary {
  readonly id: string;
  readonly title: string; // given, or the beginning of the first question
  readonly model: string; // reference of its first model
  readonly createdAt: string; // ISO 8601
  readonly updatedAt: string; // start of its last message
  readonly messages: number; // on all branches
}

export interface StoredSession extends SessionSummary {
  readonly conversation: Conversation;
}

/** A found message, or a found title if there is no `message`. */
export interface SearchHit {
  readonly session: string;
  readonly title: string;
  readonly message?: { readonly id: MessageId; readonly role: Role; readonly createdAt: string };
  readonly snippet: Snippet;
}

interface SummaryRow extends Omit<SessionSummary, 'title'> {
  readonly title: string | null; // empty: removed
  readonly question: string | null; // its beginning
}

interface MessageRow extends Omit<TreeMessage, 'parent' | 'origin'> {
  readonly parent: MessageId | null;
  readonly owner: string | null; // for answers stored piece by piece
  readonly known: string | null; // JSON
  readonly origin: string | null; // JSON, once it has ended
}

/** An unfinished answer whose process is dead. */
export interface BrokenAnswer {
  readonly key: number;
  readonly origin: AnswerOrigin;
}

export class SessionReader {
  readonly #sql: SQLTagStore;
  readonly #owner: Owner;

  constructor(sql: SQLTagStore, owner: Owner) {
    this.#sql = sql;
    this.#owner = owner;
  }

  /**
   * Sessions whose ids begin with `prefix`, the last changed first: by the time of their last message, because questions of
   * the inbox are added late.
   */
  summaries(prefix: string, limit: number): SessionSummary[] {
    const rows = this.#sql.all`
      WITH recent AS (
        SELECT session, max(key) AS last, created_at AS changed, count(*) AS messages FROM messages
        WHERE session >= ${prefix} AND session < ${`${prefix}~`}
        GROUP BY session ORDER BY changed DESC, last DESC LIMIT ${limit}
      )
      SELECT sessions.id, model, sessions.created_at AS createdAt, last.created_at AS updatedAt, messages,
        (SELECT title FROM titles WHERE titles.session = sessions.id ORDER BY key DESC LIMIT 1) AS title,
        (
          SELECT substr(text, 1, 400) FROM messages AS asked JOIN pieces ON message = asked.key
          WHERE asked.session = sessions.id AND role = 'user' ORDER BY asked.id, seq LIMIT 1
        ) AS question
      FROM recent JOIN sessions ON sessions.id = recent.session JOIN messages AS last ON last.key = recent.last
      ORDER BY changed DESC, recent.last DESC`;
    return (rows as unknown as SummaryRow[])
      .filter(({ id }) => typeof id === 'string')
      .map(({ title, question, ...row }) => ({ ...row, title: title || titleOf(question ?? '') }));
  }

  /** Rows that make no sense in a damaged file hide no others: they are passed over, or begin a branch of their own. */
  conversation({ id, model }: SessionSummary): Conversation {
    const dead = this.deadOwners(); // read first: a process that is dead now adds nothing to the rows read below
    const head = this.#sql.get`SELECT message FROM heads WHERE session = ${id} ORDER BY key DESC LIMIT 1`;
    const rows = this.#sql.all`
      SELECT id, parent, role, created_at AS createdAt, owner, begun.origin AS known, ends.origin,
        (SELECT group_concat(text, '' ORDER BY seq) FROM pieces WHERE message = key) AS content
      FROM messages LEFT JOIN begun ON begun.message = key LEFT JOIN ends ON ends.message = key
      WHERE session = ${id} ORDER BY key`;
    const messages = new Map<MessageId, TreeMessage>();
    for (const row of rows as unknown as MessageRow[]) {
      const { parent, owner, known, origin, ...message } = row;
      if (!isMessage(message) || messages.has(message.id)) continue;
      messages.set(message.id, {
        ...message,
        content: message.content ?? '',
        ...(parent !== null && messages.has(parent) && { parent }), // a parent comes first, so there are no cycles
        ...(origin === null
          ? brokenIf(dead.has(owner ?? ''), known, model)
          : { origin: originOf(origin, model) }),
      });
    }
    const end = head?.message as MessageId | undefined;
    return { messages, head: end === undefined || messages.has(end) ? end : [...messages.keys()].at(-1) };
  }

  /** Unfinished answers of the given processes. */
  brokenAnswers(dead: ReadonlySet<string>): BrokenAnswer[] {
    const rows = this.#sql.all`
      SELECT key, owner, origin, model
      FROM begun JOIN messages ON key = message JOIN sessions ON sessions.id = session
      WHERE NOT EXISTS (SELECT 1 FROM ends WHERE ends.message = begun.message)`;
    return rows
      .filter(({ owner }) => dead.has(owner as string))
      .map(({ key, origin, model }) => ({
        key: key as number,
        origin: brokenOrigin(origin as string, model as string),
      }));
  }

  /** The text of a message by its key. */
  content(key: number): string {
    const row = this.#sql
      .get`SELECT group_concat(text, '' ORDER BY seq) AS text FROM pieces WHERE message = ${key}`;
    return (row?.text ?? '') as string;
  }

  /** Hits in given titles first, then in messages, best match first. */
  hits(query: SearchQuery, limit: number): SearchHit[] {
    const titles = new Map(this.summaries('', Number.MAX_SAFE_INTEGER).map(({ id, title }) => [id, title]));
    const hits: SearchHit[] = [];
    const given = this.#sql.all`
      SELECT session, title FROM titles AS given
      WHERE title <> '' AND key = (SELECT max(key) FROM titles WHERE session = given.session)`;
    for (const { session, title } of given as unknown as { session: string; title: string }[]) {
      if (titles.has(session) && query.matches(title))
        hits.push({ session, title, snippet: query.snippet(title) });
    }
    for (const key of this.#candidates(query)) {
      if (hits.length >= limit) break;
      const text = this.content(key);
      if (!query.accepts(text)) continue;
      const found = this.#sql.get`
        SELECT session, id, role, created_at AS createdAt FROM messages WHERE key = ${key}` as unknown;
      if (!found) continue; // in the index of a damaged file only
      const { session, ...message } = found as Found;
      const title = titles.get(session);
      if (title !== undefined) hits.push({ session, title, message, snippet: query.snippet(text) });
    }
    return hits.slice(0, limit);
  }

  /** Keys of messages that may match, best first. Without help from the index: all messages, newest first. */
  *#candidates({ match }: SearchQuery): Generator<number> {
    const rows =
      match === undefined
        ? this.#sql.iterate`SELECT key FROM messages WHERE role <> 'system' ORDER BY key DESC`
        : this.#sql
            .iterate`SELECT rowid AS key FROM words WHERE words MATCH ${match} ORDER BY rank, rowid DESC`;
    for (const { key } of rows) yield key as number;
  }

  /** Dead processes with unfinished answers. */
  deadOwners(): ReadonlySet<string> {
    const rows = this.#sql.all`
      SELECT DISTINCT owner FROM begun WHERE NOT EXISTS (SELECT 1 FROM ends WHERE ends.message = begun.message)`;
    return new Set(rows.map(({ owner }) => owner as string).filter((owner) => !this.#owner.isAlive(owner)));
  }
}

type Found = Pick<SearchHit, 'session'> & NonNullable<SearchHit['message']>;

function brokenIf(isBroken: boolean, known: string | null, model: string): { origin?: AnswerOrigin } {
  return isBroken && known !== null ? { origin: brokenOrigin(known, model) } : {};
}

/** The origin of an unfinished answer. */
function brokenOrigin(known: string, model: string): AnswerOrigin {
  return { ...originOf(known, model), finish: 'broken-off' };
}

/** An origin from JSON, completed where it lacks something or cannot be read. */
function originOf(json: string, model: string): AnswerOrigin {
  const counts = {
    seed: 0,
    promptTokens: 0,
    completionTokens: 0,
    cachedTokens: 0,
    prefillMs: 0,
    decodeMs: 0,
  };
  const none: AnswerOrigin = { model, backend: '', ...counts, finish: 'broken-off' };
  try {
    const fields = Object.entries(JSON.parse(json) as object);
    const fits = ([key, value]: [string, unknown]) =>
      typeof value === typeof (none as unknown as Record<string, unknown>)[key];
    return {
      ...none,
      ...Object.fromEntries(fields.filter(([key, value]) => !(key in none) || fits([key, value]))),
    };
  } catch {
    return none;
  }
}

const ROLES: readonly unknown[] = ['system', 'user', 'assistant'] satisfies Role[];

function isMessage({
  id,
  role,
  content,
  createdAt,
}: Pick<MessageRow, 'id' | 'role' | 'content' | 'createdAt'>): boolean {
  const isText = content === null || typeof content === 'string';
  return (
    Number.isSafeInteger(id) && id > 0 && ROLES.includes(role) && isText && typeof createdAt === 'string'
  );
}
