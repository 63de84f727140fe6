import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { directories } from '../../core/directories.ts';
import { generate } from '../../core/generate.ts';
import { type LoadOptions, loadModel, type Model } from '../../core/model.ts';
import { parseReference } from '../../core/models/reference.ts';
import { findModel } from '../../core/models/store.ts';
import { forgetSession, PromptCache, type PromptCacheOptions } from '../../core/prompt-cache.ts';
import { SamplerChain } from '../../core/sampler/chain.ts';
import { samplerParameters } from '../../core/sampler/parameters.ts';
import { Sequence } from '../../core/sequence.ts';
import { emptyFolder, percept, TINY_MODEL } from '../cli/percept.ts';

const PROMPT = Array.from({ length: 100 }, (_, i) => 3 + ((i * 7919) % 250));
const OTHER = [...PROMPT.slice(0, 80), 5, 6, 7];

async function tiny(options: LoadOptions = {}): Promise<Model> {
  const model = await loadModel(TINY_MODEL, { backend: 'cpu', threads: 1, ...options });
  onTestFinished(() => model.dispose());
  return model;
}

const cacheOf = (model: Model, options: PromptCacheOptions) =>
  new PromptCache(model, { least: 64, ...options });

/** Answers in a new sequence, as a new process does. */
async function answered(model: Model, ids: readonly number[], cache?: PromptCache, session?: string) {
  const sequence = new Sequence(model);
  sequence.trim(0);
  await cache?.restore(sequence, ids);
  const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
  const tokens = generate(sequence, ids, { sampler, maxTokens: 12, ignoreEos: true });
  for (;;) {
    const next = await tokens.next();
    if (!next.done) continue;
    const { ids: answer, usage } = next.value;
    const computed = usage.promptTokens + usage.completionTokens - usage.cachedTokens;
    if (session) await cache?.save(sequence, session, computed);
    return { answer, cached: usage.cachedTokens };
  }
}

describe('the prompt cache', () => {
  it('gives another prompt the prefix it shares, and the same answer', async () => {
    const model = await tiny();
    const folder = emptyFolder();
    const cache = cacheOf(model, { folder });
    expect((await answered(model, PROMPT, cache, 'aaaaaaaa')).cached).toBe(0);
    const { answer } = await answered(model, OTHER);
    expect(await answered(model, OTHER, cache)).toEqual({ answer, cached: 80 });
    const smaller = await tiny({ contextLength: 256 });
    expect(await answered(smaller, OTHER, cacheOf(smaller, { folder }))).toEqual({ answer, cached: 80 });
    expect(await answered(model, PROMPT, cache)).toMatchObject({ cached: 99 }); // the last token is computed
  });

  it('is for the user alone, one file a session, and forgets it', async () => {
    const model = await tiny();
    const folder = join(emptyFolder(), 'prompts');
    const cache = cacheOf(model, { folder });
    await answered(model, PROMPT, cache, 'aaaaaaaa');
    await answered(model, PROMPT.toReversed(), cache, 'aaaaaaaa');
    await answered(model, PROMPT, cache, 'bbbbbbbb');
    const names = readdirSync(folder);
    expect(names).toHaveLength(2);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, names[0]!)).mode & 0o777).toBe(0o600);
    forgetSession(folder, 'aaaaaaaa');
    expect(readdirSync(folder).map((name) => name.slice(-11))).toEqual(['bbbbbbbb.kv']);
  });

  it('stores nothing of a short prompt, and nothing again', async () => {
    const model = await tiny();
    const folder = emptyFolder();
    const cache = cacheOf(model, { folder });
    await answered(model, PROMPT.slice(0, 40), cache, 'aaaaaaaa');
    expect(readdirSync(folder)).toEqual([]);
    await answered(model, PROMPT, cache, 'aaaaaaaa');
    await answered(model, OTHER, cache, 'bbbbbbbb'); // 15 new tokens
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it.each([
    ['a flipped bit', (bytes: Buffer) => bytes.writeUInt8(bytes.at(-9)! ^ 1, bytes.length - 9)],
    ['another count of tokens', (bytes: Buffer) => bytes.writeUInt32LE(4e9, 8)],
  ])('computes again after %s', async (_, damage) => {
    const model = await tiny();
    const folder = emptyFolder();
    const cache = cacheOf(model, { folder });
    const { answer } = await answered(model, PROMPT, cache, 'aaaaaaaa');
    const path = join(folder, readdirSync(folder)[0]!);
    const bytes = readFileSync(path);
    damage(bytes);
    writeFileSync(path, bytes);
    expect(await answered(model, PROMPT, cache)).toEqual({ answer, cached: 0 });
  });

  it('keeps another model, and another type of cache, apart', async () => {
    const folder = emptyFolder();
    const model = await tiny();
    await answered(model, PROMPT, cacheOf(model, { folder }), 'aaaaaaaa');
    const copy = join(emptyFolder(), 'copy.gguf');
    writeFileSync(copy, readFileSync(TINY_MODEL));
    const copied = await loadModel(copy, { backend: 'cpu', threads: 1 });
    onTestFinished(() => copied.dispose());
    expect((await answered(copied, PROMPT, cacheOf(copied, { folder }))).cached).toBe(0);
    const f32 = await tiny({ kvType: 'f32' });
    expect((await answered(f32, PROMPT, cacheOf(f32, { folder }))).cached).toBe(0);
    const reference = await tiny({ backend: 'reference', threads: undefined });
    expect((await answered(reference, PROMPT, cacheOf(reference, { folder }), 'cccccccc')).cached).toBe(0);
  });

  it('leaves a state that is longer than the context to others', async () => {
    const folder = emptyFolder();
    const model = await tiny();
    await answered(model, PROMPT, cacheOf(model, { folder }), 'aaaaaaaa');
    const small = await tiny({ contextLength: 90 });
    expect((await answered(small, PROMPT.slice(0, 70), cacheOf(small, { folder }))).cached).toBe(0);
    expect((await answered(model, PROMPT, cacheOf(model, { folder }))).cached).toBe(99);
  });

  it('stores under the file that was loaded, not under one that has replaced it', async () => {
    const folder = emptyFolder();
    const path = join(emptyFolder(), 'model.gguf');
    writeFileSync(path, readFileSync(TINY_MODEL));
    const load = async () => {
      const model = await loadModel(path, { backend: 'cpu', threads: 1 });
      onTestFinished(() => model.dispose());
      return model;
    };
    const model = await load();
    writeFileSync(`${path}.new`, readFileSync(TINY_MODEL));
    renameSync(`${path}.new`, path);
    await answered(model, PROMPT, cacheOf(model, { folder }), 'aaaaaaaa');
    const replaced = await load();
    expect((await answered(replaced, PROMPT, cacheOf(replaced, { folder }))).cached).toBe(0);
    expect((await answered(model, PROMPT, cacheOf(model, { folder }))).cached).toBe(99);
  });

  it('throws nothing where it cannot save', async () => {
    const model = await tiny();
    const sequence = new Sequence(model);
    await sequence.evaluate(PROMPT);
    await model.dispose();
    await expect(
      cacheOf(model, { folder: emptyFolder() }).save(sequence, 'aaaaaaaa', 100),
    ).resolves.toBeUndefined();
  });

  it('stays within its bound: the least recently used go', async () => {
    const model = await tiny();
    const folder = emptyFolder();
    await answered(model, PROMPT, cacheOf(model, { folder }), 'aaaaaaaa');
    const { size } = statSync(join(folder, readdirSync(folder)[0]!));
    const cache = cacheOf(model, { folder, bound: 2.5 * size });
    const rotated = (by: number) => [...PROMPT.slice(by), ...PROMPT.slice(0, by)];
    await answered(model, rotated(10), cache, 'bbbbbbbb');
    for (const [name, minutes] of [
      ['aaaaaaaa', 2],
      ['bbbbbbbb', 1],
    ] as const) {
      const file = readdirSync(folder).find((each) => each.includes(name))!;
      const time = new Date(Date.now() - 60_000 * minutes);
      utimesSync(join(folder, file), time, time);
    }
    await answered(model, PROMPT, cache); // uses a again
    await answered(model, rotated(20), cache, 'cccccccc');
    expect(
      readdirSync(folder)
        .map((name) => name.slice(-11, -3))
        .sort(),
    ).toEqual(['aaaaaaaa', 'cccccccc']);
  });
});

const DEFAULT_MODEL =
  process.env.PERCEPT_TEST_MODEL ?? findModel(parseReference('smollm2'), directories())?.path;
const why = DEFAULT_MODEL ? '' : ' (skipped: percept pull smollm2 has not been run)';

describe.skipIf(!DEFAULT_MODEL)(`percept run with a long prompt${why}`, () => {
  const SYSTEM = 'Answer with one word. '.repeat(120); // 600 tokens
  const ask = async (home: string, ...args: string[]) => {
    const flags = ['-m', DEFAULT_MODEL!, '-s', SYSTEM, '-n', '2', '--json', '--backend', 'cpu'];
    const { stdout } = await percept([...flags, ...args], { env: { PERCEPT_HOME: home } });
    return JSON.parse(stdout);
  };
  const promptsIn = (home: string) => {
    const folder = join(home, 'cache', 'prompts');
    return existsSync(folder) ? readdirSync(folder) : [];
  };

  it('reads it once, until its session is removed', async () => {
    const home = emptyFolder();
    const first = await ask(home, 'One?');
    expect(first.usage.cached_tokens).toBe(0);
    expect((await ask(home, 'Two?')).usage.cached_tokens).toBeGreaterThan(590);
    expect((await ask(home, '-c', 'Three?')).usage.cached_tokens).toBeGreaterThan(590);
    expect(promptsIn(home)).toEqual([expect.stringContaining(first.session)]);
    await percept(['sessions', 'rm', '-y', first.session], { env: { PERCEPT_HOME: home } });
    expect(promptsIn(home)).toEqual([]);
  });

  it('writes nothing with --no-save', async () => {
    const home = emptyFolder();
    await ask(home, '--no-save', 'One?');
    expect(promptsIn(home)).toEqual([]);
  });
});
