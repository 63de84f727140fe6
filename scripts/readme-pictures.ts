/**
 * node scripts/readme-pictures.ts [chat] [bench]
 *
 * Makes README's pictures with the built program, both or only the named ones: docs/pictures/chat.svg, a conversation
 * with the default model in tmux, and docs/pictures/bench.svg, a report of percept bench. The text is the same each
 * time; the speeds are those of this machine.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { screenOf, windowSvg } from './terminal-svg.ts';

const ROOT = resolve(import.meta.dirname, '..');
const PROGRAM = join(ROOT, 'bin/percept.js');

const PICTURES: Readonly<Record<string, (file: string) => Promise<void>>> = { chat, bench };

// ----- the chat

const COLUMNS = 80;
const ROWS = 34;

/** A line to type or keys to press, by tmux's names; then the pattern that the screen must show. */
interface Step {
  readonly line?: string;
  readonly keys?: readonly string[];
  readonly shows: RegExp;
}

const CONVERSATION: readonly Step[] = [
  { line: 'percept', shows: /exits;.*Ask anything/s },
  { line: 'Explain recursion in one sentence.', shows: /\d tok\/s · read \d.*Ask anything/s },
  { line: '/why 12', shows: /token 12 of 49.*layers across/s }, // "itself"
  { keys: [...times(17, 'Down'), ']'], shows: /layer 17 of 30, head 1 of 9/ }, // attends to "function"
];

const LABEL =
  'A chat in a terminal. The answer explains recursion; below it, /why shows that the word "itself" attends to "function".';

/** Greedy on cpu: the answer is the same on any number of threads. */
const SETTINGS = {
  PERCEPT_TEMPERATURE: '0',
  PERCEPT_BACKEND: 'cpu',
  PERCEPT_NO_SAVE: 'true',
  COLORTERM: 'truecolor',
  COLORFGBG: '15;0', // dark background
};

const KEY_MS = 50; // between two keys
const STEP_MS = 1500; // after a step, until live numbers settle
const WAIT_MS = 60_000;

async function chat(file: string): Promise<void> {
  execFileSync(PROGRAM, ['pull', 'smollm2'], { stdio: 'inherit' });
  const folder = mkdtempSync(join(tmpdir(), 'percept-pictures-'));
  try {
    mkdirSync(join(folder, 'bin'));
    symlinkSync(PROGRAM, join(folder, 'bin/percept'));
    writeFileSync(join(folder, 'bashrc'), `PS1='$ ' PATH='${folder}/bin':$PATH\n`);
    const lines = await converse(folder);
    writeFileSync(file, windowSvg(await screenOf(lines, COLUMNS), { title: 'percept', label: LABEL }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Has the conversation in a shell of its own. Returns the lines of the screen with SGR sequences. */
async function converse(folder: string): Promise<string[]> {
  const tmux = (...args: string[]) =>
    execFileSync('tmux', ['-L', `percept-pictures-${process.pid}`, ...args], { encoding: 'utf8' });
  const variables = { ...SETTINGS, XDG_CONFIG_HOME: folder, XDG_STATE_HOME: folder };
  const environment = Object.entries(variables).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const size = ['-x', `${COLUMNS}`, '-y', `${ROWS}`];
  const shell = ['-c', folder, 'bash --rcfile bashrc'];
  tmux('-f', '/dev/null', 'new-session', '-d', ...size, ...environment, ...shell);
  try {
    await shown(tmux, /^\$/m);
    for (const { line, keys = ['Enter'], shows } of CONVERSATION) {
      if (line !== undefined) tmux('send-keys', '-l', line);
      for (const key of keys) {
        await sleep(KEY_MS);
        tmux('send-keys', key);
      }
      await shown(tmux, shows);
      await sleep(STEP_MS);
    }
    const lines = tmux('capture-pane', '-p', '-e').split('\n');
    return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
  } finally {
    tmux('kill-server');
  }
}

function times(count: number, key: string): string[] {
  return new Array(count).fill(key);
}

/** Waits until the screen shows `pattern`. Throws Error with the actual screen after WAIT_MS. */
async function shown(tmux: (...args: string[]) => string, pattern: RegExp): Promise<void> {
  const end = performance.now() + WAIT_MS;
  for (;;) {
    const screen = tmux('capture-pane', '-p');
    if (pattern.test(screen)) return;
    if (performance.now() > end) throw new Error(`Expected ${pattern} on the screen, got:\n${screen}`);
    await sleep(KEY_MS);
  }
}

// ----- the benchmark

/** Compares caches of 16 and 8 bits, at depth too. */
const BENCH = ['bench', '--n-depth', '0,4096', '--kv-type', 'f16,q8', '--backend', 'cpu'];

async function bench(file: string): Promise<void> {
  execFileSync(PROGRAM, [...BENCH, '--report', file], { stdio: 'inherit' });
}

async function main(names: readonly string[]): Promise<void> {
  const folder = join(ROOT, 'docs/pictures');
  mkdirSync(folder, { recursive: true });
  for (const name of names.length > 0 ? names : Object.keys(PICTURES)) {
    const take = PICTURES[name];
    if (!take) throw new Error(`Expected ${Object.keys(PICTURES).join(' or ')}, got ${name}.`);
    await take(join(folder, `${name}.svg`));
  }
}

if (import.meta.main) await main(process.argv.slice(2));
