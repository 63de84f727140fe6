/** Keeps a conversation on disk as it grows; does nothing where nothing is to be kept. */
import type { AnswerOrigin, Conversation, MessageId, TreeMessage } from '../../core/conversation.ts';
import type { AnswerWriter, SessionStore } from '../../core/sessions/store.ts';

const NOWHERE: AnswerWriter = { text: () => {}, end: () => {} };

export class SessionKeeper {
  #store: SessionStore | undefined;
  #id: string | undefined;

  constructor(store?: SessionStore) {
    this.#store = store;
  }

  /** From here on it is kept there. */
  open(store: SessionStore): void {
    this.#store = store;
  }

  get store(): SessionStore | undefined {
    return this.#store;
  }

  /** Of the session that is kept; absent before its first message. */
  get id(): string | undefined {
    return this.#id;
  }

  /** @param model reference of the one talked to */
  add(message: TreeMessage, model: string): void {
    if (this.#store) this.#store.append(this.#begun(model), message);
  }

  /** An answer that is to be written as it comes; `known` is what there is to say of it should it break off. */
  begin(
    message: Omit<TreeMessage, 'content' | 'origin'>,
    known: Partial<AnswerOrigin> & Pick<AnswerOrigin, 'model'>,
  ): AnswerWriter {
    return this.#store ? this.#store.begin(this.#begun(known.model), message, known) : NOWHERE;
  }

  setHead(head: MessageId): void {
    if (this.#id !== undefined) this.#store?.setHead(this.#id, head);
  }

  /** Gives the session a title, if one is kept. */
  rename(title: string): void {
    if (this.#id !== undefined) this.#store?.rename(this.#id, title);
  }

  /** What comes next belongs to another session: a new one, or that of `id`. */
  continueIn(id: string | undefined): void {
    this.#id = id;
  }

  /** Everything of a conversation that began without being kept. */
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

  #begun(model: string): string {
    this.#id ??= this.#store!.create({ model });
    return this.#id;
  }
}
