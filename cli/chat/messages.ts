import type { Message } from '../../core/chat-template.ts';
import type { MessageId, TreeMessage } from '../../core/conversation.ts';

/**
 * The messages of a branch that the template renders: the last system message first, unless it is empty; then all
 * questions and answers in order, from `first` on if that is given.
 */
export function messagesOf(path: readonly TreeMessage[], first?: MessageId): Message[] {
  const system = systemOf(path);
  const start = Math.max(
    0,
    path.findIndex(({ id }) => id === first),
  );
  const others = path
    .slice(start)
    .filter(({ role }) => role !== 'system')
    .map(({ role, content }) => ({ role, content }));
  return system === '' ? others : [{ role: 'system', content: system }, ...others];
}

/** The system message that applies at the end of a branch; empty if there is none. */
export function systemOf(path: readonly TreeMessage[]): string {
  return path.findLast(({ role }) => role === 'system')?.content ?? '';
}

/** A question with its answer. */
export interface Turn {
  readonly number: number; // from 1
  readonly question: TreeMessage;
  readonly answer?: TreeMessage;
}

/** The last answer of a branch. */
export function lastAnswerOf(path: readonly TreeMessage[]): TreeMessage | undefined {
  return path.findLast(({ role }) => role === 'assistant');
}

export function turnsOf(path: readonly TreeMessage[]): Turn[] {
  const turns: Turn[] = [];
  for (const message of path) {
    if (message.role === 'user') turns.push({ number: turns.length + 1, question: message });
    const last = turns.at(-1);
    if (message.role === 'assistant' && last) turns[turns.length - 1] = { ...last, answer: message };
  }
  return turns;
}
