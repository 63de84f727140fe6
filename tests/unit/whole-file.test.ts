import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeFolder } from '../../backends/make-folder.ts';
import { replaceFile, writeWhole } from '../../backends/whole-file.ts';
import { emptyFolder } from '../cli/percept.ts';
import { notLinux, titled } from '../titled.ts';

it('replaces a file, with its permissions', () => {
  const folder = emptyFolder();
  const path = join(folder, 'a');
  writeFileSync(path, 'old');
  replaceFile(path, 'new', { mode: 0o600 });
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['a']);
});

it('leaves a file alone that another process has made longer', () => {
  const folder = emptyFolder();
  const path = join(folder, 'a');
  writeFileSync(path, 'old and more');
  replaceFile(path, 'new', { size: 3 });
  expect(readFileSync(path, 'utf8')).toBe('old and more');
  expect(readdirSync(folder)).toEqual(['a']);
});

it('throws where it cannot, and leaves nothing behind', () => {
  const folder = emptyFolder();
  mkdirSync(join(folder, 'a', 'full'), { recursive: true }); // a file cannot take its place
  expect(() => replaceFile(join(folder, 'a'), 'new')).toThrow(/EISDIR|ENOTEMPTY|EEXIST|EPERM/);
  expect(readdirSync(folder)).toEqual(['a']);
});

it('makes the folder of a cache, and does without one that it cannot make', () => {
  const folder = emptyFolder();
  writeWhole(join(folder, 'b', 'c'), 'text');
  expect(readFileSync(join(folder, 'b', 'c'), 'utf8')).toBe('text');
  expect(() => writeWhole(join(folder, 'b', 'c', 'd'), 'text')).not.toThrow();
});

it.skipIf(notLinux)(
  titled('makes the folders that miss, and ends where the system has none', notLinux),
  () => {
    const folder = join(emptyFolder(), 'a', 'b');
    makeFolder(folder, 0o700);
    makeFolder(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    writeFileSync(join(folder, 'file'), '');
    expect(() => makeFolder(join(folder, 'file'))).toThrow('EEXIST');
    expect(() => makeFolder('/proc/none/a')).toThrow('ENOENT'); // Node's own recursion never ends there
  },
);
