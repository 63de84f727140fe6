import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { pathTo } from '../../core/conversation.ts';
import { IN_MEMORY, openSessions } from '../../core/sessions/store.ts';
import { UserError } from '../../errors.ts';
import { asRoot, onWindows, titled } from '../titled.ts';
import { ask, createdAt, emptyFolder, failure, messagesOf, ORIGIN, opened } from './sessions-fixture.ts';

async function refusal(path: string): Promise<UserError> {
  const error = await openSessions(path).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).hint).toContain('--no-save');
  return error as UserError;
}

const unprotected = asRoot ?? onWindows;

describe('the file of sessions', () => {
  it.skipIf(onWindows)(titled('is private to its user, as are its new folders', onWindows), async () => {
    const path = join(emptyFolder(), 'data', 'percept', 'sessions.db');
    const store = await opened(path);
    ask(store, 'Hello');
    for (const name of readdirSync(dirname(path)).filter((name) => !name.endsWith('.lock'))) {
      expect([name, statSync(join(dirname(path), name)).mode & 0o777]).toEqual([name, 0o600]);
    }
    for (const folder of [dirname(path), dirname(dirname(path))]) {
      expect(statSync(folder).mode & 0o777).toBe(0o700);
    }
  });

  it('is one file when it is closed', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const store = await opened(path);
    ask(store, 'Hello');
    store.close();
    expect(readdirSync(dirname(path))).toEqual(['sessions.db']);
    store.close(); // again
  });

  it('can be read where its log cannot be made, but not be changed', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const store = await opened(path);
    const id = ask(store, 'Hello');
    store.close();
    mkdirSync(`${path}-wal`); // SQLite cannot make its log there, as on a disk that is mounted read-only
    expect((await refusal(path)).message).toContain('cannot be read or written');
    const reading = await openSessions(path, { reads: true });
    expect(reading.read(id).messages).toBe(2);
    expect(reading.search('hello')).toHaveLength(1);
    expect(failure(() => reading.rename(id, 'x'))).toBeInstanceOf(UserError);
    reading.close();
  });

  it('may be in memory', async () => {
    const store = await opened(IN_MEMORY);
    const id = ask(store, 'Hello');
    const writer = store.begin(id, { id: 3, parent: 2, role: 'assistant', createdAt });
    writer.text('half');
    store.flush();
    expect(messagesOf(store, id).map(({ content }) => content)).toEqual(['Hello', 'An answer.', 'half']);
    expect(store.search('hello')).toHaveLength(1);
    expect(existsSync(IN_MEMORY)).toBe(false);
  });

  it('only gets rows added', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const store = await opened(path);
    ask(store, 'Hello');
    const database = new DatabaseSync(path);
    for (const table of ['sessions', 'messages', 'pieces', 'begun', 'ends', 'heads', 'titles']) {
      database.exec(
        `CREATE TRIGGER keep_${table} BEFORE UPDATE ON ${table} BEGIN SELECT RAISE(ABORT, 'no'); END`,
      );
      database.exec(
        `CREATE TRIGGER hold_${table} BEFORE DELETE ON ${table} BEGIN SELECT RAISE(ABORT, 'no'); END`,
      );
    }
    database.close();
    const id = ask(store, 'Hello');
    store.rename(id, 'A title');
    store.rename(id, 'Another title');
    store.setHead(id, 1);
    store.begin(id, { id: 3, parent: 1, role: 'assistant', createdAt }).text('half');
    store.close();
    const later = await opened(path);
    expect(later.search('half')).toHaveLength(1); // settled
    expect(later.read(id)).toMatchObject({ title: 'Another title', messages: 3 });
  });

  it('of a newer percept is refused and not changed', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    (await opened(path)).close();
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    const before = readFileSync(path);
    const { message, hint } = await refusal(path);
    expect(message).toContain(path);
    expect(message).toMatch(/have schema 99, which is newer than schema \d+/);
    expect(hint).toContain('update');
    expect(readFileSync(path)).toEqual(before);
  });

  it.each([
    ['no database at all', 'This is a text file, not a database. '.repeat(100)],
    ['cut off', undefined],
  ])('is reported with its path if it is %s', async (_, text) => {
    const path = join(emptyFolder(), 'sessions.db');
    const store = await opened(path);
    for (let i = 0; i < 20; i++) ask(store, 'Hello '.repeat(200));
    store.close();
    writeFileSync(path, text ?? readFileSync(path).subarray(0, 9000));
    const { message } = await refusalOrLater(path);
    expect(message).toContain(`The sessions file ${path} cannot be used: it is damaged`);
  });

  it.each([
    ['a missing message', 'DELETE FROM messages WHERE id = 1', ['An answer.', 'Again', 'An answer.']],
    [
      'a cycle',
      'UPDATE messages SET parent = 4 WHERE id = 1',
      ['Hello', 'An answer.', 'Again', 'An answer.'],
    ],
    [
      'an end that is no message',
      'UPDATE heads SET message = 999',
      ['Hello', 'An answer.', 'Again', 'An answer.'],
    ],
    ['an id that is none', 'UPDATE messages SET id = -2 WHERE id = 2', ['Hello', 'Again', 'An answer.']],
    [
      'a role that is none',
      "UPDATE messages SET role = 'x' WHERE id = 1",
      ['An answer.', 'Again', 'An answer.'],
    ],
    ['an origin cut off', "UPDATE ends SET origin = '{'", ['Hello', 'An answer.', 'Again', 'An answer.']],
  ])('shows the rest of a session with %s', async (_, change, contents) => {
    const path = join(emptyFolder(), 'sessions.db');
    const store = await opened(path);
    const id = ask(store, 'Hello');
    store.append(id, { id: 3, parent: 2, role: 'user', content: 'Again', createdAt });
    const writer = store.begin(id, { id: 4, parent: 3, role: 'assistant', createdAt });
    writer.text('An answer.');
    writer.end(ORIGIN);
    store.close();
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA foreign_keys = OFF; ${change}`);
    database.close();
    const damaged = await opened(path);
    expect(messagesOf(damaged, id).map(({ content }) => content)).toEqual(contents);
    const { conversation } = damaged.read(id);
    expect(pathTo(conversation).at(-1)?.content).toBe('An answer.');
    for (const { role, origin } of conversation.messages.values()) {
      if (role === 'assistant') expect(origin).toMatchObject({ model: 'smollm2', seed: expect.any(Number) });
    }
    expect(damaged.last()?.id).toBe(id);
  });

  it('is reported with its path if it has the tables of another program', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE other (x); PRAGMA user_version = 1');
    database.close();
    const store = await opened(path);
    expect(failure(() => store.list()).message).toContain('no such table');
    expect(failure(() => ask(store, 'Hello')).hint).toContain('--no-save');
  });

  it.each(['a folder', 'a file as a folder'])('is reported with its path if it is %s', async (what) => {
    const folder = emptyFolder();
    const path = what === 'a folder' ? folder : join(folder, 'file', 'sessions.db');
    writeFileSync(join(folder, 'file'), '');
    expect((await refusal(path)).message).toContain(path);
  });

  it.skipIf(unprotected)(
    titled('is reported with its path if its folder cannot be written', unprotected),
    async () => {
      const folder = join(emptyFolder(), 'mine');
      mkdirSync(folder);
      chmodSync(folder, 0o500);
      expect((await refusal(join(folder, 'sessions.db'))).message).toContain('cannot be read or written');
    },
  );

  it.skipIf(unprotected)(titled('can be read even if it cannot be written', unprotected), async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const before = await opened(path);
    const id = ask(before, 'Hello');
    before.begin(id, { id: 3, parent: 1, role: 'assistant', createdAt });
    before.close();
    chmodSync(path, 0o400);
    const store = await opened(path);
    expect(messagesOf(store, id)).toHaveLength(3);
    expect(store.search('hello')).toHaveLength(1);
    expect(failure(() => ask(store, 'more')).message).toContain(path);
  });
});

/** The error of opening it, or of using it. */
async function refusalOrLater(path: string): Promise<UserError> {
  try {
    const store = await opened(path);
    return failure(() => {
      store.list();
      store.search('hello');
      ask(store, 'more');
    });
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
}
