/** What people are told of a message besides its text. */
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
  'broken-off': 'broken off',
};

/** Why an answer is not a whole one; undefined for one that is. */
export function unfinished({ role, origin }: TreeMessage): string | undefined {
  if (role !== 'assistant') return undefined;
  return origin ? FINISHES[origin.finish] : 'being written';
}

/** To the minute, by the clock of this place: 2026-01-02 03:04. */
export function localTime(iso: string): string {
  return new Date(iso).toLocaleString('sv-SE', { dateStyle: 'short', timeStyle: 'short' });
}

export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
