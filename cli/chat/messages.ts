import type { Message } from '../../core/chat-template.ts';
import type { TreeMessage } from '../../core/conversation.ts';

/**
 * What the model is given of a branch: the last system message written on it, in front, unless it is empty; then the
 * others in their order.
 */
export function messagesOf(path: readonly TreeMessage[]): Message[] {
  const system = systemOf(path);
  const spoken = path.filter(({ role }) => role !== 'system').map(({ role, content }) => ({ role, content }));
  return system === '' ? spoken : [{ role: 'system', content: system }, ...spoken];
}

/** The system message that holds at the end of a branch; empty where there is none. */
export function systemOf(path: readonly TreeMessage[]): string {
  return path.findLast(({ role }) => role === 'system')?.content ?? '';
}

/** Questions and answers of a branch, numbered from 1 as the user sees them. */
export interface Turn {
  readonly number: number;
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
