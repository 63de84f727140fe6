import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative, resolve } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { parsePeer } from '../../bench/peers/index.ts';
import type { SpeedTest } from '../../bench/speed-test.ts';
import { within } from '../working-directory.ts';

const TARGET = { path: 'm.gguf', threads: 2, contextLength: 100, vocabulary: 50 };
const READ: SpeedTest = { kind: 'pp', tokens: 16, depth: 4, batch: 1 };
const WRITE: SpeedTest = { kind: 'tg', tokens: 8, depth: 0, batch: 3 };

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'percept-peer-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A program that runs `body`, JavaScript, on its arguments. */
function program(body: string): string {
  const path = join(emptyFolder(), 'peer');
  writeFileSync(path, `#!${process.execPath}\nconst args = process.argv.slice(2);\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

const VALUES = 'const value = (flag) => Number(args[args.indexOf(flag) + 1]);';

it('llama-bench runs one repetition of the same test', async () => {
  const path = program(
    `${VALUES} console.log(JSON.stringify([{ avg_ts: 1e6 * value("-p") + 1e4 * value("-n") + 100 * value("-d") + 10 * value("-t") + value("-r") }]));`,
  );
  const peer = await parsePeer(`llama-bench=${path}`)(TARGET);
  expect(peer.name).toBe('llama-bench');
  expect([peer.canRun(READ), peer.canRun(WRITE)]).toEqual([true, false]);
  expect(await peer.run(READ)).toBe(16_000_000 + 400 + 20 + 1);
});

it('llama-batched-bench decodes with several sequences', async () => {
  const path = program(
    `${VALUES} console.log("log"); console.log(JSON.stringify({ speed_tg: 1e4 * value("-c") + 100 * value("-npl") + 10 * value("-npp") + value("-ntg") }));`,
  );
  const peer = await parsePeer(`llama-batched-bench=${path}`)(TARGET);
  expect([peer.canRun(READ), peer.canRun(WRITE)]).toEqual([false, true]);
  expect(await peer.run(WRITE)).toBe(27 * 1e4 + 300 + 10 + 8);
});

it('a failing peer is reported with its output and its command', async () => {
  const failing = program('console.error("no such model"); process.exit(1);');
  const run = async (path: string) => (await parsePeer(`llama-bench=${path}`)(TARGET)).run(READ);
  await expect(run(failing)).rejects.toMatchObject({
    message: `No speed from ${failing}: no such model.`,
    hint: expect.stringContaining(`-m ${resolve('m.gguf')} -t 2`),
  });
  await expect(run('/no/such/program')).rejects.toThrow('there is no such program');
  await expect(run(program('console.log("[]");'))).rejects.toThrow('No speed from');
});

it('an abort ends the peer and does not count as its failure', async () => {
  const peer = await parsePeer(`llama-bench=${program('setTimeout(() => {}, 60_000);')}`)(TARGET);
  const controller = new AbortController();
  const running = peer.run(READ, controller.signal);
  controller.abort();
  await expect(running).rejects.toMatchObject({ name: 'AbortError' });
});

/** A node-llama-cpp that counts: it takes no time and records its calls. */
const FAKE_NODE_LLAMA_CPP = `
const asked = (globalThis.askedOfPeer = []);
const sequence = {
  clearHistory: async () => asked.push('clear'),
  evaluateWithoutGeneratingNewTokens: async (tokens) => asked.push(\`read \${tokens.length}\`),
  async *evaluate(tokens) { for (;;) { asked.push('write'); yield 1; } },
};
export const getLlama = async ({ maxThreads }) => ({
  loadModel: async ({ modelPath }) => ({
    createContext: async ({ contextSize }) => {
      asked.push(\`\${modelPath} \${maxThreads} \${contextSize}\`);
      return { getSequence: () => sequence };
    },
  }),
  dispose: async () => asked.push('dispose'),
});
`;

/** A folder with a node-llama-cpp of this code. */
function project(code: string): string {
  const folder = emptyFolder();
  const home = join(folder, 'node_modules/node-llama-cpp');
  mkdirSync(home, { recursive: true });
  writeFileSync(
    join(home, 'package.json'),
    '{"type":"module","exports":{"import":"./index.js","default":"./index.js"}}',
  );
  writeFileSync(join(home, 'index.js'), code);
  return folder;
}

it('node-llama-cpp from a given folder prefills and decodes', async () => {
  const folder = project(FAKE_NODE_LLAMA_CPP);
  const peer = await parsePeer(`node-llama-cpp=${folder}`)(TARGET);
  expect([peer.canRun(READ), peer.canRun(WRITE)]).toEqual([true, false]);
  expect(await peer.run(READ)).toBeGreaterThan(0);
  await peer.run({ ...READ, kind: 'tg', tokens: 3, depth: 0 });
  await peer.dispose();
  expect((globalThis as { askedOfPeer?: string[] }).askedOfPeer).toEqual([
    'm.gguf 2 101',
    ...['clear', 'read 4', 'read 16'],
    ...['clear', 'write', 'write', 'write'],
    'dispose',
  ]);
});

it('node-llama-cpp and npm are not loaded from the working directory unasked', async () => {
  const folder = project("import { writeFileSync } from 'node:fs'; writeFileSync('ran', '');");
  for (const name of ['npm', 'npm.cmd'])
    writeFileSync(join(folder, name), `#!/bin/sh\ntouch ${folder}/ran\n`, { mode: 0o755 });
  within(folder);
  vi.stubEnv('PATH', `.${delimiter}${process.env.PATH}`);
  onTestFinished(() => void vi.unstubAllEnvs());
  await parsePeer('node-llama-cpp')(TARGET).catch(() => {}); // there may be a global one
  expect(existsSync(join(folder, 'ran'))).toBe(false);
});

it('a peer program runs in an empty folder, but relative paths to it work', async () => {
  const here = 'require("node:fs").existsSync("libggml-cpu.so")';
  const path = program(`console.log(JSON.stringify([{ avg_ts: ${here} ? 2 : 1 }]));`);
  const folder = emptyFolder();
  writeFileSync(join(folder, 'libggml-cpu.so'), '');
  within(folder);
  expect(await (await parsePeer(`llama-bench=${relative('.', path)}`)(TARGET)).run(READ)).toBe(1);
});

it('a missing node-llama-cpp is reported by name', async () => {
  vi.stubEnv('PATH', ''); // no npm to ask for its global folder
  onTestFinished(() => void vi.unstubAllEnvs());
  const folder = emptyFolder();
  await expect(parsePeer(`node-llama-cpp=${folder}`)(TARGET)).rejects.toMatchObject({
    message: `The package node-llama-cpp does not load from ${folder} or from npm's global folder.`,
  });
});

it.each(['llama', 'llama-bench', 'llama-bench=', '=x'])('%s is no peer', (text) => {
  expect(() => parsePeer(text)).toThrow(expect.objectContaining({ kind: 'usage' }));
});
