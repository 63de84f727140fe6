/** What reaches the next program in a pipe, and how an answer ends early. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder, finished, percept, start, TINY_MODEL } from './percept.ts';

const GREEDY = ['-m', TINY_MODEL, '-t', '0'];
const TEMPLATE = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ bos_token }}';

describe('pipes and signals', () => {
  // Slow enough to be interrupted in the middle.
  const ENDLESS = [
    '-m',
    TINY_MODEL,
    '--backend',
    'reference',
    '--prompt-ids',
    '1',
    '--ignore-eos',
    '-n',
    '500',
  ];

  it('ends quietly when the reader closes the pipe', async () => {
    const child = start([...ENDLESS, '--jsonl']);
    child.stdout!.once('data', () => child.stdout!.destroy());
    const { stderr, code } = await finished(child);
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('on %s keeps what there is and exits with %i', async (signal, exit) => {
    const child = start([...ENDLESS, '--jsonl']);
    child.stdout!.once('data', () => child.kill(signal));
    const { stdout, stderr, code } = await finished(child);
    expect({ stderr, code }).toEqual({ stderr: '', code: exit });
    const { type, finish_reason, usage } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
    expect({ type, finish_reason }).toEqual({ type: 'end', finish_reason: 'aborted' });
    expect(usage.completion_tokens).toBeLessThan(500);
  });

  it('counts a Ctrl-C that arrives twice at once as one', async () => {
    const child = start(ENDLESS);
    child.stdout!.once('data', () => {
      child.kill('SIGINT');
      child.kill('SIGINT');
    });
    const { stdout, code } = await finished(child);
    expect(code).toBe(130);
    expect(stdout).toMatch(/[^\n]\n$/);
  });
});

describe('--extract', () => {
  it('is an error of its own without a code block, prints nothing, and stores the answer', async () => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'show.jinja'), TEMPLATE);
    const env = { PERCEPT_HOME: emptyFolder() };
    const args = [...GREEDY, '-n', '3', '--template', 'show.jinja', '-x', 'Hi'];
    const { stdout, stderr, code } = await percept(args, { cwd, env });
    expect({ stdout, code }).toEqual({ stdout: '', code: 8 });
    expect(stderr).toMatch(/^error: The answer has no code block\.\n {2}.+\n$/);
    expect(readdirSync(join(env.PERCEPT_HOME, 'sessions.db-inbox'))).toHaveLength(1);
  });

  it.each(['--json', '--jsonl'])('is not for %s', async (format) => {
    const { stderr, code } = await percept([...GREEDY, '-x', format, 'Hi']);
    expect(stderr).toContain(`--extract cannot be combined with ${format}.`);
    expect(code).toBe(2);
  });
});
