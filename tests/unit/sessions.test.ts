import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { pathTo, type TreeMessage } from '../../core/conversation.ts';
import {
  ask,
  createdAt,
  emptyFolder,
  failure,
  messagesOf,
  ORIGIN,
  opened,
  question,
} from './sessions-fixture.ts';

describe('a session', () => {
  it('comes back as it was, branches and head included', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const store = await opened(path);
    const id = store.create({ model: 'smollm2' });
    const system: TreeMessage = { id: 1, role: 'system', content: 'Be brief.', createdAt };
    const asked = question('Why?\n你好 👩‍🚀 e\u0301 \0.', 2, 1);
    store.append(id, system);
    store.append(id, asked);
    const answers = ['Because.', ''].map((content, i) => {
      const plain = { id: 3 + i, parent: 2, role: 'assistant', createdAt } as const;
      const writer = store.begin(id, plain);
      for (const character of content) writer.text(character);
      writer.end({ ...ORIGIN, seed: i });
      return { ...plain, content, origin: { ...ORIGIN, seed: i } };
    });
    store.setHead(id, 3);
    store.close();

    const { conversation, ...summary } = (await opened(path)).read(id);
    expect([...conversation.messages.values()]).toEqual([system, asked, ...answers]);
    expect(conversation.head).toBe(3);
    expect(summary).toEqual({
      id,
      title: 'Why? 你好 👩‍🚀 e\u0301',
      model: 'smollm2',
      createdAt: expect.any(String),
      updatedAt: createdAt,
      messages: 4,
    });
  });

  it('is not stored before its first message', async () => {
    const store = await opened();
    const id = store.create({ model: 'smollm2' });
    store.rename(id, 'Plans');
    expect(store.list()).toEqual([]);
    expect(store.last()).toBeUndefined();
    expect(failure(() => store.read(id)).kind).toBe('usage');
    store.append(id, question('Hello'));
    expect(store.list()).toMatchObject([{ id, title: 'Plans', messages: 1 }]);
  });

  it('may contain a complete answer', async () => {
    const store = await opened();
    const id = store.create({ model: 'smollm2' });
    const answer: TreeMessage = { id: 1, role: 'assistant', content: 'Hello', createdAt, origin: ORIGIN };
    store.append(id, answer);
    expect(messagesOf(store, id)).toEqual([answer]);
  });

  it('refuses a message whose parent does not exist, and stores nothing', async () => {
    const store = await opened();
    const id = ask(store, 'Hello');
    expect(() => store.append(id, question('And?', 5, 4))).toThrow(RangeError);
    expect(() => store.setHead(id, 9)).toThrow('The session has no message 9.');
    expect(store.read(id).conversation.head).toBe(2);
    expect(messagesOf(store, id)).toHaveLength(2);
  });

  it('has no attached files in its title', async () => {
    const store = await opened();
    ask(store, 'Summarise @a.txt\n\na.txt:\n```txt\none\n```\n\nb.txt:\n````\ntwo\n````');
    ask(store, '\n\na.txt:\n```txt\none\n```');
    ask(store, 'What is\n\nthis: ```?');
    expect(store.list().map(({ title }) => title)).toEqual([
      ...['What is this: ```?', 'a.txt: ```txt one ```', 'Summarise @a.txt'],
    ]);
  });

  it('has the beginning of its first question for a title until it gets one', async () => {
    const store = await opened();
    const titles = () => store.list().map(({ title }) => title);
    const id = ask(store, `  Why is\n\n the sky ${'👨‍👩‍👧‍👦'.repeat(60)}`);
    expect(titles()).toEqual([`Why is the sky ${'👨‍👩‍👧‍👦'.repeat(44)}…`]);
    store.rename(id, ' The\nsky ');
    store.rename(id, ' The\nblue sky ');
    expect(titles()).toEqual(['The blue sky']);
    store.rename(id, '');
    expect(titles()[0]).toMatch(/^Why is/);
    ask(store, 'a'.repeat(61));
    expect(titles()[0]).toBe(`${'a'.repeat(59)}…`);
  });

  it('leaves no trace after it is removed', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const store = await opened(path);
    const [gone, also, stays] = ['marmalade', 'marzipan', 'margarine'].map((word) => ask(store, word, word));
    const traces = () =>
      ['', '-wal'].flatMap((end) => readFileSync(path + end, 'latin1').match(/mar(malad|zipa)/g) ?? []);
    expect(traces()).not.toEqual([]);
    store.remove(gone!, also!);
    expect(traces()).toEqual([]);
    expect(store.list().map(({ id }) => id)).toEqual([stays]);
    expect(store.search('mar')).toHaveLength(2);
    ask(store, 'more'); // writing continues
    expect(store.list()).toHaveLength(2);
  });

  it('rejects additions after another process removed it', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const [store, other] = [await opened(path), await opened(path)];
    const id = store.create({ model: 'smollm2' });
    store.append(id, question('Hello'));
    const writer = store.begin(id, { id: 2, parent: 1, role: 'assistant', createdAt });
    other.remove(id);
    writer.text('lost');
    expect(failure(() => writer.end(ORIGIN)).message).toContain('another process removed it');
    expect(failure(() => store.append(id, question('And?', 3))).message).toContain('removed');
    expect(store.list()).toEqual([]);
  });
});

describe('ids', () => {
  it('are found by their beginning, in any spelling', async () => {
    const store = await opened();
    const ids = Array.from({ length: 40 }, (_, i) => ask(store, `question ${i}`));
    expect(new Set(ids).size).toBe(40);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-hjkmnp-tv-z]{8}$/);
      expect(store.find(` ${id.toUpperCase().replaceAll('0', 'O').replaceAll('1', 'l')}`).id).toBe(id);
      const short = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => id.slice(0, n));
      const prefix = short.find((part) => ids.filter((each) => each.startsWith(part)).length === 1)!;
      expect(store.read(prefix).id).toBe(id);
    }
  });

  it('that match several sessions are an error that lists them', async () => {
    const store = await opened();
    const ids = Array.from({ length: 33 }, (_, i) => ask(store, `question ${i}`)); // two share their first character
    const first = ids.map((id) => id[0]!);
    const shared = first.find((letter, i) => first.indexOf(letter) !== i)!;
    const { message, kind } = failure(() => store.find(shared));
    expect(kind).toBe('usage');
    expect(ids.filter((id) => message.includes(id)).length).toBeGreaterThan(1);
    expect(message).toContain('2026-01-02');
  });

  it.each(['', ' ', 'zzzzzzzzz', '%', '~', 'ü', '\0'])('match no session: %j', async (prefix) => {
    const store = await opened();
    ask(store, 'Hello');
    expect(failure(() => store.find(prefix)).message).toContain('There is no session');
  });

  it('of messages are replaced if another process used them', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const [store, other] = [await opened(path), await opened(path)];
    const id = ask(store, 'Hello');
    for (const each of [store, other]) each.read(id);
    other.append(id, question('theirs', 3, 2));
    store.append(id, question('mine', 3, 2));
    other.append(id, question('theirs too', 4, 3));
    store.append(id, question('mine too', 4, 3));
    const { conversation } = store.read(id);
    expect(pathTo(conversation).map(({ content }) => content)).toEqual([
      'Hello',
      'An answer.',
      'mine',
      'mine too',
    ]);
    store.append(id, question('once more', 7, conversation.head)); // after `read`, ids are those of the file
    other.setHead(id, 4);
    expect(pathTo(store.read(id).conversation).map(({ content }) => content)).toEqual([
      ...['Hello', 'An answer.', 'theirs', 'theirs too'],
    ]);
    expect(pathTo(store.read(id).conversation, 7).map(({ content }) => content)).toEqual([
      ...['Hello', 'An answer.', 'mine', 'mine too', 'once more'],
    ]);
  });
});

describe('the list', () => {
  it('begins with the latest', async () => {
    const store = await opened();
    const [first, second, third] = ['one', 'two', 'three'].map((text) => ask(store, text));
    store.append(first!, question('more', 3, 2));
    expect(store.list().map(({ id }) => id)).toEqual([first, third, second]);
    expect(store.list({ limit: 2 }).map(({ id }) => id)).toEqual([first, third]);
    expect(store.last()!.id).toBe(first);
  });
});

describe('an answer in progress', () => {
  it('is on disk half a second later, without its end', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const [store, other] = [await opened(path), await opened(path)];
    const id = store.create({ model: 'smollm2' });
    store.append(id, question('Hello'));
    const writer = store.begin(id, { id: 2, parent: 1, role: 'assistant', createdAt });
    writer.text('Hel');
    writer.text('lo ');
    expect(messagesOf(other, id)[1]!.content).toBe('');
    await expect
      .poll(() => messagesOf(other, id)[1], { timeout: 10_000 })
      .toEqual({
        ...{ id: 2, parent: 1, role: 'assistant', createdAt },
        content: 'Hello ', // and no origin: it is unfinished
      });
    writer.text('you');
    writer.end(ORIGIN);
    expect(messagesOf(other, id)[1]).toMatchObject({ content: 'Hello you', origin: ORIGIN });
  });

  it('never stores half a character', async () => {
    const store = await opened();
    const id = store.create({ model: 'smollm2' });
    const writer = store.begin(id, { id: 1, role: 'assistant', createdAt });
    for (const half of '👋!👋') {
      for (const unit of half.split('')) {
        writer.text(unit);
        store.flush();
      }
    }
    expect(messagesOf(store, id)[0]!.content).toBe('👋!👋');
    writer.end(ORIGIN);
  });

  it('is broken off when its store is closed before the end', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const [store, other] = [await opened(path), await opened(path)];
    const id = store.create({ model: 'smollm2' });
    const writer = store.begin(id, { id: 1, role: 'assistant', createdAt }, { backend: 'cpu', seed: 5 });
    writer.text('half an answ');
    expect(other.search('answ')).toEqual([]);
    store.close();
    const broken = { model: 'smollm2', backend: 'cpu', seed: 5, finish: 'broken-off', completionTokens: 0 };
    const answer = { content: 'half an answ', origin: broken };
    expect(messagesOf(other, id)).toMatchObject([answer]);
    expect(other.search('answ')).toMatchObject([{ session: id, message: { id: 1 } }]);
    expect(messagesOf(other, id)).toMatchObject([answer]);
    expect(readdirSync(join(path, '..')).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  it('continues in memory while the file cannot be written', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const store = await opened(path);
    const id = store.create({ model: 'smollm2' });
    const writer = store.begin(id, { id: 1, role: 'assistant', createdAt });
    const blocker = new DatabaseSync(path);
    blocker.exec("CREATE TRIGGER full BEFORE INSERT ON pieces BEGIN SELECT RAISE(ABORT, 'full'); END");
    writer.text('kept ');
    store.flush();
    blocker.exec('DROP TRIGGER full');
    blocker.close();
    writer.text('whole');
    writer.end(ORIGIN);
    expect(messagesOf(store, id)[0]!.content).toBe('kept whole');
  });
});
