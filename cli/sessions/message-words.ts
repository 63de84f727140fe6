/** Facts about a message in words: role, ending, time. */
import { basename } from 'node:path';
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

const MINUTE = 60; // seconds
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Time since `iso`, short: "5 min", "3 h", "12 d"; after 99 days its date. */
export function age(iso: string, now = Date.now()): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  if (Number.isNaN(seconds)) return '';
  if (seconds < MINUTE) return 'now';
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  if (seconds < 100 * DAY) return `${Math.floor(seconds / DAY)} d`;
  return localTime(iso).slice(0, 10);
}

/** The reference of a model; for a file, only its name. */
export function modelName(model: string): string {
  return /[\\/]/.test(model) && !/^\w+:/.test(model) ? basename(model) : model;
}
