/** What is on stdin beside a prompt: real pipes, sockets, files and shells. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { notLinux, onWindows, titled } from '../titled.ts';
import { emptyFolder, finished, PROGRAM, percept, start, TINY_MODEL } from './percept.ts';

const NO_PYTHON = spawnSync('python3', ['--version']).status === 0 ? undefined : 'there is no python3';
const FLAGS = ['-m', TINY_MODEL, '-t', '0', '-n', '1', '--raw', '--json'];
const SILENT = /^stdin is open, but nothing comes: answering without it/;

/** Numbers of prompt tokens: of `hi` alone, and of `hi` above the content `abcdefgh`. */
const ALONE = 3;
const WITH_CONTENT = 13;

/**
 * A folder with the programs `percept`, which answers in JSON, `plain`, which is percept without these flags, and `shown`,
 * which prints the length of the prompt of an answer.
 */
function commands() {
  const folder = emptyFolder();
  const add = (name: string, ...words: readonly string[]) => {
    const line = [process.execPath, ...words].map((word) => `'${word}'`).join(' ');
    writeFileSync(join(folder, name), `#!/bin/sh\nexec ${line} "$@"\n`, { mode: 0o755 });
  };
  add('percept', PROGRAM, ...FLAGS);
  add('plain', PROGRAM);
  add('shown', '-e', 'process.stdin.on("data", (text) => console.log(JSON.parse(text).prompt_ids.length))');
  writeFileSync(join(folder, 'content'), 'abcdefgh\n');
  const env = {
    ...process.env,
    PERCEPT_HOME: emptyFolder(),
    PATH: `${folder}${delimiter}${process.env.PATH}`,
  };
  return { folder, env };
}

/** Runs a command line in a shell, with /dev/null as stdin. */
function shell(line: string, program = 'bash') {
  const { folder: cwd, env } = commands();
  const { stdout, stderr, status } = spawnSync(program, ['-c', line], {
    ...{ cwd, env, encoding: 'utf8' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { lines: stdout.trim().split('\n'), stderr, status };
}

function tokensOf(stdout: string): number {
  return JSON.parse(stdout).prompt_ids.length;
}

describe('content for a prompt', () => {
  it.each([
    ['a pipe', 'cat content | percept hi'],
    ['a file', 'percept hi < content'],
    ['a wrapper of a file', 'echo percept hi > wrapper; bash wrapper < content'],
    ['a wrapper of a pipe', 'echo percept hi > wrapper; cat content | bash wrapper'],
    ['a function', 'f() { percept hi; }; cat content | f'],
    ['a dash after the prompt', 'percept hi - < content'],
    ['a dash in front of it', 'cat content | percept - hi'],
  ])('is read from %s', (_, line) => {
    expect(tokensOf(shell(line).lines.join('\n'))).toBe(WITH_CONTENT);
  });

  it.each([
    ['a late pipe', '(sleep 2; cat content) | percept hi'],
    ['a late named pipe', 'mkfifo p; (sleep 2; cat content) > p & percept hi < p'],
    ['a late substitution', '{ sleep 2; cat content; } > >(percept hi > answer); sleep 2; cat answer'],
  ])('is waited for on %s', (_, line) => {
    const { lines, stderr } = shell(line);
    expect(tokensOf(lines.join('\n'))).toBe(WITH_CONTENT);
    expect(stderr).not.toMatch(SILENT);
  });

  it('is left alone by --no-stdin, and by its variable unless a dash asks for it', () => {
    expect(tokensOf(shell('percept --no-stdin hi < content').lines[0]!)).toBe(ALONE);
    expect(tokensOf(shell('PERCEPT_NO_STDIN=1 percept hi < content').lines[0]!)).toBe(ALONE);
    expect(tokensOf(shell('PERCEPT_NO_STDIN=1 percept hi - < content').lines[0]!)).toBe(WITH_CONTENT);
    const both = shell('percept --no-stdin - < content');
    expect(both).toMatchObject({ status: 2, stderr: expect.stringContaining('--no-stdin does not') });
  });
});

describe('stdin that its starter leaves open', () => {
  it('is not waited for on a socket', async () => {
    const child = start([...FLAGS, 'hi']);
    const ended = new Promise<string>((resolve) => child.stdout!.once('data', (text) => resolve(`${text}`)));
    let stderr = '';
    child.stderr!.on('data', (text) => (stderr += text));
    expect(tokensOf(await ended)).toBe(ALONE);
    expect(stderr).toMatch(SILENT);
    await finished(child);
  });

  it.skipIf(notLinux ?? NO_PYTHON)(
    titled('is not waited for on a pipe, also below a shell', notLinux ?? NO_PYTHON),
    () => {
      const script =
        'import subprocess, sys\n' +
        'for shell in False, True:\n' +
        "  child = subprocess.Popen('percept hi' if shell else ['percept', 'hi'], shell=shell, stdin=subprocess.PIPE)\n" +
        '  child.wait()\n';
      const { folder: cwd, env } = commands();
      const { stdout, stderr } = spawnSync('python3', ['-c', script], { cwd, env, encoding: 'utf8' });
      expect(stdout.trim().split('\n').map(tokensOf)).toEqual([ALONE, ALONE]);
      expect(stderr).toMatch(SILENT);
    },
  );

  it('is read to its end once it has begun', async () => {
    const child = start([...FLAGS, 'hi']);
    child.stdin!.write('abcd');
    const notice = await new Promise<string>((resolve) =>
      child.stderr!.once('data', (text) => resolve(`${text}`)),
    );
    expect(notice).toBe('Waiting for the end of stdin; to go without it: --no-stdin.\n');
    const { stdout } = await finished(child, 'efgh\n');
    expect(tokensOf(stdout)).toBe(WITH_CONTENT);
  });
});

describe.skipIf(notLinux)(titled('a script that a shell reads from stdin', notLinux), () => {
  const SCRIPT = `
    echo one
    percept hi | shown
    { percept hi | shown; } < content
    timeout 60 percept hi | shown
    x=$(percept hi); echo "$x" | shown
    ( percept hi > answer ); shown < answer
    { percept hi; } > answer; shown < answer
    f() { percept hi | shown; }
    cat content | f
    percept | shown 2> /dev/null
    echo two
  `;
  const EXPECTED = ['one', ALONE, WITH_CONTENT, ALONE, ALONE, ALONE, ALONE, WITH_CONTENT, 'two'].map(String);

  it.each([
    ['bash', 'bash < script'],
    ['bash', 'cat script | bash'],
    ['bash', 'cat script | bash -s -- one'],
    ['dash', 'dash < script'],
    ['dash', 'cat script | dash'],
    ['zsh', 'zsh -f < script'],
  ])('is not eaten: %s', (program, line) => {
    if (spawnSync(program, ['-c', ':']).status !== 0) return;
    const { lines, stderr } = shell(`cat > script <<'END'\n${SCRIPT}\nEND\n${line}`);
    expect(lines).toEqual(EXPECTED);
    expect(stderr).toMatch(/^error: The prompt is empty\.\n.*\n$/);
  });

  it('is not eaten on a socket', () => {
    const { folder: cwd, env } = commands();
    const input = 'echo one\npercept hi | shown\necho two\n';
    const { stdout } = spawnSync('bash', { input, cwd, env, encoding: 'utf8' });
    expect(stdout).toBe(`one\n${ALONE}\ntwo\n`);
  });
});

it('is asked for once', async () => {
  const { stderr, code } = await percept(['--messages', '-', '--template', '-'], { input: '[{}]' });
  expect({ stderr, code }).toEqual({ code: 2, stderr: expect.stringContaining('stdin is asked for twice') });
  expect((await percept(['--messages', '-', 'hi', '-'], { input: '[{}]' })).code).toBe(2);
});

describe('stdin that cannot be read', () => {
  const NONE = [
    ['closed', '<&-', 'The prompt is empty'],
    ['open for writing only, as nohup does it', '0> /dev/null', 'it is not open for reading'],
    ['a folder', '< /', 'it is a folder'],
  ] as const;

  it.each(NONE)('counts as none beside a prompt: %s', (_, redirection) => {
    const { lines, stderr } = shell(`percept hi ${redirection}`);
    expect({ tokens: tokensOf(lines[0]!), stderr }).toEqual({ tokens: ALONE, stderr: '' });
  });

  it.each(NONE)('is an error in words for a dash: %s', (_, redirection, words) => {
    expect(shell(`percept - ${redirection}`)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(words),
    });
  });
});

describe('input without end', () => {
  it.each([
    ['stdin', 'yes | percept -'],
    ['stdin beside a prompt', 'yes | percept hi'],
    ['a text to score', `yes > p & plain score -m ${TINY_MODEL} p`],
    ['messages', 'yes > p & plain run --messages p'],
    ['a template', 'yes > p & plain run --template p hi'],
  ])('ends with a bound in words: %s', (_, line) => {
    const { stderr, status } = shell(`mkfifo p; ${line}`);
    expect(stderr).toContain('is too long: it has more than 16 MB');
    expect(status).toBe(2);
  });

  it.skipIf(onWindows)(titled('of zeros is binary', onWindows), async () => {
    const { stderr, code } = await percept(['score', '-m', TINY_MODEL, '/dev/zero']);
    expect(code).toBe(2);
    expect(stderr).toContain('/dev/zero is not UTF-8 text: it is binary or has another encoding.');
  });
});

describe('bytes on stdin', () => {
  const tokens = async (bytes: Uint8Array) => {
    const child = start([...FLAGS, 'hi']);
    child.stdin!.write(bytes);
    return finished(child);
  };

  it('are refused if they are binary, with and without zeros', async () => {
    const picture = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
    const noise = Uint8Array.from({ length: 200 }, (_, i) => 1 + ((i * 89) % 255));
    for (const bytes of [picture, noise]) {
      const { stderr, code } = await tokens(bytes);
      expect(code).toBe(2);
      expect(stderr).toContain('stdin is not UTF-8 text: it is binary or has another encoding.');
    }
  });

  it('are text with a few wrong ones, and without the mark in front', async () => {
    expect((await tokens(Buffer.from(`${'abc '.repeat(50)}\xff`, 'latin1'))).code).toBe(0);
    expect(tokensOf((await tokens(Buffer.from('\ufeffabcdefgh\n'))).stdout)).toBe(WITH_CONTENT);
  });
});

it('refuses a prompt that is far too long before a template sees it', async () => {
  const cwd = emptyFolder();
  writeFileSync(join(cwd, 'chat.jinja'), '{{ messages[0].content }}');
  const input = 'To be, or not to be, that is the question. '.repeat(100_000);
  const parts = [{ role: 'user', content: [{ type: 'text', text: input }] }];
  writeFileSync(join(cwd, 'parts.json'), JSON.stringify(parts));
  const flags = ['-m', TINY_MODEL, '--template', 'chat.jinja'];
  for (const rest of [['-'], ['--messages', 'parts.json']]) {
    const { stderr, code } = await percept([...flags, ...rest], { cwd, input });
    expect(code).toBe(6);
    expect(stderr).toMatch(
      /prompt of 4300000 characters does not fit: it has more tokens than the \d+ of the context/,
    );
  }
});

describe.skipIf(notLinux)(titled('a stdout that is full', notLinux), () => {
  it.each([
    ['an answer', [...FLAGS, 'hi']],
    ['help', ['--help']],
    ['the version', ['--version']],
  ])('is an error in words: %s', async (_, args) => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    let stderr = '';
    child.stderr!.on('data', (text) => (stderr += text));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: Writing to stdout failed: ENOSPC.*\n {2}.+\n$/);
  });
});
