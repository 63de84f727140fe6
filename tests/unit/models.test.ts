import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, sep } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CATALOGUE, DEFAULT_MODEL } from '../../core/models/catalogue.ts';
import { tryLock } from '../../core/models/lock.ts';
import {
  isFolder,
  parseReference,
  pullCommand,
  type Reference,
  sourcesOf,
} from '../../core/models/reference.ts';
import { resolveModel } from '../../core/models/resolve.ts';
import { findModel, listModels, modelPath, removeModel } from '../../core/models/store.ts';
import { samplerParameters } from '../../core/sampler/parameters.ts';
import type { UserError } from '../../errors.ts';

let folder: string;
let place: { models: string };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'percept-models-'));
  place = { models: join(folder, 'models') };
});

afterEach(() => rmSync(folder, { recursive: true }));

function put(path: string, content = 'GGUF'): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

function errorOf(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    return error as UserError;
  }
  throw new Error('Expected an error; none came.');
}

describe('parseReference', () => {
  it('reads an alias', () => {
    expect(parseReference('smollm2')).toMatchObject({ kind: 'alias', entry: { alias: 'smollm2' } });
  });

  it('reads paths against the folder, and names of files in it', () => {
    put(join(folder, 'model.gguf'));
    const path = (text: string) => parseReference(text, folder);
    expect(path('model.gguf')).toEqual({
      kind: 'path',
      text: 'model.gguf',
      path: join(folder, 'model.gguf'),
    });
    expect(path('./absent.gguf')).toMatchObject({ kind: 'path', path: join(folder, 'absent.gguf') });
    expect(path('../x.gguf')).toMatchObject({ kind: 'path', path: join(dirname(folder), 'x.gguf') });
    expect(path('/data/x.gguf')).toMatchObject({ kind: 'path' });
  });

  it('prefers an alias to a file of that name', () => {
    put(join(folder, 'smollm2'));
    expect(parseReference('smollm2', folder).kind).toBe('alias');
    expect(parseReference('./smollm2', folder).kind).toBe('path');
  });

  it('reads Hugging Face files with and without a revision', () => {
    const hf = { kind: 'hf', repository: 'a/b-GGUF', file: 'dir/x.Q8_0.gguf' };
    expect(parseReference('hf:a/b-GGUF/dir/x.Q8_0.gguf')).toMatchObject({ ...hf, revision: 'main' });
    expect(parseReference('hf:a/b-GGUF@v1.0/dir/x.Q8_0.gguf')).toMatchObject({ ...hf, revision: 'v1.0' });
  });

  it('reads package members', () => {
    expect(parseReference('pip:llm-x==0.1.2#llm_x/m.gguf')).toMatchObject({
      kind: 'pip',
      parts: [{ package: 'llm-x', version: '0.1.2', member: 'llm_x/m.gguf' }],
    });
    expect(parseReference('pip:a==1#x/m.gguf.part0,pip:b==1#y/m.gguf.part1')).toMatchObject({
      parts: [{ member: 'x/m.gguf.part0' }, { package: 'b', member: 'y/m.gguf.part1' }],
    });
    expect(isFolder(parseReference('pip:a==1#x/model/'))).toBe(true);
  });

  it('reads addresses: https anywhere, http on this machine', () => {
    for (const text of [
      'https://example.org/m.gguf?x=1',
      'http://127.0.0.1:80/m',
      'http://localhost/m',
      'http://[::1]/m',
      'https://example.org/~ada/get?Revision=master&FilePath=x.gguf',
      'https://example.org/mod%C3%A8les/modèle.gguf',
    ]) {
      expect(parseReference(text).kind).toBe('url');
    }
  });

  it.each([
    ['hf:owner/file.gguf'],
    ['hf:owner/repo/file.bin'],
    ['hf:owner/repo/file.gguf@main'],
    ['hf:owner/repo/../../file.gguf'],
    ['hf:../repo/file.gguf'],
    ['hf:owner/repo@../file.gguf'],
    ['hf:owner/repo/C:\\file.gguf'],
    ['pip:name'],
    ['pip:name==1'],
    ['pip:name==1#../m.gguf'],
    ['pip:--index-url==1#m.gguf'],
    ['http://example.org/m.gguf'],
    ['https://ada:secret@example.org/m.gguf'],
    ['ftp://example.org/m.gguf'],
    ['https://'],
  ])('refuses %s with the expected form', (text) => {
    const error = errorOf(() => parseReference(text, folder));
    expect(error).toMatchObject({ name: 'UserError', kind: 'usage' });
    expect(error.message).toContain(`"${text}"`);
    expect(error.hint).toContain('hf:owner/repo[@revision]/file.gguf');
  });

  it.each([
    ['https://h/x$(touch pwned).gguf', '$', '%24'],
    ['https://h/`id`.gguf', '`', '%60'],
    ['https://h/x;id;.gguf', ';', '%3B'],
    ['https://h/x.gguf?a=1&id', '&', '%26'],
    ['https://h/a|b.gguf', '|', '%7C'],
    ["https://h/it's.gguf", "'", '%27'],
    ['https://h/{a,b}.gguf', '{', '%7B'],
    ['https://h/a b.gguf', ' ', '%20'],
    ['https://h/\x1b]0;x\x07.gguf', '\\u{1b}', '%1B'],
    ['https://h/\u202efugg.gguf', '\\u{202e}', '%E2%80%AE'],
    ['https://h/\u2019x.gguf', '\u2019', '%E2%80%99'],
    ['hf:owner/repo/$HOME.gguf', '$', '%24'],
    ['pip:p==1#m/!x.gguf', '!', '%21'],
  ])('refuses %j, which a shell would interpret', (text, character, code) => {
    const error = errorOf(() => parseReference(text, folder));
    expect(error).toMatchObject({ name: 'UserError', kind: 'usage' });
    expect(error.message).toContain(`contains "${character}"`);
    expect(error.message).toMatch(/^[^\p{C}]*$/u);
    expect(error.hint).toContain(code);
  });

  it.each([
    ['smolm2', 'smollm2'],
    ['SmolLM2', 'smollm2'],
    ['tinylama', 'tinyllama'],
    ['smollm2-350m', 'smollm2-360m'],
  ])('suggests for the typo %s the alias %s', (text, alias) => {
    const error = errorOf(() => parseReference(text, folder));
    expect(error.kind).toBe('model-not-found');
    expect(error.hint).toContain(`Did you mean ${alias}?`);
  });

  it('shows the form of a reference for a repository', () => {
    expect(errorOf(() => parseReference('owner/repo', folder)).hint).toContain('hf:owner/repo/FILE.gguf');
  });

  it.each(['gpt-5', '', 'x'.repeat(100_000), 'a\0b'])(
    'lists the aliases for a name without a near miss (%#)',
    (text) => {
      const error = errorOf(() => parseReference(text, folder));
      expect(error.kind).toBe('model-not-found');
      expect(error.hint).toMatch(/^Aliases are smollm2, /);
    },
  );
});

describe('the catalogue', () => {
  it('has twenty models or more for every purpose that it names, each once', () => {
    expect(CATALOGUE.length).toBeGreaterThan(20);
    expect(new Set(CATALOGUE.map(({ alias }) => alias)).size).toBe(CATALOGUE.length);
    for (const purpose of ['chat', 'reasoning', 'code', 'embedding'])
      expect(CATALOGUE.filter((entry) => entry.purpose === purpose).length).toBeGreaterThan(1);
    for (const { defaults } of CATALOGUE)
      expect(() => samplerParameters(defaults?.sampling ?? {}, {})).not.toThrow();
  });

  it('has the default, once', () => {
    expect(CATALOGUE.filter(({ alias }) => alias === DEFAULT_MODEL)).toHaveLength(1);
  });

  it.each(CATALOGUE.map((entry) => [entry.alias, entry] as const))(
    '%s is pinned and its sources are well formed',
    (alias, entry) => {
      expect(entry.sha256 ?? '0'.repeat(64)).toMatch(/^[0-9a-f]{64}$/);
      expect(entry.bytes).toBeGreaterThan(1e6);
      expect(entry.licence).toMatch(/^(?:Apache-2\.0|MIT|LicenseRef-[\w.-]+)$/);
      expect(entry.description.length).toBeLessThan(80);
      const sources = sourcesOf(parseReference(alias));
      expect(sources.length).toBeGreaterThan(0);
      for (const source of sources) {
        if (source.kind === 'hf' && entry.sha256) expect(source.revision).toMatch(/^[0-9a-f]{40}$/);
        if (!entry.folder) expect(modelPath(source, { models: '/m' })).toMatch(/[^/]\.gguf$/);
        if (!entry.folder) expect(basename(modelPath(source, { models: '/m' }))).toBe(entry.fileName);
        else expect(isFolder(source) || source.kind === 'hub').toBe(true);
      }
    },
  );
});

describe('the store', () => {
  const REFERENCES = [
    'smollm2',
    'hf:a/b/dir/x.gguf',
    'hf:a/b@v1/dir/x.gguf',
    'pip:p==1#dir/x.gguf',
    'https://example.org/x.gguf',
    'https://example.org/x.gguf?download=1',
    'https://example.org/get?model=x',
  ];

  it('maps every reference to its own .gguf file in the models directory', () => {
    const paths = REFERENCES.map((text) => modelPath(parseReference(text), place));
    expect(new Set(paths).size).toBe(REFERENCES.length);
    for (const path of paths) {
      expect(path.startsWith(place.models + sep)).toBe(true);
      expect(path).toMatch(/\.gguf$/);
    }
  });

  it('finds a file in place', () => {
    const path = put(join(folder, 'mine.gguf'), 'GGUF1234');
    expect(findModel(parseReference(path), place)).toEqual({ path, bytes: 8 });
    expect(findModel(parseReference(folder), place)).toBeUndefined();
  });

  it('lists models with their records, copied files, and leftovers', () => {
    const pulled = put(join(place.models, 'smollm2', 'm.gguf'), 'GGUF12');
    put(`${pulled}.json`, JSON.stringify({ reference: 'smollm2', sha256: 'ab' }));
    const byHand = put(join(place.models, 'mine.gguf'));
    put(`${byHand}.json`, '{"cut of');
    const partial = put(join(place.models, 'a', 'n.gguf.partial'), 'GGU');
    put(`${partial}.json`, '{}');
    put(join(place.models, 'a', 'n.gguf.pip-x1Y2z3', 'tmp', 'w.whl'), '12345');
    put(join(place.models, 'a', 'n.gguf.lock'), '');
    expect(listModels(place)).toEqual({
      models: [
        { path: byHand, bytes: 4 },
        { path: pulled, bytes: 6, reference: 'smollm2', sha256: 'ab' },
      ],
      leftovers: [
        { path: partial, bytes: 3 },
        { path: join(place.models, 'a', 'n.gguf.pip-x1Y2z3'), bytes: 5 },
      ],
    });
  });

  it('is empty before the first model', () => {
    expect(listModels(place)).toEqual({ models: [], leftovers: [] });
  });

  it('removes a model with its files, and the folders that become empty', async () => {
    const reference = parseReference('hf:a/b/x.gguf');
    const path = put(modelPath(reference, place), 'GGUF12');
    put(`${path}.json`, '{}');
    put(`${path}.partial`, 'GGU');
    put(join(`${path}.pip-abc`, 'w.whl'), '12345');
    const other = put(join(place.models, 'hf', 'c', 'd', 'main', 'y.gguf'));
    expect(await removeModel(reference, place)).toBe(6 + 2 + 3 + 5);
    expect(listModels(place)).toEqual({ models: [{ path: other, bytes: 4 }], leftovers: [] });
    expect(existsSync(join(place.models, 'hf', 'a'))).toBe(false);
  });

  it('removes by path any file in its directory, also leftovers', async () => {
    const model = put(join(place.models, 'mine.gguf'));
    const partial = put(join(place.models, 'a', 'n.gguf.partial'));
    await removeModel(parseReference(model), place);
    await removeModel(parseReference(partial), place);
    expect(listModels(place)).toEqual({ models: [], leftovers: [] });
  });

  it("never removes a user's own file, not even through ..", async () => {
    const own = put(join(folder, 'mine.gguf'));
    mkdirSync(place.models);
    for (const path of [own, `${place.models}/../mine.gguf`]) {
      await expect(removeModel(parseReference(path), place)).rejects.toMatchObject({ kind: 'usage' });
    }
    expect(existsSync(own)).toBe(true);
  });

  it('removes neither folders nor records, and reports missing models', async () => {
    const path = put(join(place.models, 'a', 'm.gguf'));
    put(`${path}.json`, '{}');
    for (const text of [dirname(path), `${path}.json`, join(place.models, 'no.gguf'), 'smollm2']) {
      await expect(removeModel(parseReference(text), place)).rejects.toMatchObject({
        kind: 'model-not-found',
      });
    }
    expect(existsSync(`${path}.json`)).toBe(true);
  });

  describe('of a split model', () => {
    const TEXT = 'hf:a/b/dir/x-00001-of-00003.gguf';
    const numbered = (name: string, number: number) => name.replace('00001', `0000${number}`);
    const path = (number: number) => numbered(modelPath(parseReference(TEXT), place), number);
    const putParts = (...numbers: number[]) => {
      for (const number of numbers) {
        put(path(number), 'GGUF'.padEnd(4 + number, '.'));
        put(`${path(number)}.json`, JSON.stringify({ reference: numbered(TEXT, number) }));
      }
    };

    it('finds and lists it once, with the bytes of all parts', () => {
      putParts(1, 2, 3);
      const model = { path: path(1), bytes: 5 + 6 + 7, reference: TEXT };
      expect(findModel(parseReference(TEXT), place)).toEqual(model);
      expect(listModels(place)).toEqual({ models: [model], leftovers: [] });
    });

    it('does not find one with a part missing, and lists the others as a leftover', () => {
      putParts(2, 3);
      expect(findModel(parseReference(TEXT), place)).toBeUndefined();
      expect(listModels(place)).toEqual({ models: [], leftovers: [{ path: path(2), bytes: 6 + 7 }] });
      rmSync(path(2));
      putParts(1);
      expect(findModel(parseReference(TEXT), place)).toBeUndefined();
      expect(listModels(place)).toEqual({ models: [], leftovers: [{ path: path(1), bytes: 5 + 7 }] });
    });

    it.each([
      ['its reference', () => TEXT],
      ['the reference of another part', () => numbered(TEXT, 3)],
      ['the path of a part', () => path(2)],
      ['the path of a leftover', () => `${path(2)}.partial`],
    ])('removes all parts by %s', async (_, text) => {
      putParts(1, 3);
      put(`${path(2)}.partial`, 'GGU');
      put(`${path(2)}.partial.json`, '{}');
      const other = put(join(dirname(path(1)), 'x-00001-of-00002.gguf'));
      await removeModel(parseReference(text()), place);
      expect(readdirSync(dirname(other))).toEqual([basename(other)]);
    });

    it('does not remove one of which a part is being pulled', async () => {
      putParts(1);
      const release = tryLock(`${path(2)}.lock`)!;
      await expect(removeModel(parseReference(TEXT), place)).rejects.toThrow('is being pulled');
      release();
      expect(findModel(parseReference(path(1)), place)).toBeDefined();
      expect(existsSync(`${path(1)}.lock`)).toBe(false);
    });
  });

  it('does not remove a model that is being pulled', async () => {
    const reference = parseReference('smollm2');
    const path = put(`${modelPath(reference, place)}.partial`);
    const release = tryLock(`${modelPath(reference, place)}.lock`)!;
    await expect(removeModel(reference, place)).rejects.toThrow('is being pulled by another process');
    release();
    await removeModel(reference, place);
    expect(existsSync(path)).toBe(false);
  });
});

describe('resolveModel', () => {
  const resolve = (text: string) => resolveModel(text, { directories: place, pull: false, folder });

  it('finds a pulled model and a path', async () => {
    const reference: Reference = parseReference('smollm2');
    const path = put(modelPath(reference, place));
    put(`${path}.json`, JSON.stringify({ reference: 'smollm2', licence: 'Apache-2.0' }));
    expect(await resolve('smollm2')).toMatchObject({ path, bytes: 4, licence: 'Apache-2.0' });
    put(join(folder, 'm.gguf'));
    expect((await resolve('m.gguf')).path).toBe(join(folder, 'm.gguf'));
  });

  it('gives the command for a missing model that may not be fetched', async () => {
    await expect(resolve('smollm2')).rejects.toMatchObject({
      kind: 'model-not-found',
      message: 'smollm2 is not on this machine.',
      hint: 'To fetch it, run: percept pull smollm2',
    });
  });

  it('distinguishes a missing file from a folder', async () => {
    const kind = 'model-not-found';
    await expect(resolve('./no.gguf')).rejects.toMatchObject({
      kind,
      message: expect.stringMatching('no readable file'),
    });
    await expect(resolve(folder)).rejects.toMatchObject({
      kind,
      message: expect.stringMatching('is a folder, not a GGUF file'),
    });
  });

  it('quotes references for the shell if necessary', () => {
    expect(pullCommand('pip:p==1#m.gguf')).toBe('percept pull pip:p==1#m.gguf');
    expect(pullCommand("https://h/m?a=1&b='2'")).toBe(String.raw`percept pull 'https://h/m?a=1&b='\''2'\'''`);
  });
});
