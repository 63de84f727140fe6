#!/usr/bin/env node
// Starts percept. Runs on Node 20 and later: where the Node that started it is older than the engine needs,
// it hands over to the one that the npm package `node` brought along.
import { existsSync, readFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MINIMUM_MAJOR = 26;
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BUNDLE = join(ROOT, 'dist', 'percept.js');
const args = process.argv.slice(2);
const GREETED = 'PERCEPT_GREETED'; // in the environment, for the Node that is handed over to and for cli/commands/chat.ts
const LIFELINE = 'PERCEPT_LIFELINE'; // likewise: the number of a pipe's file descriptor

const isChat = beginsChat();
if (isChat) greet();
if (args[0] === '--version' || args[0] === '-v') {
  console.log(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version);
} else if (!existsSync(BUNDLE)) {
  fail(
    `Expected the built program at ${BUNDLE}, but this checkout has not been built.`,
    'npm install && npm run build',
  );
} else if (Number.parseInt(process.versions.node, 10) >= MINIMUM_MAJOR) {
  module.enableCompileCache(join(ROOT, 'dist', 'compile-cache')); // a tenth of the time to a first frame
  if (process.env[LIFELINE]) await endWithLauncher();
  if (isChat) takeKeyboard();
  await import(new URL('../dist/percept.js', import.meta.url).href);
} else {
  const node = bundledNode();
  if (node) await handOver(node);
  else {
    fail(
      `percept needs Node ${MINIMUM_MAJOR} or later: this is ${process.version}, and the npm package "node" is not installed completely.`,
      `npm rebuild node   (in ${ROOT}; or start percept with a newer Node)`,
    );
  }
}

/** Whether a chat on a screen begins, as far as can be told before options are parsed. */
function beginsChat() {
  const { env, stdin, stdout } = process;
  const others = args.some((arg) => /^(-h|--help|--json|--jsonl|--screen-reader)$/.test(arg));
  if (others || (args.length > 0 && args[0] !== 'chat')) return false;
  return stdin.isTTY && stdout.isTTY && env.TERM !== 'dumb' && env.INK_SCREEN_READER !== 'true' && !env.CI;
}

/**
 * What is typed from here on is for the chat, and there is where to type: what the first frame will show, until it is
 * drawn. The environment says how to take it away (cli/greeting.ts). Node puts the terminal back at the end.
 */
function takeKeyboard() {
  const { env, stdin, stdout } = process;
  stdin.setRawMode(true);
  const isLow = stdout.rows < 12; // as in cli/tui/chat/App.tsx
  const isUtf8 = /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || 'utf-8') && !env.PERCEPT_ASCII;
  const prompt = `${isUtf8 ? '›' : '>'} Ask anything; it is sent as soon as the model is loaded`;
  const lines = [...(isLow ? [] : ['']), prompt, ...(isLow ? [] : ['  loading ...'])];
  const drawn = lines.map((line) => line.slice(0, stdout.columns - 1)).join('\n');
  stdout.write(`${drawn}${isLow ? '' : '\x1b[1A'}\x1b[3G`);
  env[GREETED] = `${isLow ? '' : '\x1b[1A'}\r \x1b[J\r`; // from the very corner tmux would keep a copy: hence the space
}

/** The first line of a chat, before anything else is loaded; cli/commands/chat.ts writes it where this does not. */
function greet() {
  if (process.env[GREETED]) return;
  process.env[GREETED] = '1';
  process.stdout.write(`percept ${JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}\n`);
}

function fail(message, command) {
  console.error(`error: ${message}\n  Run: ${command}`);
  process.exitCode = 1;
}

/** The binary of the npm package `node`, wherever npm has put the package; undefined where it is of no use. */
function bundledNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json');
    const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
    const binary = join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    if (Number.parseInt(version, 10) >= MINIMUM_MAJOR && existsSync(binary)) return binary;
  } catch {
    // the package is not installed
  }
  return undefined;
}

/** Becomes `node` as far as a caller can tell: same streams, same signals, same stops, same end. */
async function handOver(node) {
  const { spawn } = await import('node:child_process');
  const stdio = ['inherit', 'inherit', 'inherit', 'pipe'];
  const env = { ...process.env, [LIFELINE]: '3' };
  const child = spawn(node, [fileURLToPath(import.meta.url), ...args], { stdio, env });
  child.stdio[3]?.on('error', () => {});
  // A terminal signals the whole group, a caller only this process: forward, and let the child tell them apart.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGCONT'];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  stopTogether(child);
  child.on('error', (error) => fail(`Expected ${node} to start: ${error.message}`, 'npm rebuild node'));
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/**
 * SIGTSTP stops both, whichever got it; the child in front, because it has to put the terminal back, and a chat then stops
 * the whole group. While this process listens it is not stopped, so that nothing it does for a stop comes after it. Its
 * timers fire once it runs again, before it hears of SIGCONT.
 */
function stopTogether(child) {
  if (process.platform === 'win32') return; // no job control there
  const later = (ms) => new Promise((resolve) => setTimeout(() => setImmediate(resolve), ms).unref());
  let current; // the stop that is under way
  const onStop = async () => {
    if (current) return;
    const own = {};
    current = own;
    await later(50); // if the whole group got the signal, the child is stopped by now, and SIGCONT takes a second one back
    if (current === own) child.kill('SIGTSTP');
    await later(200);
    if (current !== own) return;
    process.off('SIGTSTP', onStop); // else it would not stop
    process.kill(process.pid, 'SIGTSTP');
    await later(250); // longer than cli/tui/chat/suspend-process.ts waits
    current = undefined;
    process.on('SIGTSTP', onStop);
  };
  process.on('SIGTSTP', onStop);
  process.on('SIGCONT', () => {
    current = undefined;
  });
}

/** The pipe from the launcher closes with it, also by SIGKILL. What does not end in order is ended. */
async function endWithLauncher() {
  const { Socket } = await import('node:net');
  const fd = Number(process.env[LIFELINE]);
  delete process.env[LIFELINE]; // not for the programs started from here on
  const end = () => {
    const { stdin } = process;
    if (stdin.isTTY) stdin.setRawMode = () => stdin; // the shell has the terminal, and refuses it
    process.kill(process.pid, 'SIGHUP');
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 5000).unref();
  };
  try {
    new Socket({ fd, readable: true, writable: false })
      .on('error', () => {})
      .on('close', end)
      .resume()
      .unref();
  } catch {
    // the variable came from somewhere else: no pipe
  }
}
