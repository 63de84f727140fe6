/**
 * A conversation is a tree of messages that only grows: an answer tried again and a message written anew become
 * siblings of the old ones, and `head` says which branch is read on. Values are immutable; functions return new ones.
 */
export type MessageId = number; // numbered from 1 within its conversation

export type Role = 'system' | 'user' | 'assistant';

export interface TreeMessage {
  readonly id: MessageId;
  /** What it follows; absent for the first one. */
  readonly parent?: MessageId;
  readonly role: Role;
  readonly content: string;
  readonly createdAt: string; // ISO 8601
  /** Of an answer. */
  readonly origin?: AnswerOrigin;
}

/** How an answer came about. */
export interface AnswerOrigin {
  readonly model: string; // reference of the model
  readonly backend: string;
  readonly finish: 'stop' | 'length' | 'aborted' | 'error' | 'broken-off'; // broken-off: its process died
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
  /** In the order in which they were added: a message after the one that it follows. */
  readonly messages: ReadonlyMap<MessageId, TreeMessage>;
  /** The last message of the branch that is read; absent while there is none. */
  readonly head?: MessageId;
}

export const EMPTY_CONVERSATION: Conversation = { messages: new Map() };

export function nextId({ messages }: Conversation): MessageId {
  return messages.size === 0 ? 1 : Math.max(...messages.keys()) + 1;
}

/** With `message` added and, unless told otherwise, read on from there. Throws RangeError for a parent it lacks. */
export function withMessage(
  conversation: Conversation,
  message: TreeMessage,
  head = message.id,
): Conversation {
  const { messages } = conversation;
  if (message.parent !== undefined && !messages.has(message.parent)) {
    throw new RangeError(`Message ${message.id} follows message ${message.parent}, which is not there.`);
  }
  return { messages: new Map(messages).set(message.id, message), head };
}

/** The branch that ends in `head`, first message first; empty without one. */
export function pathTo({ messages, head }: Conversation, end: MessageId | undefined = head): TreeMessage[] {
  const path: TreeMessage[] = [];
  for (let id = end; id !== undefined; id = path.at(-1)!.parent) path.push(messages.get(id)!);
  return path.reverse();
}

/** Messages that follow the same one, itself among them, oldest first. */
export function siblingsOf({ messages }: Conversation, id: MessageId): TreeMessage[] {
  const { parent } = messages.get(id)!;
  return childrenOf({ messages }, parent);
}

/** Which of how many messages of its role follow the same one; undefined where it stands alone. */
export function versionOf(conversation: Conversation, id: MessageId): Version | undefined {
  const { role } = conversation.messages.get(id)!;
  const versions = siblingsOf(conversation, id).filter((sibling) => sibling.role === role);
  if (versions.length === 1) return undefined;
  return { number: versions.findIndex((sibling) => sibling.id === id) + 1, of: versions.length };
}

/** What follows a message, oldest first; of `undefined` the first messages. */
export function childrenOf({ messages }: Conversation, id: MessageId | undefined): TreeMessage[] {
  return [...messages.values().filter(({ parent }) => parent === id)];
}

/** The end of the branch below `id` that was written to last. */
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

/** Ends of all branches, in the order they were begun. */
export function leavesOf(conversation: Conversation): TreeMessage[] {
  const { messages } = conversation;
  const followed = new Set(messages.values().map(({ parent }) => parent));
  return [...messages.values().filter(({ id }) => !followed.has(id))];
}
