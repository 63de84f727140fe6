import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openSessions, type SessionStore } from '../../core/sessions/store.ts';
import { createdAt, ORIGIN } from '../unit/sessions-fixture.ts';
import { emptyFolder, finished, percept, start, TINY_MODEL } from './percept.ts';

interface Home {
  readonly env: Readonly<Record<string, string>>;
  readonly store: SessionStore;
}

/** A home whose sessions the test keeps open, as a chat does. */
async function homeWithSessions(): Promise<Home> {
  const home = emptyFolder();
  const store = await openSessions(join(home, 'sessions.db'));
  onTestFinished(() => store.close());
  return { env: { PERCEPT_HOME: home }, store };
}

/** A question and two answers; the second is on the current branch. */
function ask(store: SessionStore, question: string, answers = ['An answer.', 'Another answer.']): string {
  const session = store.create({ model: 'smollm2' });
  store.append(session, { id: 1, role: 'user', content: question, createdAt });
  for (const [i, content] of answers.entries()) {
    store.append(session, { id: 2 + i, parent: 1, role: 'assistant', content, createdAt, origin: ORIGIN });
  }
  return session;
}

const json = async (args: readonly string[], env: Home['env']) => {
  const { stdout, stderr, code } = await percept([...args, '--json'], { env });
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  return JSON.parse(stdout);
};

describe('percept sessions', () => {
  it('reports that there are none, and creates no file', async () => {
    const home = emptyFolder();
    const { stdout, stderr, code } = await percept(['sessions'], { env: { PERCEPT_HOME: home } });
    expect({ stdout, code }).toEqual({ stdout: '', code: 0 });
    expect(stderr).toContain('percept chat');
    expect(existsSync(join(home, 'sessions.db'))).toBe(false);
  });

  it('lists them in aligned columns, the latest first', async () => {
    const { env, store } = await homeWithSessions();
    const [first, second] = [ask(store, 'Why is the sky blue?'), ask(store, '你好\u001b[2J世界')];
    store.rename(first, '天空');
    const { stdout } = await percept(['sessions', 'list'], { env });
    const [one, two, ...rest] = stdout.split('\n');
    expect(one).toMatch(
      new RegExp(`^${second}  2026-01-0\\d \\d\\d:\\d\\d  3 messages  smollm2  你好␛\\[2J世界$`),
    );
    expect(two).toMatch(new RegExp(`^${first}  .*  smollm2  天空$`));
    expect(rest).toEqual(['']);
    expect((await percept(['sessions', '--names', '--limit', '1'], { env })).stdout).toBe(`${second}\n`);
    expect(await json(['sessions', '--limit', '1'], env)).toEqual({
      sessions: [
        {
          ...{ id: second, title: '你好\u001b[2J世界', model: 'smollm2', message_count: 3 },
          ...{ created_at: expect.any(String), updated_at: createdAt },
        },
      ],
    });
  });

  it('show prints the current branch', async () => {
    const { env, store } = await homeWithSessions();
    const id = ask(store, 'Why?');
    store.append(id, { id: 4, parent: 3, role: 'user', content: 'And?', createdAt });
    const writer = store.begin(id, { id: 5, parent: 4, role: 'assistant', createdAt }, { backend: 'cpu' });
    writer.text('half');
    store.flush();
    const { stdout } = await percept(['sessions', 'show', id.slice(0, 6)], { env });
    expect(stdout.split('\n').slice(2)).toEqual([
      ...['', 'User', 'Why?', '', 'Assistant ‹ 2/2 ›', 'Another answer.'],
      ...['', 'User', 'And?', '', 'Assistant in progress', 'half', ''],
    ]);
    const report = await json(['sessions', 'show', id], env);
    expect(report).toMatchObject({ id, title: 'Why?', model: 'smollm2', head: 5 });
    expect(report.messages.map(({ id }: { id: number }) => id)).toEqual([1, 3, 4, 5]);
    expect(report.messages[1]).toEqual({
      ...{ id: 3, parent: 1, role: 'assistant', content: 'Another answer.', created_at: createdAt },
      siblings: [2, 3],
      origin: {
        ...{ model: 'smollm2', backend: 'cpu', finish: 'stop', seed: 7, prompt_tokens: 12 },
        ...{ completion_tokens: 3, cached_tokens: 4, prefill_ms: 10.5, decode_ms: 20.25 },
      },
    });
  });

  it('export writes Markdown, or the whole tree as JSON', async () => {
    const { env, store } = await homeWithSessions();
    const id = ask(store, 'Why?');
    store.setHead(id, 2);
    const { stdout } = await percept(['sessions', 'export', id], { env });
    expect(stdout).toBe(
      ['# Why?', '## User', 'Why?', '## Assistant', '*smollm2, version 1 of 2*', 'An answer.\n'].join('\n\n'),
    );
    const tree = await json(['sessions', 'export', id], env);
    expect(tree.head).toBe(2);
    expect(tree.messages.map(({ content }: { content: string }) => content)).toEqual([
      ...['Why?', 'An answer.', 'Another answer.'],
    ]);
  });

  it('search finds messages, grouped by session', async () => {
    const { env, store } = await homeWithSessions();
    const id = ask(store, 'Why is\nthe sky blue?', ['Rayleigh scattering.']);
    const { stdout } = await percept(['sessions', 'search', 'scatt', 'ray'], { env });
    expect(stdout).toBe(`${id}  Why is the sky blue?\n  assistant: Rayleigh scattering.\n`);
    expect(await json(['sessions', 'search', 'sky'], env)).toEqual({
      query: 'sky',
      hits: [
        {
          ...{ session: id, title: 'Why is the sky blue?', message: 1, role: 'user', created_at: createdAt },
          ...{ snippet: 'Why is the sky blue?', matches: [[11, 3]] },
        },
      ],
    });
    const none = await percept(['sessions', 'search', '"'], { env });
    expect(none.code).toBe(2);
    expect((await percept(['sessions', 'search', 'nowhere'], { env })).stdout).toBe('');
  });

  it('rename gives a title', async () => {
    const { env, store } = await homeWithSessions();
    const id = ask(store, 'Why?');
    expect(await json(['sessions', 'rename', id, 'About', 'the sky'], env)).toEqual({
      id,
      title: 'About the sky',
    });
    expect(store.find(id).title).toBe('About the sky');
    const { stderr } = await percept(['sessions', 'rename', id, ''], { env });
    expect(stderr).toBe(`Renamed ${id}: Why?\n`);
  });

  it('rm asks, deletes several, and deletes nothing if one is unknown', async () => {
    const { env, store } = await homeWithSessions();
    const [first, second, third] = ['one', 'two', 'three'].map((text) => ask(store, text));
    const refused = await percept(['sessions', 'rm', first!], { env });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`percept sessions rm -y ${first}`);
    expect((await percept(['sessions', 'rm', '-y', first!, 'zzzzzzzzz'], { env })).code).toBe(2);
    expect(store.list()).toHaveLength(3);
    expect(await json(['sessions', 'rm', '-y', first!, second!, first!], env)).toEqual({
      removed: [first, second],
    });
    expect(store.list().map(({ id }) => id)).toEqual([third]);
  });

  it.each([
    ['an action that is none', ['shwo'], 'Did you mean percept sessions show?'],
    ['an action of other programs', ['delete', 'k3f9'], 'Did you mean percept sessions rm?'],
    ['an id alone', ['k3f9'], 'For the id of one: percept sessions show k3f9'],
    ['an id too few', ['show'], 'got nothing'],
    ['an id too many', ['export', 'a', 'b'], 'got "a b"'],
    ['no title', ['rename', 'a'], 'Expected ID TITLE..'],
    ['an unknown id', ['show', 'zzz'], 'There is no session "zzz".'],
  ])('refuses %s', async (_, args, expected) => {
    const { stderr, code } = await percept(['sessions', ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(expected);
  });

  it('reports a damaged file, and what to do', async () => {
    const home = emptyFolder();
    writeFileSync(join(home, 'sessions.db'), 'This is no database. '.repeat(100));
    const { stderr, code } = await percept(['sessions'], { env: { PERCEPT_HOME: home } });
    expect(code).toBe(1);
    expect(stderr).toContain(join(home, 'sessions.db'));
    expect(stderr).toContain('--no-save');
  });
});

describe('percept run --continue', () => {
  const TEMPLATE = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ bos_token }}';

  /** Continues in `home` with a template that prints all of the prompt. */
  async function goOn(home: string, args: readonly string[], input?: string) {
    writeFileSync(join(home, 'show.jinja'), TEMPLATE);
    const flags = ['-c', '-t', '0', '--template', 'show.jinja'];
    return percept([...flags, ...args], { cwd: home, env: { PERCEPT_HOME: home }, input });
  }

  async function idsOf(input: string): Promise<number[]> {
    const { stdout } = await percept(['tokenize', '-m', TINY_MODEL, '--special', '-'], { input });
    return stdout.trim().split(' ').map(Number);
  }

  async function kept(home: string) {
    const store = await openSessions(join(home, 'sessions.db'));
    const all = store.list().map(({ id }) => store.read(id));
    store.close();
    return all.map(({ conversation }) => [...conversation.messages.values()]);
  }

  it('begins a session, then continues it with its model and its system message', async () => {
    const home = emptyFolder();
    const args = ['-m', TINY_MODEL, '-n', '4', '-s', 'Be brief.', 'Hello'];
    const first = await goOn(home, args);
    expect(first.code).toBe(0);
    expect(first.stderr).toContain('this one is the first');
    const answer = first.stdout.replace(/\n$/, '');

    const second = await goOn(home, ['-n', '3', '--json', 'Explain'], 'diff\n');
    expect(second.stderr).toMatch(/^Continuing [a-z\d]+ of \d{4}-\d\d-\d\d \d\d:\d\d: Hello\.\n$/);
    const report = JSON.parse(second.stdout);
    const sessionsNow = await kept(home);
    expect(sessionsNow).toHaveLength(1);
    const [, , spoken, ...added] = sessionsNow[0]!;
    expect(spoken).toMatchObject({ role: 'assistant', origin: { model: TINY_MODEL, finish: 'length' } });
    expect(spoken!.content.trimEnd()).toBe(answer.trimEnd());
    expect(added).toMatchObject([
      { parent: 3, role: 'user', content: 'Explain\n\ndiff' },
      { parent: 4, role: 'assistant', content: report.text, origin: { completionTokens: 3 } },
    ]);
    const prompt = `system: Be brief.\nuser: Hello\nassistant: ${spoken!.content}\nuser: Explain\n\ndiff\n<s>`;
    expect(report.prompt_ids).toEqual(await idsOf(prompt));
    const { sessions } = await json(['sessions'], { PERCEPT_HOME: home });
    expect(sessions).toMatchObject([
      { id: report.session, title: 'Hello', model: TINY_MODEL, message_count: 5 },
    ]);
  });

  it('replaces the system message', async () => {
    const home = emptyFolder();
    await goOn(home, ['-m', TINY_MODEL, '-n', '1', '-s', 'old', 'a']);
    const { stdout } = await goOn(home, ['-n', '1', '-s', 'new', '--jsonl', 'b']);
    const [start] = stdout.split('\n').map((line) => line && JSON.parse(line));
    const [messages] = await kept(home);
    const [, , answer] = messages!;
    const prompt = `system: new\nuser: a\nassistant: ${answer!.content}\nuser: b\n<s>`;
    expect(start).toMatchObject({
      type: 'start',
      session: expect.any(String),
      prompt_ids: await idsOf(prompt),
    });
    await goOn(home, ['-n', '1', '-s', 'new', 'c']);
    const roles = (await kept(home))[0]!.map(({ role }) => role[0]);
    expect(roles.join('')).toBe('suasuaua'); // the third run added nothing new
  });

  it('keeps the answer up to Ctrl-C', async () => {
    const home = emptyFolder();
    writeFileSync(join(home, 'show.jinja'), TEMPLATE);
    const args = ['-c', '-m', TINY_MODEL, '--ignore-eos', '--template', 'show.jinja', 'go', '--jsonl'];
    const child = start(args, { cwd: home, env: { PERCEPT_HOME: home } });
    let lines = 0;
    child.stdout!.on('data', (text) => {
      lines += String(text).split('\n').length - 1;
      if (lines > 20) child.kill('SIGINT');
    });
    const { stdout, code } = await finished(child);
    expect(code).toBe(130);
    const texts = stdout.split('\n').map((line) => (line ? (JSON.parse(line).text ?? '') : ''));
    const [messages] = await kept(home);
    expect(messages).toHaveLength(2);
    expect(messages![1]).toMatchObject({ content: texts.join(''), origin: { finish: 'aborted' } });
    expect(readdirSync(home).filter((name) => /-(wal|shm)$/.test(name))).toEqual([]);
  });

  it('stores nothing if an answer cannot begin', async () => {
    const home = emptyFolder();
    const { code } = await goOn(home, ['-m', TINY_MODEL, '--ctx', '16', 'a '.repeat(100)]);
    expect(code).toBe(6);
    expect(await kept(home)).toEqual([]);
  });

  it('answers up to the end of the context if less is left than the limit of the answer', async () => {
    const home = emptyFolder();
    const question = 'a '.repeat(200);
    await goOn(home, ['-m', TINY_MODEL, '-n', '1', question]);
    const { code, stderr } = await goOn(home, ['--ctx', '512', '-n', '400', '--ignore-eos', 'go']);
    expect({ code, stderr }).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/did not end within the context of 512/),
    });
    const answer = (await kept(home))[0]!.at(-1)!;
    expect(answer.origin!.promptTokens + answer.origin!.completionTokens).toBe(512);
    expect(answer.origin!.promptTokens).toBeGreaterThan(200);
  });

  it('continues a question that was asked without it', async () => {
    const home = emptyFolder();
    writeFileSync(join(home, 'show.jinja'), TEMPLATE);
    const env = { PERCEPT_HOME: home };
    const ask = (question: string, ...flags: string[]) =>
      percept(['-m', TINY_MODEL, '-n', '3', '--template', 'show.jinja', question, ...flags], {
        cwd: home,
        env,
      });
    await ask('My name is Bob', '-s', 'Be brief.');
    expect((await percept(['sessions'], { env })).stdout).toContain('My name is Bob');
    const { stdout, stderr } = await ask('And mine is Ann', '--json');
    expect(stderr).toBe('');
    await ask('No trace', '--no-save');
    expect((await goOn(home, ['-n', '1', 'Who?'])).stderr).toMatch(/: And mine is Ann\.\n$/);
    const [second, first] = await kept(home);
    expect(first).toMatchObject([
      { content: 'Be brief.' },
      { content: 'My name is Bob' },
      { role: 'assistant' },
    ]);
    expect(second).toMatchObject([
      { content: 'And mine is Ann' },
      { content: JSON.parse(stdout).text },
      { content: 'Who?' },
      { role: 'assistant' },
    ]);
    const { sessions } = await json(['sessions'], env);
    expect(sessions[0].id).toBe(JSON.parse(stdout).session);
  });

  it.each([
    ['a prompt of ids', ['--prompt-ids', '1,5,9'], {}],
    ['raw text', ['--raw', 'x'], {}],
    ['a conversation of the caller', ['--messages', '-', '--template', 'show.jinja'], {}],
    ['anything with --no-save', ['x', '--no-save', '--template', 'show.jinja'], {}],
    ['anything with its variable', ['x', '--template', 'show.jinja'], { PERCEPT_NO_SAVE: '1' }],
  ])('nothing is stored of %s', async (_, args, variables) => {
    const [home, cwd] = [emptyFolder(), emptyFolder()];
    writeFileSync(join(cwd, 'show.jinja'), TEMPLATE);
    const flags = [...args, '-m', TINY_MODEL, '-n', '2'];
    const input = args.includes('--messages') ? '[{"role":"user","content":"x"}]' : '';
    const { code } = await percept(flags, { cwd, env: { PERCEPT_HOME: home, ...variables }, input });
    expect(code).toBe(0);
    expect(readdirSync(home)).toEqual([]);
  });

  it('leaves the oldest messages out if the conversation is longer than the context', async () => {
    const home = emptyFolder();
    const args = ['-m', TINY_MODEL, '-n', '4', '--ctx', '64'];
    for (const word of ['one', 'two', 'three']) await goOn(home, [...args, `${word} `.repeat(3)]);
    const { stderr, code } = await goOn(home, [...args, 'four four four']);
    expect(code).toBe(0);
    expect(stderr).toMatch(/longer than the context: its oldest \d+ messages are left out\.\n$/);
    expect((await kept(home))[0]).toHaveLength(8); // all of it is stored
  });

  it('is answered also if it cannot be stored', async () => {
    const home = emptyFolder();
    writeFileSync(join(home, 'sessions.db-inbox'), ''); // no folder
    writeFileSync(join(home, 'show.jinja'), TEMPLATE);
    const args = ['-m', TINY_MODEL, '-n', '3', '--template', 'show.jinja', 'x'];
    const { stdout, stderr, code } = await percept(args, { cwd: home, env: { PERCEPT_HOME: home } });
    expect({ code, length: stdout.length > 1 }).toEqual({ code: 0, length: true });
    expect(stderr).toMatch(/^This conversation is not saved: .*sessions.db-inbox.*\n$/);
  });

  it.each([
    ['--raw', ['--raw', 'x']],
    ['--prompt-ids', ['--prompt-ids', '1,2']],
    ['--messages', ['--messages', '-']],
  ])('conflicts with %s', async (flag, args) => {
    const { stderr, code } = await percept(['-c', ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(`${flag} cannot be combined with --continue.`);
  });
});
