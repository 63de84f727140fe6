#!/usr/bin/env node
// Starts percept. This file runs on Node 20 and later. If its Node is too old for the engine, it starts the program
// with the Node that npm has installed beside it, from the package for this platform.
import { existsSync, readFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MINIMUM_MAJOR = 26;
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BUNDLE = join(ROOT, 'dist', 'percept.js');
const args = process.argv.slice(2);
const GREETED = 'PERCEPT_GREETED'; // environment variable for the child and for cli/commands/chat.ts
const LIFELINE = 'PERCEPT_LIFELINE'; // environment variable for the child: file descriptor of a pipe

const isChat = beginsChat();
if (isChat) greet();
if (args[0] === '--version' || args[0] === '-v') {
  process.stdout.on('error', ({ code, message }) => {
    if (code !== 'EPIPE') fail(`Writing to stdout failed: ${message}.`, 'df');
  });
  process.stdout.write(`${JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}\n`);
} else if (!existsSync(BUNDLE)) {
  fail(`This checkout has not been built: ${BUNDLE} does not exist.`, 'npm install && npm run build');
} else if (Number.parseInt(process.versions.node, 10) >= MINIMUM_MAJOR) {
  module.enableCompileCache(join(ROOT, 'dist', 'compile-cache')); // saves a tenth of the time to the first frame
  if (process.env[LIFELINE]) await endWithLauncher();
  if (isChat) takeKeyboard();
  await import(new URL('../dist/percept.js', import.meta.url).href);
} else {
  const node = bundledNode();
  if (node) await runWith(node);
  else {
    fail(
      `percept needs Node ${MINIMUM_MAJOR} or later: this is ${process.version}, and the npm package ${nodePackage()} is not installed.`,
      `npm install   (in ${ROOT}, with optional packages; or start percept with a newer Node)`,
    );
  }
}

/** Whether these arguments start a chat on a screen. A quick check, because options are not parsed yet. */
function beginsChat() {
  const { env, stdin, stdout } = process;
  const others = args.some((arg) => /^(-h|--help|--json|--jsonl|--screen-reader)$/.test(arg));
  if (others || (args.length > 0 && args[0] !== 'chat')) return false;
  return stdin.isTTY && stdout.isTTY && env.TERM !== 'dumb' && env.INK_SCREEN_READER !== 'true' && !env.CI;
}

/**
 * Switches the keyboard to raw mode, so that the chat gets what is typed while it loads, and draws a placeholder of the
 * first frame. The environment carries the escape sequence that erases it (cli/greeting.ts). Node restores the terminal
 * at exit, and on SIGINT and SIGTERM; other signals exit here until the chat listens to them.
 */
function takeKeyboard() {
  const { env, stdin, stdout } = process;
  let erase = '';
  for (const [signal, code] of [
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ]) {
    process.on(signal, () => {
      if (process.listenerCount(signal) > 1) return;
      stdout.write(erase);
      process.exit(code);
    });
  }
  stdin.setRawMode(true);
  const { columns = 80, rows = 24 } = stdout;
  const isLow = rows > 0 && rows < 12; // as in cli/tui/chat/App.tsx
  const isUtf8 = /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || 'utf-8') && !env.PERCEPT_ASCII;
  const prompt = `${isUtf8 ? '›' : '>'} Ask anything; it is sent as soon as the model is loaded`;
  const lines = [...(isLow ? [] : ['']), prompt, ...(isLow ? [] : ['  loading ...'])];
  const drawn = lines.map((line) => line.slice(0, (columns || 80) - 1)).join('\n');
  stdout.write(`${drawn}${isLow ? '' : '\x1b[1A'}\x1b[3G`);
  erase = `${isLow ? '' : '\x1b[1A'}\r \x1b[J\r`; // the space: tmux keeps a copy of an erase from the corner
  env[GREETED] = erase;
}

/** Prints the first line of a chat before anything else is loaded. Otherwise cli/commands/chat.ts prints it. */
function greet() {
  if (process.env[GREETED]) return;
  process.env[GREETED] = '1';
  process.stdout.write(`percept ${JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}\n`);
}

function fail(message, command) {
  console.error(`error: ${message}\n  Run: ${command}`);
  process.exitCode = 1;
}

/** The package with a Node for this platform, as the package `node` names them too. */
function nodePackage({ platform, arch } = process) {
  const system = platform === 'win32' ? 'win' : platform;
  return `${system === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${system}-${arch}`;
}

/** The Node that npm has installed, wherever it is; undefined if it is missing or too old. */
function bundledNode() {
  const require = createRequire(import.meta.url);
  for (const name of [nodePackage(), 'node']) {
    try {
      const manifest = require.resolve(`${name}/package.json`);
      const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
      const binary = join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
      if (Number.parseInt(version, 10) >= MINIMUM_MAJOR && existsSync(binary)) return binary;
    } catch {
      // the package is not installed
    }
  }
  return undefined;
}

/** Runs the program with `node` as a child. For the caller they are one process: same streams, signals, stops and exit. */
async function runWith(node) {
  const { spawn } = await import('node:child_process');
  const stdio = ['inherit', 'inherit', 'inherit', 'pipe'];
  const env = { ...process.env, [LIFELINE]: '3' };
  const child = spawn(node, [fileURLToPath(import.meta.url), ...args], { stdio, env });
  child.stdio[3]?.on('error', () => {});
  // A terminal signals the whole group, a caller only this process. Always forward; the child recognizes duplicates.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGCONT'];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  stopTogether(child);
  child.on('error', (error) => fail(`${node} did not start: ${error.message}`, `npm install   (in ${ROOT})`));
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/**
 * Stops both processes on SIGTSTP, whichever got it. The child stops first, because it restores the terminal; a chat
 * then stops the whole group. With a listener, SIGTSTP does not stop this process, so it stops itself after the child.
 * Its timers fire when it runs again, before the listener of SIGCONT is called.
 */
function stopTogether(child) {
  if (process.platform === 'win32') return; // no job control there
  const later = (ms) => new Promise((resolve) => setTimeout(() => setImmediate(resolve), ms).unref());
  let current; // the stop in progress
  const onStop = async () => {
    if (current) return;
    const own = {};
    current = own;
    // If the whole group got the signal, the child has stopped by then, and SIGCONT discards its second SIGTSTP.
    await later(50);
    if (current === own) child.kill('SIGTSTP');
    await later(200);
    if (current !== own) return;
    process.off('SIGTSTP', onStop); // with a listener the signal would not stop this process
    process.kill(process.pid, 'SIGTSTP');
    await later(250); // longer than cli/terminal/suspend-process.ts waits
    current = undefined;
    process.on('SIGTSTP', onStop);
  };
  process.on('SIGTSTP', onStop);
  process.on('SIGCONT', () => {
    current = undefined;
  });
}

/** Ends this process when the launcher dies, even by SIGKILL: the pipe from it closes then. */
async function endWithLauncher() {
  const { Socket } = await import('node:net');
  const fd = Number(process.env[LIFELINE]);
  delete process.env[LIFELINE]; // child processes must not inherit it
  const end = () => {
    const { stdin } = process;
    if (stdin.isTTY) stdin.setRawMode = () => stdin; // the shell owns the terminal now, and setRawMode would fail
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
    // the descriptor is not a pipe: the variable was set elsewhere
  }
}
