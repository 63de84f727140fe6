import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addToInbox, type Exchange, readInbox } from '../../core/sessions/inbox.ts';
import { IN_MEMORY, openSessions } from '../../core/sessions/store.ts';
import { emptyFolder } from '../cli/percept.ts';
import { within } from '../working-directory.ts';
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

  it('is taken in once, and nothing that was removed comes back', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    addToInbox(path, exchange('aaaaaaaa', 'llamas'));
    const late = readInbox(path);
    const store = await openSessions(path);
    store.add(() => late);
    expect(store.read('a').conversation.messages.size).toBe(3);
    store.remove('aaaaaaaa');
    store.add(() => readInbox(path));
    expect(store.list()).toEqual([]);
    store.close();
  });

  it('does not come before what was said later', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const chat = await openSessions(path);
    const session = chat.create({ model: 'smollm2' });
    addToInbox(path, exchange('aaaaaaaa', 'llamas', '2026-01-02T10:30:00.000Z'));
    chat.append(session, { id: 1, role: 'user', content: 'later', createdAt: '2026-01-02T10:40:00.000Z' });
    const store = await openSessions(path);
    expect(store.last()!.id).toBe(session);
    expect(store.list().map(({ id }) => id)).toEqual([session, 'aaaaaaaa']);
    expect(store.list({ limit: 1 }).map(({ id }) => id)).toEqual([session]);
    for (const each of [chat, store]) each.close();
  });

  it('is not that of the working directory for sessions in memory', async () => {
    const folder = emptyFolder();
    within(folder);
    addToInbox(join(folder, IN_MEMORY), exchange('aaaaaaaa', 'llamas'));
    const store = await openSessions(IN_MEMORY);
    expect(store.list()).toEqual([]);
    expect(readInbox(join(folder, IN_MEMORY))).toHaveLength(1);
    store.close();
  });

  it('counts what waits, and loses leftovers of dead processes', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const left = join(`${path}-inbox`, 'x.json.99');
    addToInbox(path, exchange('aaaaaaaa', 'llamas'));
    writeFileSync(left, '{');
    expect(addToInbox(path, exchange('bbbbbbbb', 'alpacas'))).toBe(2);
    utimesSync(left, 0, 0);
    (await openSessions(path)).close();
    expect(readdirSync(`${path}-inbox`)).toEqual([]);
  });

  it('is for the user alone, and leaves files alone that are no exchanges', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    addToInbox(path, exchange('aaaaaaaa', 'llamas'));
    const folder = `${path}-inbox`;
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, readdirSync(folder)[0]!)).mode & 0o777).toBe(0o600);
    const wrong = { ...exchange('cccccccc', 'x'), answer: { content: 3 } };
    const noOrigin = { ...exchange('dddddddd', 'x') };
    Object.assign(noOrigin.answer, { origin: null });
    for (const [name, text] of Object.entries({
      half: '{"id":',
      wrong: JSON.stringify(wrong),
      nil: 'null',
      none: JSON.stringify(noOrigin),
    }))
      writeFileSync(join(folder, `${name}.json`), text);
    const store = await openSessions(path);
    expect(store.list().map(({ id }) => id)).toEqual(['aaaaaaaa']);
    expect(readdirSync(folder).sort()).toEqual(['half.json', 'nil.json', 'none.json', 'wrong.json']);
    store.close();
  });
});
