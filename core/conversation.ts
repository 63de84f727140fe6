/**
 * A conversation is a tree of messages that only grows. Another answer, or another version of a question, becomes a
 * sibling of the old one. `head` is the end of the current branch. Values are immutable; functions return new ones.
 */
export type MessageId = number; // from 1, unique within a conversation

export type Role = 'system' | 'user' | 'assistant';

export interface TreeMessage {
  readonly id: MessageId;
  /** The message before it; undefined for a first message. */
  readonly parent?: MessageId;
  readonly role: Role;
  readonly content: string;
  readonly createdAt: string; // ISO 8601
  /** For answers only. */
  readonly origin?: AnswerOrigin;
}

/** How an answer was generated. */
export interface AnswerOrigin {
  readonly model: string; // reference of the model
  readonly backend: string;
  readonly finish: 'stop' | 'length' | 'aborted' | 'error' | 'broken-off'; // broken-off: its process died
  readonly stoppedBy?: 'repetition'; // beside finish 'stop'
  readonly seed: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

export interface Version {
  readonly number: number; // from 1
  readonly of: number; // two or more
}

export interface Conversation {
  /** In the order in which they were added, so a parent comes before its children. */
  readonly messages: ReadonlyMap<MessageId, TreeMessage>;
  /** The last message of the current branch; undefined if that is empty. */
  readonly head?: MessageId;
}

export const EMPTY_CONVERSATION: Conversation = { messages: new Map() };

export function nextId({ messages }: Conversation): MessageId {
  return messages.size === 0 ? 1 : Math.max(...messages.keys()) + 1;
}

/** Adds `message`, by default as the head. Throws RangeError if its parent does not exist. */
export function withMessage(
  conversation: Conversation,
  message: TreeMessage,
  head = message.id,
): Conversation {
  const { messages } = conversation;
  if (message.parent !== undefined && !messages.has(message.parent)) {
    throw new RangeError(`Message ${message.id} follows message ${message.parent}, which does not exist.`);
  }
  return { messages: new Map(messages).set(message.id, message), head };
}

/** The branch that ends at `end`, first message first; empty without an end. */
export function pathTo({ messages, head }: Conversation, end: MessageId | undefined = head): TreeMessage[] {
  const path: TreeMessage[] = [];
  for (let id = end; id !== undefined; id = path.at(-1)!.parent) path.push(messages.get(id)!);
  return path.reverse();
}

/** Messages with the same parent as `id`, including itself, oldest first. */
export function siblingsOf({ messages }: Conversation, id: MessageId): TreeMessage[] {
  const { parent } = messages.get(id)!;
  return childrenOf({ messages }, parent);
}

/** The number of a message among siblings of its role; undefined if it has none. */
export function versionOf(conversation: Conversation, id: MessageId): Version | undefined {
  const { role } = conversation.messages.get(id)!;
  const versions = siblingsOf(conversation, id).filter((sibling) => sibling.role === role);
  if (versions.length === 1) return undefined;
  return { number: versions.findIndex((sibling) => sibling.id === id) + 1, of: versions.length };
}

/** Messages whose parent is `id`, oldest first. For undefined: the first messages. */
export function childrenOf({ messages }: Conversation, id: MessageId | undefined): TreeMessage[] {
  return [...messages.values().filter(({ parent }) => parent === id)];
}

/** The newest leaf below `id`, or `id` itself. */
export function newestLeafBelow({ messages }: Conversation, id: MessageId): MessageId {
  const below = new Set([id]);
  let newest = id;
  for (const message of messages.values()) {
    if (message.parent === undefined || !below.has(message.parent)) continue;
    below.add(message.id);
    newest = message.id;
  }
  return newest;
}

/** The leaves: the last messages of all branches, oldest first. */
export function leavesOf(conversation: Conversation): TreeMessage[] {
  const { messages } = conversation;
  const followed = new Set(messages.values().map(({ parent }) => parent));
  return [...messages.values().filter(({ id }) => !followed.has(id))];
}
