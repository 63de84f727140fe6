/** The conversation and the branch of it that is shown. Messages are only ever added, and stored on disk as they are. */
import {
  type Conversation,
  childrenOf,
  EMPTY_CONVERSATION,
  type MessageId,
  newestLeafBelow,
  nextId,
  pathTo,
  type Role,
  siblingsOf,
  type TreeMessage,
  type Version,
  versionOf,
  withMessage,
} from '../../core/conversation.ts';
import type { StoredSession } from '../../core/sessions/store.ts';
import type { ChatState } from './chat-state.ts';
import type { PacedState } from './paced-state.ts';
import type { SessionKeeper } from './session-keeper.ts';
import { replay, type Transcript } from './transcript.ts';

interface BranchOptions {
  readonly state: PacedState<ChatState>;
  readonly transcript: Transcript;
  readonly keeper: SessionKeeper;
  /** Reference of the model that the user talks to, for a new session. */
  readonly reference: () => string;
}

/** A message before it has its content. */
export type Draft = Pick<TreeMessage, 'id' | 'parent' | 'createdAt' | 'role'>;

export class Branch {
  readonly #state: PacedState<ChatState>;
  readonly #transcript: Transcript;
  readonly #keeper: SessionKeeper;
  readonly #reference: () => string;

  constructor({ state, transcript, keeper, reference }: BranchOptions) {
    this.#state = state;
    this.#transcript = transcript;
    this.#keeper = keeper;
    this.#reference = reference;
  }

  get conversation(): Conversation {
    return this.#state.store.get().conversation;
  }

  /** Its messages, first message first. */
  get path(): TreeMessage[] {
    return pathTo(this.conversation);
  }

  /** The branch from the first message to `message`. */
  pathTo(message: MessageId | undefined): TreeMessage[] {
    return pathTo(this.conversation, message);
  }

  versionOf(message: MessageId): Version | undefined {
    return versionOf(this.conversation, message);
  }

  /** Number of answers that `question` has. */
  answerCount(question: MessageId): number {
    return childrenOf(this.conversation, question).filter(({ role }) => role === 'assistant').length;
  }

  // ----- adding

  draft(role: Role, parent: MessageId | undefined): Draft {
    return { id: nextId(this.conversation), parent, role, createdAt: new Date().toISOString() };
  }

  /** Adds a message that asks for no answer. */
  note(role: Role, content: string): void {
    this.add({ ...this.draft(role, this.conversation.head), content });
  }

  /** Adds a message, stores it, and makes it the head. */
  add(message: TreeMessage): void {
    this.addStored(message);
    this.#keeper.add(message, this.#reference());
    const { id } = this.#keeper;
    if (id !== undefined && this.#state.store.get().session?.id !== id) this.#state.now({ session: { id } });
  }

  /** Adds a message that is on disk already, and makes it the head. */
  addStored(message: TreeMessage): void {
    this.#state.now({ conversation: withMessage(this.conversation, message) });
  }

  // ----- moving

  /** Makes `head` the last message of the branch; without one, the branch is empty. No message is removed. */
  moveTo(head: MessageId | undefined): void {
    const conversation = { ...this.conversation, head };
    this.#state.now({ conversation, contextUsed: contextOf(pathTo(conversation)) });
    if (head !== undefined) this.#keeper.setHead(head);
  }

  /** Switches to the newest leaf below `message` and prints the messages that branch adds. */
  switchTo(message: MessageId): void {
    const before = new Set(this.path.map(({ id }) => id));
    this.moveTo(newestLeafBelow(this.conversation, message));
    const added = this.path.filter(({ id }) => !before.has(id));
    replay(this.#transcript, this.conversation, added);
  }

  /** Switches to the next or previous version of the last message that has several. Returns whether there is one. */
  switchVersion(step: -1 | 1): boolean {
    const last = this.path.findLast(({ id }) => this.versionOf(id) !== undefined);
    if (!last) return false;
    const versions = siblingsOf(this.conversation, last.id).filter(({ role }) => role === last.role);
    const version = versions[versions.findIndex(({ id }) => id === last.id) + step];
    if (version) this.switchTo(version.id);
    return version !== undefined;
  }

  // ----- sessions

  /** Starts a new conversation. A stored one stays on disk. */
  startOver(): void {
    this.#keeper.continueIn(undefined);
    this.#state.now({
      conversation: EMPTY_CONVERSATION,
      session: undefined,
      contextUsed: 0,
      speed: undefined,
    });
  }

  /** Continues a stored session, and prints it. */
  resume({ id, title, conversation }: StoredSession): void {
    this.#keeper.continueIn(id);
    this.#state.now({ conversation, session: { id, title }, contextUsed: contextOf(pathTo(conversation)) });
    this.#transcript.add({ kind: 'cut', title });
    replay(this.#transcript, conversation, this.path);
  }

  /** Stores the conversation, if it is not stored yet, and gives it a title, unless that is empty. Returns its id. */
  save(title: string): string {
    if (this.#keeper.id === undefined) this.#keeper.addAll(this.conversation, this.#reference());
    if (title !== '') this.#keeper.rename(title);
    const id = this.#keeper.id!;
    this.#state.now({ session: { id, title: title || undefined } });
    return id;
  }
}

/** Tokens of a branch up to its last answer, as counted when that was generated. */
function contextOf(path: readonly TreeMessage[]): number {
  const origin = path.findLast((message) => message.origin)?.origin;
  return origin ? origin.promptTokens + origin.completionTokens : 0;
}
