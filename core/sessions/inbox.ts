/**
 * Questions from a shell and their answers, on their way into the sessions file: each is a file in a folder beside it,
 * until the next process that opens the sessions file takes them in. To open the file would cost a short answer a
 * twelfth of its time, and scripts that ask side by side would wait for each other.
 */
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../backends/make-folder.ts';
import { replaceFile } from '../../backends/whole-file.ts';
import type { AnswerOrigin } from '../conversation.ts';
import { storeError } from './store-errors.ts';

/** A conversation of one question. */
export interface Exchange {
  readonly id: string; // of the session
  readonly model: string;
  readonly asked: readonly Said[]; // an optional system message, then the question
  readonly answer: Said & { readonly origin: AnswerOrigin };
}

interface Said {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
  readonly createdAt: string; // ISO 8601
}

export interface Waiting {
  readonly file: string;
  readonly exchange: Exchange;
}

/** With more files than these, whoever adds one should open the sessions file. */
export const MOST_WAITING = 200;
/** No question and answer are as long: such a file was made by others, and is left alone. */
const LONGEST = 64e6; // bytes

/**
 * Adds an exchange to the inbox of the sessions file at `path`, readable by the user alone.
 * @returns how many wait now
 * @throws UserError if it cannot be written
 */
export function addToInbox(path: string, exchange: Exchange): number {
  const folder = inboxOf(path);
  try {
    makeFolder(folder, 0o700);
    const name = `${exchange.answer.createdAt.replace(/\D/g, '')}-${exchange.id}.json`;
    replaceFile(join(folder, name), JSON.stringify(exchange), { mode: 0o600 });
    return namesIn(folder).length;
  } catch (error) {
    throw storeError(folder, error);
  }
}

/** Whether anything waits in the inbox. */
export function hasWaiting(path: string): boolean {
  return namesIn(inboxOf(path)).length > 0;
}

/** The exchanges in the inbox, the oldest first. Files that are none are left alone. */
export function readInbox(path: string): Waiting[] {
  const folder = inboxOf(path);
  return namesIn(folder).flatMap((name) => {
    const file = join(folder, name);
    const exchange = exchangeIn(file);
    return exchange ? [{ file, exchange }] : [];
  });
}

/** Removes exchanges that are in the sessions file now, and what dead processes left of others. */
export function clearInbox(path: string, added: readonly Waiting[]): void {
  const folder = inboxOf(path);
  const left = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((file) => PARTIAL.test(file) && isOld(file));
  for (const file of [...added.map((each) => each.file), ...left]) {
    try {
      rmSync(file, { force: true });
    } catch {
      // another process has it open; what has been added is not added again
    }
  }
}

/** Names of exchanges, the oldest first. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort();
  } catch {
    return []; // as a rule there is none
  }
}

/** As replaceFile names a file before it is whole. */
const PARTIAL = /\.json\.\d+$/;
const HOUR_MS = 3_600_000;

function isOld(file: string): boolean {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats !== undefined && stats.mtimeMs < Date.now() - HOUR_MS;
}

function inboxOf(path: string): string {
  return `${path}-inbox`;
}

function exchangeIn(file: string): Exchange | undefined {
  try {
    if (statSync(file).size > LONGEST) return undefined;
    const exchange: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return isExchange(exchange) ? exchange : undefined;
  } catch {
    return undefined; // such as one that another process has just taken in
  }
}

function isExchange(value: unknown): value is Exchange {
  const { id, model, asked, answer } = Object(value);
  const said = [...(Array.isArray(asked) ? asked : []), answer].map(Object);
  return (
    /^[0-9a-z]{8}$/.test(id) &&
    typeof model === 'string' &&
    said.length > 1 &&
    said.every(({ role, content, createdAt }) => isRole(role) && isText(content) && isText(createdAt)) &&
    typeof answer.origin === 'object' &&
    answer.origin !== null
  );
}

function isRole(role: unknown): boolean {
  return role === 'system' || role === 'user' || role === 'assistant';
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}
