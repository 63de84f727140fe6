/** llama.cpp, as the npm package node-llama-cpp brings it, reads texts as percept does and continues them alike. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { logitsOf } from '../../backends/results.ts';
import { directories } from '../../core/directories.ts';
import { loadModel, readGguf, Sequence, tokenizerFromGguf } from '../../core/index.ts';
import { parseReference } from '../../core/models/reference.ts';
import { findModel } from '../../core/models/store.ts';
import { emptyFolder, percept } from '../cli/percept.ts';
import { installed, run } from './registry.ts';

const weights = findModel(parseReference(process.env.PERCEPT_TEST_MODEL ?? 'smollm2'), directories())?.path;
const missing = weights ? undefined : 'no weights; set PERCEPT_TEST_MODEL or run percept pull smollm2';
const peer = missing ? undefined : await installed('node-llama-cpp', ['node-llama-cpp@3.22.0']);

/** Texts that tokenizers disagree about, and long plain ones. */
const TEXTS = [
  'Hello, world!  Two spaces,\ttabs\n\n\nand three lines.',
  'naïve façade — “quotes” … 日本語のテキスト 한국어 العربية 😀👩‍👩‍👧 e\u0301',
  "I'll say it's 3.14159 or 1,000,000; x_1=2**31-1 && y!=null ? 'a' : \"b\";",
  'for (let i = 0; i < 10; i++) {\n        console.log("i is", i, `\\n`);\n}\r\n',
  readFileSync(resolve(import.meta.dirname, '../../README.md'), 'utf8').slice(0, 20_000),
];
const PROMPTS = [
  'The capital of France is',
  'Once upon a time, in a small village by the sea, there lived',
  'def fibonacci(n):\n    """Returns the n-th Fibonacci number."""\n',
];
const WRITTEN = 48; // tokens

/**
 * Both engines round activations to 8 bits, each in its own way: two tokens this close in log probability may swap. Of the
 * answers of both engines to the prompts above, steps with a smaller distance are less than a tenth.
 */
const CLOSE = 0.5;

async function peerAnswers(
  texts: { text: string; greedy: number }[],
): Promise<{ ids: number[]; next: number[] }[]> {
  const file = join(emptyFolder(), 'texts.json');
  writeFileSync(file, JSON.stringify(texts));
  const script = resolve(import.meta.dirname, 'llama-cpp-answers.mjs');
  const { code, stdout, stderr } = await run(process.execPath, [script, weights!, file, peer!], peer!);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

describe.skipIf(!peer)(`llama.cpp${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it('makes the same token ids of texts', async () => {
    const tokenizer = tokenizerFromGguf(await readGguf(weights!));
    const answers = await peerAnswers(TEXTS.map((text) => ({ text, greedy: 0 })));
    for (const [i, { ids }] of answers.entries()) expect(tokenizer.encode(TEXTS[i]!), TEXTS[i]).toEqual(ids);
  });

  it('chooses the tokens that percept chooses, but where two are as likely', async () => {
    const model = await loadModel(weights!, { backend: 'cpu', contextLength: 512 });
    onTestFinished(() => model.dispose());
    const answers = await peerAnswers(PROMPTS.map((text) => ({ text, greedy: WRITTEN })));
    let [same, all] = [0, 0];
    for (const { ids, next } of answers) {
      const sequence = new Sequence(model);
      sequence.trim(0);
      let logits = logitsOf((await sequence.evaluate(ids)).result);
      for (const id of next) {
        const best = Math.max(...logits);
        expect(best - logits[id]!, `token ${id}`).toBeLessThan(CLOSE);
        all++;
        if (logits[id] === best) same++;
        logits = await sequence.append(id);
      }
    }
    expect(all).toBe(PROMPTS.length * WRITTEN);
    expect(same / all).toBeGreaterThan(0.9);
  });

  it('runs beside percept in bench', async () => {
    const args = ['bench', '-m', weights!, '-p', '32', '-n', '8', '-r', '1', '--backend', 'cpu', '--json'];
    const { code, stdout, stderr } = await percept([...args, '--peer', `node-llama-cpp=${peer}`]);
    expect(code, stderr).toBe(0);
    const rows: { backend: string; test: string; tok_s: number }[] = JSON.parse(stdout).rows;
    const theirs = rows.filter((row) => JSON.stringify(row).includes('node-llama-cpp'));
    expect(theirs.length).toBeGreaterThan(0);
    for (const { tok_s } of rows) expect(tok_s).toBeGreaterThan(0);
  });
});
