/** Stores a conversation on disk as it grows. Does nothing without a store. */
import type { AnswerOrigin, Conversation, MessageId, TreeMessage } from '../../core/conversation.ts';
import type { AnswerWriter, SessionStore } from '../../core/sessions/store.ts';

const NOWHERE: AnswerWriter = { text: () => {}, end: () => {} };

export class SessionKeeper {
  #store: SessionStore | undefined;
  #id: string | undefined;

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
    return this.#id;
  }

  /** @param model reference, used if this is the first message */
  add(message: TreeMessage, model: string): void {
    if (this.#store) this.#store.append(this.#sessionId(model), message);
  }

  /** Begins an answer that is stored while it is generated. `known` is its origin if this process dies before the end. */
  begin(
    message: Omit<TreeMessage, 'content' | 'origin'>,
    known: Partial<AnswerOrigin> & Pick<AnswerOrigin, 'model'>,
  ): AnswerWriter {
    return this.#store ? this.#store.begin(this.#sessionId(known.model), message, known) : NOWHERE;
  }

  setHead(head: MessageId): void {
    if (this.#id !== undefined) this.#store?.setHead(this.#id, head);
  }

  /** Gives the session a title, if it is stored. */
  rename(title: string): void {
    if (this.#id !== undefined) this.#store?.rename(this.#id, title);
  }

  /** Switches to the session `id`; to a new one without an id. */
  continueIn(id: string | undefined): void {
    this.#id = id;
  }

  /** Stores a conversation that has not been stored so far. */
  addAll({ messages, head }: Conversation, model: string): void {
    for (const { origin, ...message } of messages.values()) {
      if (message.role !== 'assistant') this.add(message, model);
      else this.#copyAnswer(message, origin, model);
    }
    if (head !== undefined) this.setHead(head);
  }

  close(): void {
    this.#store?.close();
  }

  #copyAnswer(message: Omit<TreeMessage, 'origin'>, origin: AnswerOrigin | undefined, model: string): void {
    const writer = this.begin(message, { model, ...origin });
    writer.text(message.content);
    if (origin) writer.end(origin);
  }

  /** Creates the session if there is none. */
  #sessionId(model: string): string {
    this.#id ??= this.#store!.create({ model });
    return this.#id;
  }
}
