import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder, percept, TINY_MODEL } from './percept.ts';

const ASK = ['-m', TINY_MODEL, '--prompt-ids', '1,5,9,5,9,5,9', '--ignore-eos', '-n', '60', '--seed', '7'];
const GREEDY = [...ASK, '-t', '0'];
const DRAFT = ['--draft', TINY_MODEL, '--speculate', 'on'];

type Surroundings = Parameters<typeof percept>[1];

async function answered(args: readonly string[], surroundings: Surroundings = {}) {
  const { stdout, stderr, code } = await percept([...args, '--json'], surroundings);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  return JSON.parse(stdout);
}

describe.each([
  ['greedy', GREEDY],
  ['sampled', [...ASK, '-t', '0.8']],
])('the answer, %s, is the same', (_, args) => {
  it.each([
    ['unasked', []],
    ['where it pays', ['--speculate', 'auto']],
    ['with drafts from the text', ['--speculate', 'on']],
    ['with a draft model where it pays', ['--draft', TINY_MODEL]],
    ['with a draft model', DRAFT],
  ])('%s as without speculation', async (_, flags) => {
    const plain = await answered([...args, '--speculate', 'off']);
    const { ids, text } = await answered([...args, ...flags]);
    expect({ ids, text }).toEqual({ ids: plain.ids, text: plain.text });
    expect(ids).toHaveLength(60);
  });
});

describe('the draft statistics', () => {
  it('are in the JSON object', async () => {
    const { speculation, usage } = await answered([...GREEDY, ...DRAFT]);
    const { steps, drafts, drafted, accepted, mean_accepted } = speculation;
    expect(speculation).toEqual({
      steps: expect.any(Number),
      drafts: expect.any(Number),
      drafted: expect.any(Number),
      accepted: expect.any(Number),
      mean_accepted: expect.closeTo(accepted / drafts, 3),
      gain: expect.any(Number),
    });
    expect(steps + accepted).toBe(usage.completion_tokens - 1); // the last token is not evaluated
    expect(drafts).toBeLessThan(steps);
    expect(mean_accepted).toBeGreaterThan(1); // the model agrees with itself
    expect(drafted).toBeGreaterThanOrEqual(accepted);
  });

  it('are in the last of the JSON lines', async () => {
    const { stdout } = await percept([...GREEDY, ...DRAFT, '--jsonl']);
    const end = JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
    expect(end.speculation.drafted).toBeGreaterThan(0);
  });

  it('are a line of --stats', async () => {
    const { stderr } = await percept([...GREEDY, ...DRAFT, '--stats']);
    expect(stderr).toMatch(/^speculation: \d+ tokens drafted, \d+ accepted, estimated speedup \d+\.\d\d$/m);
  });

  it('are omitted if nothing was drafted', async () => {
    for (const flags of [
      ['--speculate', 'off'],
      [...DRAFT, '-n', '3'],
    ]) {
      expect(await answered([...GREEDY, ...flags])).not.toHaveProperty('speculation');
      expect((await percept([...GREEDY, ...flags, '--stats'])).stderr).not.toContain('speculation');
    }
  });
});

describe('the draft model', () => {
  it('is an ordinary error if it is missing, unless nothing is drafted', async () => {
    const args = [...GREEDY, '--draft', './none.gguf'];
    const { stdout, stderr, code } = await percept(args);
    expect({ stdout, code }).toEqual({ stdout: '', code: 3 });
    expect(stderr).toContain('none.gguf');
    expect((await percept([...args, '--speculate', 'off'])).code).toBe(0);
  });

  it('may be trained for a shorter context', async () => {
    const file = readFileSync(TINY_MODEL);
    const key = 'llama.context_length';
    file.writeUInt32LE(32, file.indexOf(key) + key.length + 4); // after the type of the value
    const short = join(emptyFolder(), 'short.gguf');
    writeFileSync(short, file);
    const { ids, speculation } = await answered([...GREEDY, ...DRAFT, '--ctx', '128', '--draft', short]);
    expect(ids).toEqual((await answered([...GREEDY, '--speculate', 'off'])).ids);
    expect(speculation.accepted).toBeGreaterThan(0);
  });
});

describe('settings', () => {
  it('come from variables and files too', async () => {
    const env = { PERCEPT_HOME: emptyFolder() };
    mkdirSync(join(env.PERCEPT_HOME, 'config'));
    const file = join(env.PERCEPT_HOME, 'config/config.json');
    writeFileSync(file, JSON.stringify({ draft: TINY_MODEL, speculate: 'on' }));
    expect(await answered(GREEDY, { env })).toHaveProperty('speculation');
    expect(await answered(GREEDY, { env: { ...env, PERCEPT_SPECULATE: 'off' } })).not.toHaveProperty(
      'speculation',
    );
  });

  it('are checked', async () => {
    const { stderr, code } = await percept([...GREEDY, '--speculate', 'maybe']);
    expect(code).toBe(2);
    expect(stderr).toContain('Expected --speculate to be one of auto, on, off, got "maybe".');
  });
});
