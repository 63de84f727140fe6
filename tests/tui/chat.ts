/** A whole chat in a real terminal, as users see it. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { emptyFolder, PROGRAM, TINY_MODEL } from '../cli/percept.ts';
import { Terminal, type TerminalOptions } from './tmux.ts';

export const TEMPLATE = '{% for m in messages %}{{ m.content }}\n{% endfor %}';

/** Takes most of the time from the reference backend, which computes on the main thread in slices of 20 ms: it sleeps there. */
const SLOW =
  'const cell = new Int32Array(new SharedArrayBuffer(4)); setInterval(() => Atomics.wait(cell, 0, 0, 150), 5).unref();';

interface ChatOptions extends TerminalOptions {
  readonly flags?: string;
  readonly home?: string;
  /** So slow that there is time to do something in the middle of an answer, on any machine. */
  readonly slow?: boolean;
  /** NAME=value, for variables that tmux would set itself. */
  readonly variable?: string;
}

export function chat({
  flags = '',
  home = emptyFolder(),
  variable = '',
  slow = false,
  env = {},
  ...options
}: ChatOptions = {}) {
  const folder = emptyFolder();
  writeFileSync(join(folder, 'template.jinja'), TEMPLATE);
  const command = `${variable} ${process.execPath} ${PROGRAM} chat -m ${TINY_MODEL} --backend cpu --template template.jinja --ignore-eos ${flags}`;
  if (slow) writeFileSync(join(folder, 'slow.mjs'), SLOW);
  const loaded: Record<string, string> = slow ? { NODE_OPTIONS: `--import=${join(folder, 'slow.mjs')}` } : {};
  const surroundings = { PERCEPT_HOME: home, LANG: 'C.UTF-8', ...loaded, ...env };
  const terminal = new Terminal(command, { cwd: folder, env: surroundings, ...options });
  return { terminal, home, folder };
}

export const READY = 'Ask anything, /help';
export const ANSWERING = /Esc stops.*tok\/s/;

/** Lines of the screen that are not empty. */
export const filled = (screen: string) => screen.split('\n').filter((line) => line.trim() !== '');

/** Prints 3 on a terminal that edits lines, echoes and sends signals. */
export const COUNT_MODES = "stty -a | tr ' ;' '\\n\\n' | grep -cx -e icanon -e echo -e isig";

/** A program started now finds a terminal that edits lines and echoes, apart from the shell's own line editor. */
export async function expectCooked(terminal: Terminal): Promise<void> {
  terminal.type(COUNT_MODES);
  terminal.press('Enter');
  await terminal.shows(/^3$/m);
  expect(terminal.fact('cursor_flag')).toBe('1');
}

/** The newest session as JSON, by another process. */
export function lastSession(home: string) {
  const run = (...args: string[]) =>
    JSON.parse(
      execFileSync(process.execPath, [PROGRAM, 'sessions', ...args, '--json'], {
        env: { ...process.env, PERCEPT_HOME: home },
        encoding: 'utf8',
      }),
    );
  const [{ id }] = run('list').sessions;
  return run('show', id);
}
