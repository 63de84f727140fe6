/** Facts about a message in words: role, ending, time. */
import type { AnswerOrigin, Role, TreeMessage } from '../../core/conversation.ts';

export const ROLE_NAMES: Readonly<Record<Role, string>> = {
  system: 'System',
  user: 'User',
  assistant: 'Assistant',
};

const FINISHES: Readonly<Record<AnswerOrigin['finish'], string | undefined>> = {
  stop: undefined,
  length: 'cut off at the limit',
  aborted: 'stopped',
  error: 'ended by an error',
  'broken-off': 'interrupted',
};

/** Why an answer is incomplete. Undefined for a complete one. */
export function unfinished({ role, origin }: TreeMessage): string | undefined {
  if (role !== 'assistant') return undefined;
  return origin ? FINISHES[origin.finish] : 'in progress';
}

/** Local time to the minute: 2026-01-02 03:04. */
export function localTime(iso: string): string {
  return new Date(iso).toLocaleString('sv-SE', { dateStyle: 'short', timeStyle: 'short' });
}

export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
