/** Ctrl-Z, signals and exits affect the launcher, its parent and the computing process alike. */
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { emptyFolder, PROGRAM, TINY_MODEL } from '../cli/percept.ts';
import { onWindows, titled } from '../titled.ts';
import { NO_TMUX, Terminal } from './tmux.ts';

const skipped = onWindows ?? NO_TMUX;

/** Makes the launcher believe it runs on Node 20, so that it starts the package node. */
const OLD_NODE =
  "if (process.argv[1]?.endsWith('percept.js') && !process.env.PERCEPT_LIFELINE)" +
  " Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.0.0' } });";

const READY = 'Ask anything, /help';

interface Started {
  /** Number of processes between the shell and the computing process. */
  readonly around: number;
  readonly wrap: (command: string) => string;
}

const DIRECT: Started = { around: 0, wrap: (command) => command };
const LAUNCHED: Started = {
  around: 1,
  wrap: (command) => command.replace('NODE', 'NODE --import ./old.mjs'),
};
/** As npx: a shell that does not exec its command. */
const BEHIND_A_SHELL: Started = {
  around: 2,
  wrap: (command) => `sh -c '${LAUNCHED.wrap(command)}; exit $?'`,
};

function chat({ wrap }: Started, env: Readonly<Record<string, string>> = {}) {
  const folder = emptyFolder();
  writeFileSync(join(folder, 'template.jinja'), '{% for m in messages %}{{ m.content }}\n{% endfor %}');
  writeFileSync(join(folder, 'old.mjs'), OLD_NODE);
  const command = wrap(`NODE ${PROGRAM} chat -m ${TINY_MODEL} --backend cpu --template ./template.jinja`);
  const terminal = new Terminal(command.replace('NODE', process.execPath), {
    cwd: folder,
    env: { PERCEPT_HOME: join(folder, 'home'), LANG: 'C.UTF-8', ...env },
  });
  return { terminal, folder };
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly state: string; // T: stopped, Z: ended
}

function processes(): Process[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,state='], { encoding: 'utf8' })
    .trim()
    .split('\n');
  return lines.map((line) => {
    const [pid, parent, state] = line.trim().split(/\s+/);
    return { pid: Number(pid), parent: Number(parent), state: state! };
  });
}

/** The processes started by the shell of the terminal, from the outermost on. */
function job(terminal: Terminal): number[] {
  const all = processes();
  const pids: number[] = [];
  for (let pid: number | undefined = Number(terminal.fact('pane_pid')); pid !== undefined; ) {
    pid = all.find(({ parent }) => parent === pid)?.pid;
    if (pid !== undefined) pids.push(pid);
  }
  return pids;
}

const statesOf = (pids: readonly number[]) =>
  pids.map((pid) => processes().find((process) => process.pid === pid)?.state[0] ?? 'Z');

async function states(pids: readonly number[], expected: RegExp): Promise<void> {
  const end = performance.now() + 20_000;
  while (!expected.test(statesOf(pids).join(''))) {
    if (performance.now() > end) throw new Error(`Expected ${expected}, got ${statesOf(pids).join('')}.`);
    await sleep(20);
  }
}

/** The shell has the terminal, with echo and lines. */
async function expectShell(terminal: Terminal): Promise<void> {
  terminal.type("stty -a | tr ' ;' '\\n\\n' | grep -cx -e icanon -e echo -e isig");
  terminal.press('Enter');
  await terminal.shows(/^3$/m);
}

/** The chat has the terminal: keys arrive one by one, and a paste arrives as a whole. */
async function expectChat(terminal: Terminal): Promise<void> {
  terminal.press('C-l');
  await terminal.shows(READY);
  terminal.paste('one\ntwo');
  await terminal.shows(/› one\s*\n\s+two/);
  terminal.press('C-c');
  await terminal.shows(READY);
}

describe.skipIf(skipped)(titled('a job of the shell', skipped), () => {
  describe.each([
    ['itself', DIRECT],
    ['behind the launcher', LAUNCHED],
    ['behind the launcher and a shell', BEHIND_A_SHELL],
  ])('percept %s', (_, started) => {
    it('stops as a whole at Ctrl-Z, twice, and resumes as a whole', async () => {
      const { terminal } = chat(started);
      await terminal.shows(READY);
      const pids = job(terminal);
      expect(pids).toHaveLength(started.around + 1);
      for (const round of ['first', 'second']) {
        terminal.press('C-z');
        await terminal.shows(/Stopped/);
        await states(pids, /^T+$/);
        await expectShell(terminal);
        terminal.type(`clear; echo ${round}; fg`);
        terminal.press('Enter');
        await terminal.shows(READY);
        await states(pids, /^[^TZ]+$/);
        await expectChat(terminal);
      }
      terminal.press('C-d');
      await states(pids, /^Z+$/);
    });

    it('stops as a whole when its editor stops', async () => {
      const folder = emptyFolder();
      const editor = join(folder, 'editor');
      writeFileSync(editor, '#!/bin/sh\nkill -TSTP 0\nprintf edited > "$1"\n');
      chmodSync(editor, 0o755);
      const { terminal } = chat(started, { EDITOR: editor });
      await terminal.shows(READY);
      const pids = job(terminal);
      terminal.press('C-g');
      await terminal.shows(/Stopped/);
      await states(pids, /^T+$/);
      terminal.type('clear; fg');
      terminal.press('Enter');
      await terminal.shows('› edited');
    });

    it.each(['running', 'stopped'])('ends as a whole when its terminal closes: %s', async (state) => {
      const { terminal } = chat(started);
      await terminal.shows(READY);
      const pids = job(terminal);
      if (state === 'stopped') {
        terminal.press('C-z');
        await terminal.shows(/Stopped/);
      }
      terminal.close();
      await states(pids, /^Z+$/);
    });
  });

  it.each([
    ['launcher', 0],
    ['process that computes', 1],
  ])('stops as a whole by a signal to the %s', async (_, index) => {
    const { terminal } = chat(LAUNCHED);
    await terminal.shows(READY);
    const pids = job(terminal);
    process.kill(pids[index]!, 'SIGTSTP');
    await terminal.shows(/Stopped/);
    await states(pids, /^TT$/);
    await expectShell(terminal);
    terminal.type('clear; fg');
    terminal.press('Enter');
    await terminal.shows(READY);
    await expectChat(terminal);
  });

  it.each([
    ['launcher', 0],
    ['process that computes', 1],
  ])('ends as a whole by SIGKILL of the %s', async (_, index) => {
    const { terminal } = chat(LAUNCHED);
    await terminal.shows(READY);
    const pids = job(terminal);
    process.kill(pids[index]!, 'SIGKILL');
    await states(pids, /^ZZ$/);
    expect(await terminal.shows(/Killed/)).not.toContain('Error');
  });

  it('ignores Ctrl-Z if it is the first process of a terminal, because no shell could resume it', async () => {
    const { terminal } = chat({ ...LAUNCHED, wrap: (command) => `exec ${LAUNCHED.wrap(command)}` });
    await terminal.shows(READY);
    for (let i = 0; i < 2; i++) {
      terminal.press('C-z');
      await sleep(400); // longer than its wait for the stop
      await expectChat(terminal);
    }
  });
});
