import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { askBackground, isLateAnswer } from '../../cli/terminal/background.ts';

async function asked(...answers: readonly string[]) {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const background = askBackground(stdin, stdout, 200);
  for (const answer of answers) stdin.write(answer);
  return { background: await background, stdin, question: String(stdout.read()) };
}

describe('the background of a terminal', () => {
  it.each([
    ['\x1b]11;rgb:ffff/ffff/ffff\x1b\\', 'light'],
    ['\x1b]11;rgb:1e1e/1e1e/2e2e\x07', 'dark'],
    ['\x1b]11;rgb:f/f/e\x07', 'light'],
    ['\x1b]11;rgba:0000/0000/0000/8000\x1b\\', 'dark'],
  ])('%j is %s', async (answer, expected) => {
    const { background, question } = await asked(answer, '\x1b[?62;c');
    expect(background).toBe(expected);
    expect(question).toContain(']11;?');
  });

  it('does not wait for a terminal that does not report it', async () => {
    const { background } = await asked('\x1b[?1;2c');
    expect(background).toBeUndefined();
  });

  it('gives up on a silent terminal', async () => {
    expect((await asked()).background).toBeUndefined();
  });

  it('puts back input typed meanwhile', async () => {
    const { background, stdin } = await asked('hel', '\x1b]11;rgb:00/00/00\x1b', '\\lo', '\x1b[?62;22c\r');
    expect(background).toBe('dark');
    expect(String(stdin.read())).toBe('hello\r');
  });

  it('takes the answer before a signal ends the process', async () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
    const stdin = new PassThrough();
    const background = askBackground(stdin, new PassThrough(), 200);
    process.emit('SIGTERM', 'SIGTERM');
    process.emit('SIGHUP', 'SIGHUP');
    expect(kill).not.toHaveBeenCalled();
    stdin.write('\x1b[?1;2c');
    await background;
    expect(kill.mock.calls).toEqual([[process.pid, 'SIGTERM']]);
    kill.mockRestore();
  });

  it('recognizes a late answer, and nothing else', () => {
    expect(isLateAnswer(']11;rgb:0000/0000/0000')).toBe(true);
    expect(isLateAnswer('[?62;22c')).toBe(true);
    expect(isLateAnswer('rgb')).toBe(false);
    expect(isLateAnswer('[1, 2]')).toBe(false);
  });
});
