/** percept embed and percept similar, with the hidden states of a tiny decoder. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder, percept, start, TINY_MODEL } from './percept.ts';

const MODEL = ['-m', TINY_MODEL, '--backend', 'cpu'];
const embed = (args: readonly string[], input?: string) => percept(['embed', ...MODEL, ...args], { input });
const lengthOf = (vector: readonly number[]) => Math.hypot(...vector);

describe('percept embed', () => {
  it('prints a vector for each text, of length 1', async () => {
    const { stdout, code } = await embed(['one text', 'another']);
    const vectors = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ').map(Number));
    expect(code).toBe(0);
    expect(vectors.map(({ length }) => length)).toEqual([256, 256]);
    for (const vector of vectors) expect(lengthOf(vector)).toBeCloseTo(1, 5);
    expect(vectors[0]).not.toEqual(vectors[1]);
  });

  it('reads lines, and prints JSON for each with the numbers of the bytes of --raw', async () => {
    const input = 'first line\n\n  \nsecond line\n';
    const { stdout } = await embed(['--lines', '--jsonl'], input);
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ index }) => index)).toEqual([0, 1]);
    const file = join(emptyFolder(), 'text.txt');
    writeFileSync(file, input);
    const whole = JSON.parse((await embed(['--lines', '--json', '-f', file])).stdout);
    expect(whole).toMatchObject({
      pooling: 'mean',
      dimensions: 256,
      tokens: rows[0].tokens + rows[1].tokens,
    });
    expect(whole.embeddings).toEqual(rows.map(({ embedding }) => embedding));
    const child = start(['embed', ...MODEL, '--lines', '--raw', '-f', file]);
    child.stdin!.end();
    const bytes = new Uint8Array(Buffer.concat(await child.stdout!.toArray()));
    expect([...new Float32Array(bytes.buffer)]).toEqual(whole.embeddings.flat().map(Math.fround));
  });

  it('pools as asked, of ids too, and leaves the length alone', async () => {
    const ask = async (...args: string[]) =>
      JSON.parse((await embed(['--prompt-ids', '5,6,7', '--no-normalize', '--json', ...args])).stdout);
    const [mean, cls, last, first] = [
      await ask('--pooling', 'mean'),
      await ask('--pooling', 'cls'),
      await ask('--pooling', 'last'),
      JSON.parse((await embed(['--prompt-ids', '5', '--no-normalize', '--json'])).stdout),
    ];
    expect(lengthOf(mean.embeddings[0])).not.toBeCloseTo(1, 2);
    expect(last.embeddings[0]).not.toEqual(mean.embeddings[0]);
    for (const [i, x] of cls.embeddings[0].entries()) expect(x).toBeCloseTo(first.embeddings[0][i], 4);
  });

  it('refuses what is too long, but for --truncate, and what is nothing', async () => {
    const long = 'word '.repeat(400);
    const refused = await embed(['--ctx', '64', long]);
    expect(refused).toMatchObject({ code: 6, stdout: '' });
    expect(refused.stderr).toMatch(/tokens, more than the context of 64\.\n.*--truncate/);
    expect((await embed(['--ctx', '64', '--truncate', long])).code).toBe(0);
    expect(await embed(['--lines'], ' \n\n')).toMatchObject({ code: 2 });
  });
});

describe('percept similar', () => {
  /** A home that keeps the index, and a folder with texts. */
  const setUp = () => {
    const [home, folder] = [emptyFolder(), emptyFolder()];
    writeFileSync(join(folder, 'a.txt'), 'the first paragraph\nhas two lines\n\nshort\n');
    writeFileSync(join(folder, 'b.md'), '# A title\n\nanother text about zebras\n');
    writeFileSync(join(folder, 'c.bin'), Buffer.from([0, 1, 2, 0, 255]));
    const similar = (...args: string[]) =>
      percept(['similar', ...MODEL, ...args], { cwd: folder, env: { PERCEPT_HOME: home } });
    return { home, folder, similar };
  };

  it('finds a line by its own words, as path:line:text', async () => {
    const { similar } = setUp();
    const { stdout, code } = await similar('another text about zebras', '--lines', '.', '-n', '2');
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toBe('b.md:3:another text about zebras');
    expect(lines).toHaveLength(2);
    const json = JSON.parse((await similar('has two lines', '.', '--json')).stdout);
    expect(json.results).toContainEqual(
      expect.objectContaining({ path: 'a.txt', line: 2, text: 'has two lines' }),
    );
  });

  it('follows files that change, vanish and appear, and reads stdin', async () => {
    const { folder, similar } = setUp();
    await similar('x', '--lines', '.');
    writeFileSync(join(folder, 'a.txt'), 'new words in the first file\n');
    rmSync(join(folder, 'b.md'));
    writeFileSync(join(folder, 'd.txt'), 'zebras again\n');
    const { stdout } = await similar('zebras again', '--lines', '.', '--json');
    const { results } = JSON.parse(stdout);
    expect(results[0]).toMatchObject({ path: 'd.txt', line: 1 });
    expect(results.map(({ path }: { path: string }) => path).sort()).toEqual(['a.txt', 'd.txt']);
    const piped = await percept(['similar', ...MODEL, 'two', '-'], { input: 'one\n' });
    expect(piped.stdout).toBe('-:1:one\n');
  });

  it('makes a damaged index anew, and lets two processes index at once', async () => {
    const { home, similar } = setUp();
    await similar('x', '.');
    const index = join(home, 'cache', 'similar');
    const [name] = readdirSync(index).filter((file) => file.endsWith('.db'));
    writeFileSync(join(index, name!), 'no database');
    expect(await similar('x', '.')).toMatchObject({ code: 0 });
    rmSync(index, { recursive: true });
    const both = await Promise.all([similar('x', '.'), similar('y', '.')]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(existsSync(join(index, name!))).toBe(true);
  });

  it('says what is missing', async () => {
    const { similar } = setUp();
    expect(await similar('x', 'nowhere')).toMatchObject({ code: 2 });
    expect(await similar(' ')).toMatchObject({ code: 2 });
  });
});
