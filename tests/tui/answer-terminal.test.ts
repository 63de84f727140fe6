/** A single answer on a real terminal: drawn or raw, interrupted, suspended. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder, PROGRAM, percept, TINY_MODEL } from '../cli/percept.ts';
import { titled } from '../titled.ts';
import { NO_TMUX, Terminal } from './tmux.ts';

/** @param before variables in front of the command: tmux sets TERM itself */
function asked(flags: string, before = ''): Terminal {
  const cwd = emptyFolder();
  writeFileSync(join(cwd, 'template.jinja'), '{% for m in messages %}{{ m.content }}\n{% endfor %}');
  const template = flags.startsWith('--raw ') ? '' : '--template template.jinja';
  const command = `${before} ${process.execPath} ${PROGRAM} -m ${TINY_MODEL} ${template} ${flags}`;
  return new Terminal(command, { cwd, env: { PERCEPT_HOME: join(cwd, 'home'), LANG: 'C.UTF-8' } });
}

/** Flags for an answer of five dashes, which are a rule in Markdown. */
async function dashes(): Promise<string> {
  const { stdout } = await percept(['tokenize', '-m', TINY_MODEL, 'a-']);
  return `-t 0 -n 5 --ignore-eos --logit-bias ${stdout.trim().split(' ').at(-1)}:1000`;
}

const ENDLESS = '--backend reference --seed 1 --ignore-eos --ignore-loops -n 490 hello';

describe.skipIf(NO_TMUX)(titled('an answer on a terminal', NO_TMUX), () => {
  it('is drawn as Markdown', async () => {
    await asked(`${await dashes()} hello`).shows(/^─{79}$/m);
  });

  it.each([
    ['in a pipe', 'hello', '', '| cat'],
    ['with --raw-output', '--raw-output hello', ''],
    ['with --screen-reader', '--screen-reader hello', ''],
    ['with TERM=dumb', 'hello', 'TERM=dumb'],
    ['as the continuation of a raw prompt', '--raw hello', ''],
  ])('is raw %s', async (_, flags, before, rest = '') => {
    const terminal = asked(`${flags} ${await dashes()} ${rest}`, before);
    await terminal.shows(/^-{5}$/m);
  });

  it('leaves a clean row after Ctrl-C, and the cursor', async () => {
    const terminal = asked(ENDLESS);
    await expect.poll(() => terminal.fact('cursor_flag'), { timeout: 20_000 }).toBe('0'); // while it draws
    terminal.press('C-c');
    const screen = await terminal.shows(/\n\$ *\n*$/);
    expect(screen).not.toContain('^C');
    expect(terminal.fact('cursor_x')).toBe('2');
    expect(terminal.fact('cursor_flag')).toBe('1');
    terminal.type('echo code $?');
    terminal.press('Enter');
    await terminal.shows('code 130');
  });

  it('gives the terminal to the shell on Ctrl-Z, and goes on with fg', async () => {
    const terminal = asked(ENDLESS);
    await expect.poll(() => terminal.fact('cursor_flag'), { timeout: 20_000 }).toBe('0'); // while it draws
    terminal.press('C-z');
    await terminal.shows(/Stopped/);
    expect(terminal.fact('cursor_flag')).toBe('1');
    terminal.press('C-l');
    await terminal.shows(/^\$ *\n*$/);
    terminal.type('fg');
    terminal.press('Enter');
    await terminal.shows(/(\S+.*\n){6}/);
    terminal.press('C-c');
    await terminal.shows(/\n\$ *\n*$/);
  });
});
