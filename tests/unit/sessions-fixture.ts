/** Sessions in a temporary folder, for tests. */
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { AnswerOrigin, TreeMessage } from '../../core/conversation.ts';
import { openSessions, type SessionStore } from '../../core/sessions/store.ts';
import { UserError } from '../../errors.ts';
import { emptyFolder } from '../cli/percept.ts';

export { emptyFolder };

export const createdAt = '2026-01-02T03:04:05.000Z';

export const ORIGIN: AnswerOrigin = {
  model: 'smollm2',
  backend: 'cpu',
  finish: 'stop',
  seed: 7,
  promptTokens: 12,
  completionTokens: 3,
  cachedTokens: 4,
  prefillMs: 10.5,
  decodeMs: 20.25,
};

/** A store that is closed after the test. */
export async function opened(path = join(emptyFolder(), 'sessions.db')): Promise<SessionStore> {
  const store = await openSessions(path);
  onTestFinished(() => store.close());
  return store;
}

export const question = (content: string, id = 1, parent?: number): TreeMessage => ({
  id,
  role: 'user',
  content,
  createdAt,
  ...(parent === undefined ? {} : { parent }),
});

/** A session of one question and one answer; returns its id. */
export function ask(store: SessionStore, content: string, answer = 'An answer.'): string {
  const id = store.create({ model: 'smollm2' });
  store.append(id, question(content));
  const writer = store.begin(id, { id: 2, parent: 1, role: 'assistant', createdAt });
  writer.text(answer);
  writer.end(ORIGIN);
  return id;
}

export function messagesOf(store: SessionStore, id: string): TreeMessage[] {
  return [...store.read(id).conversation.messages.values()];
}

/** The error that a user would see. */
export function failure(work: () => unknown): UserError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error('Expected it to fail.');
}
