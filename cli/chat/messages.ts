import type { Message } from '../../core/chat-template.ts';
import type { MessageId, TreeMessage } from '../../core/conversation.ts';

/**
 * The messages of a branch that the template renders: the system message first, unless it is empty; then all questions and
 * answers in order, from `first` on if that is given.
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

/** The system message that applies at the end of a branch, with the summary behind it; empty if there is neither. */
export function systemOf(path: readonly TreeMessage[]): string {
  const { instructions, summary } = systemPartsOf(path);
  return [instructions, summary].filter((part) => part !== '').join('\n\n');
}

/** What the user or the options said last, and the last summary with its heading. Either is empty if there is none. */
export function systemPartsOf(path: readonly TreeMessage[]): { instructions: string; summary: string } {
  const last = (wanted: boolean) =>
    path.findLast(({ role, content }) => role === 'system' && isSummary(content) === wanted)?.content ?? '';
  return { instructions: last(false), summary: last(true) };
}

/** Begins a system message that is a summary. It goes with the system message that applies, and does not replace it. */
const SUMMARY_HEADING = 'Summary of the conversation so far:\n';

export function summaryMessage(summary: string): string {
  return `${SUMMARY_HEADING}${summary}`;
}

function isSummary(content: string): boolean {
  return content.startsWith(SUMMARY_HEADING);
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
