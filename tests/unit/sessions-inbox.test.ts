import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addToInbox, type Exchange, readInbox } from '../../core/sessions/inbox.ts';
import { openSessions } from '../../core/sessions/store.ts';
import { emptyFolder } from '../cli/percept.ts';
import { createdAt, ORIGIN } from './sessions-fixture.ts';

const exchange = (id: string, content: string, at = createdAt): Exchange => ({
  ...{ id, model: 'smollm2' },
  asked: [
    { role: 'system', content: 'Be brief.', createdAt: at },
    { role: 'user', content, createdAt: at },
  ],
  answer: { role: 'assistant', content: `An answer about ${content}.`, createdAt: at, origin: ORIGIN },
});

describe('the inbox of the sessions file', () => {
  it('is taken in by the next process, the oldest first, with everything', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    addToInbox(path, exchange('bbbbbbbb', 'llamas', '2026-01-03T00:00:00.000Z'));
    expect(addToInbox(path, exchange('aaaaaaaa', 'alpacas', '2026-01-02T00:00:00.000Z'))).toBe(2);
    expect(existsSync(path)).toBe(false);
    const store = await openSessions(path);
    expect(store.list().map(({ id }) => id)).toEqual(['bbbbbbbb', 'aaaaaaaa']);
    expect([...store.last()!.conversation.messages.values()]).toEqual([
      { id: 1, role: 'system', content: 'Be brief.', createdAt: '2026-01-03T00:00:00.000Z' },
      { id: 2, parent: 1, role: 'user', content: 'llamas', createdAt: '2026-01-03T00:00:00.000Z' },
      expect.objectContaining({ id: 3, parent: 2, content: 'An answer about llamas.', origin: ORIGIN }),
    ]);
    expect(store.search('alpacas')).toHaveLength(2);
    expect(readInbox(path)).toEqual([]);
    store.close();
  });

  it('is taken in once, also if two processes read it', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    addToInbox(path, exchange('aaaaaaaa', 'llamas'));
    const read = readInbox(path).map((waiting) => waiting.exchange);
    const store = await openSessions(path);
    store.add(read);
    expect(store.read('a').conversation.messages.size).toBe(3);
    store.close();
  });

  it('is for the user alone, and leaves files alone that are no exchanges', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    addToInbox(path, exchange('aaaaaaaa', 'llamas'));
    const folder = `${path}-inbox`;
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, readdirSync(folder)[0]!)).mode & 0o777).toBe(0o600);
    const wrong = { ...exchange('cccccccc', 'x'), answer: { content: 3 } };
    for (const [name, text] of Object.entries({ half: '{"id":', wrong: JSON.stringify(wrong), nil: 'null' }))
      writeFileSync(join(folder, `${name}.json`), text);
    const store = await openSessions(path);
    expect(store.list().map(({ id }) => id)).toEqual(['aaaaaaaa']);
    expect(readdirSync(folder).sort()).toEqual(['half.json', 'nil.json', 'wrong.json']);
    store.close();
  });
});
