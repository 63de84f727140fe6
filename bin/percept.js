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
const GREETED = 'PERCEPT_GREETED'; // in the environment, for the Node that is handed over to and for cli/chat.ts

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

/** The first line of a chat, before anything else is loaded; cli/chat.ts writes it where this does not. */
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

/** Becomes `node` as far as a caller can tell: same streams, same signals, same end. */
async function handOver(node) {
  const { spawn } = await import('node:child_process');
  const child = spawn(node, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' });
  // A terminal signals the whole group, a caller only this process: forward, and let the child tell them apart.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(`Expected ${node} to start: ${error.message}`, 'npm rebuild node'));
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
