import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CutText } from '../../cli/chat/cut-text.ts';
import { typedLines } from '../../cli/chat/line-mode.ts';
import { runInShell } from '../../cli/chat/shell-command.ts';
import { isShellLine } from '../../cli/chat/shell-lines.ts';
import { emptyFolder } from '../cli/percept.ts';
import { onWindows, titled } from '../titled.ts';

afterEach(() => vi.unstubAllEnvs());

async function run(command: string, signal = new AbortController().signal) {
  let shown = '';
  const { output, ending } = await runInShell(command, { signal, onText: (text) => (shown += text) });
  return { text: output.text, shown, ending };
}

/** Whether a process is there and no zombie. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function ends(pid: number): Promise<boolean> {
  for (let i = 0; i < 100 && isAlive(pid); i++) await sleep(20);
  return !isAlive(pid);
}

describe.skipIf(onWindows)(titled('a command in the shell', onWindows), () => {
  it('gives both streams and its exit code', async () => {
    expect(await run('echo one; echo two >&2; exit 3')).toMatchObject({ ending: 'exit code 3' });
    expect((await run('echo one; echo two >&2')).text.split('\n').sort()).toEqual(['', 'one', 'two']);
    expect(await run('kill -9 $$')).toMatchObject({ ending: 'ended by SIGKILL' });
  });

  it('does not begin once it is stopped', async () => {
    const file = join(emptyFolder(), 'begun');
    const stopped = AbortSignal.abort();
    await expect(run(`echo > ${file}`, stopped)).rejects.toBe(stopped.reason);
    await sleep(100); // a shell would have begun
    expect(existsSync(file)).toBe(false);
  });

  it('has neither stdin nor a terminal', async () => {
    expect((await run('cat; tty; (: </dev/tty) 2>/dev/null || echo none')).text).toBe('not a tty\nnone\n');
  });

  it('runs in $SHELL, if that is a path', async () => {
    vi.stubEnv('SHELL', 'sh');
    expect((await run('echo $0')).text).toBe('/bin/sh\n');
    vi.stubEnv('SHELL', '/none');
    await expect(run('true')).rejects.toMatchObject({
      message: expect.stringContaining('Starting the shell failed'),
      hint: expect.stringContaining('SHELL'),
    });
  });

  it('is stopped with all that it has started, whatever it does about that', async () => {
    const abort = new AbortController();
    const file = join(emptyFolder(), 'pid');
    const running = run(
      `trap '' TERM; sleep 60 & echo $! > ${file}; echo begun; wait; sleep 60`,
      abort.signal,
    );
    while (!existsSync(file) || readFileSync(file, 'utf8') === '') await sleep(10);
    abort.abort();
    expect(await running).toMatchObject({ text: 'begun\n', ending: 'stopped' });
    expect(await ends(Number(readFileSync(file, 'utf8')))).toBe(true);
  });

  it('leaves nothing in the background', async () => {
    const { text, ending } = await run('sleep 60 & echo $!');
    expect(ending).toBe('exit code 0');
    expect(await ends(Number(text))).toBe(true);
  });

  it('may print without end: its beginning and its end are kept', async () => {
    const { text, shown, ending } = await run('yes word | head -n 100000; echo last');
    expect(ending).toBe('exit code 0');
    expect(shown).toHaveLength(32_000);
    expect(text.startsWith(shown)).toBe(true);
    expect(text).toContain('\n[... 436005 characters left out ...]\n');
    expect(text.endsWith('word\nlast\n')).toBe(true);
  });
});

it('a text that fits is kept whole, wherever it is cut', () => {
  const text = new CutText();
  const whole = 'x'.repeat(31_999) + 'y'.repeat(20_000);
  for (let i = 0; i < whole.length; i += 777) text.add(whole.slice(i, i + 777));
  expect(text.text).toBe(whole);
});

it.each([
  ['!ls', true],
  ['!', true],
  [' !ls', false],
  ['say !ls', false],
  ['!ls\nrm', false],
  ['!ls\n', false],
  ['![an image](a.png)', false],
])('%j runs: %s', (text, runs) => {
  expect(isShellLine(text)).toBe(runs);
});

describe('lines of a terminal that cannot tell a paste', () => {
  async function read(...given: readonly (readonly [pause: number, line: string])[]) {
    async function* lines() {
      for (const [pause, line] of given) {
        if (pause > 0) await sleep(pause);
        yield line;
      }
    }
    const read = [];
    for await (const { line, isPasted } of typedLines(lines())) read.push([line, isPasted]);
    return read;
  }

  it('run when they come alone, or last', async () => {
    expect(await read([0, '!ls'])).toEqual([['!ls', false]]);
    expect(await read([0, 'hello'], [200, '!ls'], [200, 'bye'])).toEqual([
      ['hello', false],
      ['!ls', false],
      ['bye', false],
    ]);
  });

  it('do not run when others come with them', async () => {
    expect(await read([0, '!ls'], [0, 'next'])).toMatchObject([
      ['!ls', true],
      ['next', true],
    ]);
    expect(await read([0, 'before'], [0, '!ls'])).toMatchObject([
      ['before', false],
      ['!ls', true],
    ]);
  });
});
