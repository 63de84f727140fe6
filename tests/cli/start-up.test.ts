import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { emptyFolder, percept, TINY_MODEL } from './percept.ts';

/** Texts that mark a package inside a bundle. */
const MARKS = {
  react: /react\.transitional\.element/,
  ink: /yoga-layout|resetAfterCommit/,
  marked: /blockquoteSetextReplace/,
  sqlite: /node:sqlite/,
  webgpu: /createComputePipeline/,
};

const ENGINE = /tokenizer\.ggml\.model/;

const DIST = new URL('../../dist/', import.meta.url);

function textOf(file: string): string {
  return readFileSync(new URL(file, DIST), 'utf8');
}

/** A file of dist/ and those that it imports before it runs. */
function withImports(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, next] of textOf(file).matchAll(/(?:^|[;}\n])import(?:[\w\s{},$*]*from)?"\.\/([^"]+)"/g))
    withImports(next!, found);
  return found;
}

/** The files that a run of the program loaded, according to V8. */
async function filesOf(args: readonly string[], input = ''): Promise<Set<string>> {
  const folder = emptyFolder();
  const { code, stderr } = await percept(args, { input, env: { NODE_V8_COVERAGE: folder } });
  expect(code, stderr).toBe(0);
  const urls = readdirSync(folder).flatMap((file): string[] => {
    const { result } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    return result.map(({ url }: { url: string }) => url);
  });
  const files = new Set(urls.filter((url) => url.startsWith('file:') && url.includes('/dist/')));
  expect(files.size).toBeGreaterThan(0);
  return files;
}

/** The packages inside these files. */
async function loadedBy(args: readonly string[], input = ''): Promise<string[]> {
  const texts = [...(await filesOf(args, input))].map((url) => readFileSync(fileURLToPath(url), 'utf8'));
  return Object.entries(MARKS).flatMap(([name, mark]) => (texts.some((text) => mark.test(text)) ? name : []));
}

describe('files that a command loads', () => {
  it('an answer is loaded in few files', async () => {
    const args = ['run', '-m', TINY_MODEL, '--raw', '-n', '2', '--backend', 'cpu', 'a'];
    expect((await filesOf(args)).size).toBeLessThan(20);
  });

  it.each([
    ['--help', ['--help'], ''],
    ['run', ['run', '-m', TINY_MODEL, '--raw', '-n', '2', '--backend', 'cpu', 'a'], ''],
    ['run from stdin', ['-m', TINY_MODEL, '--raw', '-n', '2', '--backend', 'cpu', '-'], 'a'],
    ['list', ['list'], ''],
    ['show', ['show', TINY_MODEL], ''],
    ['config', ['config'], ''],
    ['bench, piped', ['bench', '-m', TINY_MODEL, '-p', '4', '-n', '2', '-r', '1', '--backend', 'cpu'], ''],
  ])('%s loads neither React nor Ink nor other unneeded packages', async (_, args, input) => {
    expect(await loadedBy(args, input)).toEqual([]);
  });

  it('sessions loads the database, and no screen', async () => {
    expect(await loadedBy(['sessions', 'list'])).toEqual(['sqlite']);
  });

  it('the first frame of a chat is drawn without the engine', () => {
    const chat = readdirSync(DIST).find((file) => file.startsWith('chat-'))!;
    const texts = [...withImports('percept.js'), ...withImports(chat)].map(textOf);
    expect(texts.some((text) => MARKS.ink.test(text))).toBe(true);
    expect(texts.filter((text) => ENGINE.test(text))).toEqual([]);
    const [run] = readdirSync(DIST).filter((file) => file.startsWith('run-'));
    expect([...withImports(run!)].map(textOf).some((text) => ENGINE.test(text))).toBe(true);
  });

  it('these marks detect the screen', () => {
    const texts = readdirSync(DIST)
      .filter((file) => file.endsWith('.js'))
      .map(textOf);
    for (const mark of Object.values(MARKS)) expect(texts.some((text) => mark.test(text))).toBe(true);
  });
});
