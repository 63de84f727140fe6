/**
 * Stores a conversation on disk as it grows. Does nothing without a store. What cannot be stored waits, in its order, and
 * is stored with what comes later: a full disk or a locked file does not end a chat.
 */
import type { AnswerOrigin, Conversation, MessageId, TreeMessage } from '../../core/conversation.ts';
import { type AnswerWriter, SessionRemoved, type SessionStore } from '../../core/sessions/store.ts';
import { UserError } from '../../errors.ts';

const NOWHERE: AnswerWriter = { text: () => {}, end: () => {} };

/** A write that fails after so long has waited for a lock, ms. It is not tried again for REST times as long. */
const LONG_MS = 100;
const REST = 10;

/** What becomes of the conversation on disk. */
export interface KeeperReports {
  /** The first write since the last success that failed. */
  waits(error: UserError): void;
  /** All that waited is stored. */
  recovered(): void;
  /** Another process removed the session: nothing more of it is stored. */
  removed(): void;
}

export class SessionKeeper {
  #store: SessionStore | undefined;
  #id: string | undefined;
  #waiting: (() => void)[] = [];
  #problem: UserError | undefined; // why they wait
  #nextTry = 0; // ms
  #isRemoved = false;
  reports: KeeperReports = { waits: () => {}, recovered: () => {}, removed: () => {} };

  constructor(store?: SessionStore) {
    this.#store = store;
  }

  /** Stores all later messages in `store`. */
  open(store: SessionStore): void {
    this.#store = store;
  }

  get store(): SessionStore | undefined {
    return this.#store;
  }

  /** Id of the stored session; undefined before its first message. */
  get id(): string | undefined {
    return this.#isRemoved ? undefined : this.#id;
  }

  /** Why a part of the conversation is not on disk; undefined if all of it is. */
  get problem(): UserError | undefined {
    return this.#problem;
  }

  /** @param model reference, used if this is the first message */
  add(message: TreeMessage, model: string): void {
    if (!this.#stores) return;
    const session = this.#sessionId(model);
    this.#write(() => this.#store!.append(session, message));
  }

  /** Begins an answer that is stored while it is generated. `known` is its origin if this process dies before the end. */
  begin(
    message: Omit<TreeMessage, 'content' | 'origin'>,
    known: Partial<AnswerOrigin> & Pick<AnswerOrigin, 'model'>,
  ): AnswerWriter {
    if (!this.#stores) return NOWHERE;
    const session = this.#sessionId(known.model);
    const begin = () => this.#store!.begin(session, message, known);
    const writer = this.#writeWaiting() ? this.#attempt(begin) : undefined;
    if (writer)
      return { text: (piece) => writer.text(piece), end: (origin) => this.#write(() => writer.end(origin)) };
    let content = '';
    return {
      text(piece) {
        content += piece;
      },
      end: (origin) => this.#write(() => this.#store!.append(session, { ...message, content, origin })),
    };
  }

  setHead(head: MessageId): void {
    const { id } = this;
    if (id !== undefined) this.#write(() => this.#store!.setHead(id, head));
  }

  /** Gives the session a title, if it is stored. */
  rename(title: string): void {
    const { id } = this;
    if (id !== undefined) this.#write(() => this.#store!.rename(id, title));
  }

  /** Switches to the session `id`; to a new one without an id. */
  continueIn(id: string | undefined): void {
    this.#id = id;
    this.#isRemoved = false;
  }

  /** Stores a conversation that has not been stored so far. */
  addAll({ messages, head }: Conversation, model: string): void {
    this.continueIn(undefined);
    for (const message of messages.values()) this.add(message, model);
    if (head !== undefined) this.setHead(head);
  }

  /** Tries to store what waits, then closes the store. */
  close(): void {
    this.#nextTry = 0;
    this.#writeWaiting();
    this.#store?.close();
  }

  get #stores(): boolean {
    return this.#store !== undefined && !this.#isRemoved;
  }

  /** Creates the session if there is none. */
  #sessionId(model: string): string {
    this.#id ??= this.#store!.create({ model });
    return this.#id;
  }

  #write(work: () => void): void {
    if (!this.#stores) return;
    this.#waiting.push(work);
    this.#writeWaiting();
  }

  /** Returns whether nothing waits any more. */
  #writeWaiting(): boolean {
    if (this.#problem && performance.now() < this.#nextTry) return false;
    while (this.#waiting.length > 0 && this.#writeFirst()) this.#waiting.shift();
    if (this.#waiting.length > 0) return false;
    if (this.#problem) {
      this.#problem = undefined;
      this.reports.recovered();
    }
    return true;
  }

  #writeFirst(): boolean | undefined {
    return this.#attempt(() => {
      this.#waiting[0]!();
      return true;
    });
  }

  /** Undefined if it cannot be stored now. */
  #attempt<T>(work: () => T): T | undefined {
    const start = performance.now();
    try {
      return work();
    } catch (error) {
      if (!(error instanceof UserError)) {
        this.#waiting = []; // a fault of percept, which the caller reports; a repetition would fail again
        throw error;
      }
      const now = performance.now();
      this.#nextTry = now - start > LONG_MS ? now + REST * (now - start) : 0;
      this.#fail(error);
      return undefined;
    }
  }

  #fail(error: UserError): void {
    if (error instanceof SessionRemoved) {
      this.#waiting = [];
      this.#problem = undefined;
      this.#isRemoved = true;
      this.reports.removed();
    } else {
      const isNew = this.#problem === undefined;
      this.#problem = error;
      if (isNew) this.reports.waits(error);
    }
  }
}
