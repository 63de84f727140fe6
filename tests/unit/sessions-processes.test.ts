import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { pathTo } from '../../core/conversation.ts';
import { ask, createdAt, emptyFolder, messagesOf, ORIGIN, opened, question } from './sessions-fixture.ts';

const STORE = pathToFileURL(resolve(import.meta.dirname, '../../core/sessions/store.ts')).href;

/** A process that runs `script` with `store` opened at `path`; its stdout is a line for each step. */
function processWith(path: string, script: string): ChildProcess {
  const setting = { createdAt, ORIGIN, path };
  const code = `
    const { openSessions } = await import(${JSON.stringify(STORE)});
    const { createdAt, ORIGIN, path } = ${JSON.stringify(setting)};
    const store = await openSessions(path);
    ${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** Waits for its end; returns how it ended. */
async function ended(child: ChildProcess): Promise<unknown> {
  const [code, signal] = await once(child, 'close');
  return signal ?? code;
}

function integrityOf(path: string): unknown {
  const database = new DatabaseSync(path);
  const [row] = database.prepare('PRAGMA integrity_check').all();
  database.exec("INSERT INTO words (words) VALUES ('integrity-check')");
  database.close();
  return row!.integrity_check;
}

describe('two processes that write at once', () => {
  const APPENDS = 300;
  const script = `
    const id = store.create({ model: 'smollm2' });
    console.log(id);
    store.append(id, { id: 1, role: 'user', content: 'question 1', createdAt });
    for (let n = 2; n <= ${APPENDS}; n += 2) {
      const writer = store.begin(id, { id: n, parent: n - 1, role: 'assistant', createdAt });
      writer.text('answer ');
      store.flush();
      writer.text(String(n));
      writer.end(ORIGIN);
      store.append(id, { id: n + 1, parent: n, role: 'user', content: 'question ' + (n + 1), createdAt });
    }
    store.close();`;

  it('lose nothing, even in a file that both create', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const children = [processWith(path, script), processWith(path, script), processWith(path, script)];
    expect(await Promise.all(children.map(ended))).toEqual([0, 0, 0]);
    expect(integrityOf(path)).toBe('ok');
    const store = await opened(path);
    expect(store.list()).toHaveLength(3);
    for (const { id } of store.list()) {
      const texts = pathTo(store.read(id).conversation).map(({ content }) => content);
      const expected = Array.from(
        { length: APPENDS + 1 },
        (_, i) => `${i % 2 === 0 ? 'question' : 'answer'} ${i + 1}`,
      );
      expect(texts).toEqual(expected);
    }
    expect(store.search('answer 300')).toHaveLength(3);
  });

  it('continue one session on separate branches', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const store = await opened(path);
    const id = ask(store, 'Hello');
    const goOn = (name: string) => `
      store.read('${id}');
      for (let n = 3; n < 103; n++) {
        store.append('${id}', { id: n, parent: n - 1, role: 'user', content: '${name} ' + n, createdAt });
      }
      store.close();`;
    const children = [processWith(path, goOn('a')), processWith(path, goOn('b'))];
    expect(await Promise.all(children.map(ended))).toEqual([0, 0]);
    const { conversation } = store.read(id);
    expect(conversation.messages.size).toBe(202);
    for (const name of ['a', 'b']) {
      const end = [...conversation.messages.values()].find(({ content }) => content === `${name} 102`)!;
      const branch = pathTo(conversation, end.id).map(({ content }) => content);
      const own = Array.from({ length: 100 }, (_, i) => `${name} ${i + 3}`);
      expect(branch.slice(-100)).toEqual(own);
    }
  });
});

describe('a process that is killed in the middle of an answer', () => {
  /** Writes a numbered word every 5 ms and reports each. */
  const STREAM = `
    const id = store.create({ model: 'smollm2' });
    store.append(id, { id: 1, role: 'user', content: 'Count.', createdAt });
    const writer = store.begin(id, { id: 2, parent: 1, role: 'assistant', createdAt }, { backend: 'cpu', seed: 3 });
    let n = 0;
    setInterval(() => {
      writer.text(' ' + n);
      console.log(n++, performance.timeOrigin + performance.now(), id);
    }, 5);`;

  it('loses at most the text of the last second', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const child = processWith(path, STREAM);
    const said: [word: number, at: number][] = [];
    let id = '';
    const lines = createInterface({ input: child.stdout! });
    lines.on('line', (line) => {
      const [word, at, session] = line.split(' ');
      said.push([Number(word), Number(at)]);
      id = session!;
    });
    await expect.poll(() => said.length, { timeout: 30_000 }).toBeGreaterThan(300);
    const store = await opened(path);
    expect(messagesOf(store, id)[1]!.origin).toBeUndefined(); // it is alive
    child.kill('SIGKILL');
    expect(await ended(child)).toBe('SIGKILL');

    const answer = messagesOf(store, id)[1]!;
    expect(answer.origin).toMatchObject({ finish: 'broken-off', model: 'smollm2', backend: 'cpu', seed: 3 });
    const kept = answer.content.trim().split(' ').map(Number);
    expect(kept).toEqual(kept.map((_, i) => i));
    const last = said.at(-1)![1];
    expect(said.filter(([word, at]) => word >= kept.length && at < last - 1000)).toEqual([]);

    expect(store.search('42')).toMatchObject([{ session: id, message: { id: 2 } }]);
    store.append(id, question('Go on.', 3, 2));
    const writer = store.begin(id, { id: 4, parent: 3, role: 'assistant', createdAt });
    writer.end(ORIGIN);
    expect(store.read(id).messages).toBe(4);
    store.close();
    expect(readdirSync(dirname(path))).toEqual(['sessions.db']); // the lock of the dead one is swept away
    expect(integrityOf(path)).toBe('ok');
  });

  it('does not touch answers of live processes', async () => {
    const path = join(emptyFolder(), 'sessions.db');
    const child = processWith(path, STREAM);
    const [line] = await once(createInterface({ input: child.stdout! }), 'line');
    const id = line.split(' ')[2];
    const store = await opened(path);
    ask(store, 'Hello'); // begins an answer, which sweeps
    store.search('hello');
    expect(messagesOf(store, id)[1]!.origin).toBeUndefined();
    child.kill('SIGKILL');
    await ended(child);
    expect(messagesOf(store, id)[1]!.origin!.finish).toBe('broken-off');
  });
});
