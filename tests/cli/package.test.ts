/** The npm package: what is in it, and that it needs nothing but its dependencies. Offline. */
import { execFile } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { licences } from '../../scripts/third-party.ts';
import { onWindows, titled } from '../titled.ts';
import { emptyFolder, TINY_MODEL } from './percept.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const LICENCES = readFileSync(join(ROOT, 'dist/THIRD-PARTY-LICENSES'), 'utf8');

describe.skipIf(onWindows)(titled('npm pack', onWindows), () => {
  it('takes the program, its manual and its notices, and nothing that belongs to this machine', async () => {
    const { stdout } = await promisify(execFile)(
      'npm',
      ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline', '--cache', emptyFolder()],
      { cwd: ROOT, maxBuffer: 1 << 24 },
    );
    const [packed] = Object.values(JSON.parse(stdout)) as { files: { path: string }[] }[];
    const paths = packed!.files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        ...['LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md', 'bin/percept.js', 'errors.ts'],
        ...['dist/percept.js', 'dist/core.js', 'dist/cpu-worker.js', 'dist/kernels-unsigned.wasm'],
        ...['dist/percept.1', 'dist/THIRD-PARTY-LICENSES'],
      ]),
    );
    const alien = /compile-cache|emulated|\.stamp$|\.map$|\.gguf$|^(tests|bench|scripts|cli|node_modules)\//;
    expect(paths.filter((path) => alien.test(path))).toEqual([]);
  });
});

describe('the bundles', () => {
  it('contain the packages that they are built from: gpu.js computes without node_modules', async () => {
    const folder = emptyFolder();
    for (const part of ['package.json', 'bin', 'dist']) {
      const filter = (path: string) => !path.includes('compile-cache') && !path.includes('emulated');
      cpSync(join(ROOT, part), join(folder, part), { recursive: true, filter });
    }
    const run = async (...args: string[]) => {
      const all = [join(folder, 'bin/percept.js'), ...args];
      const child = promisify(execFile)(process.execPath, all, {
        cwd: folder,
        env: { ...process.env, PERCEPT_HOME: join(folder, 'home') },
      });
      child.child.stdin!.end();
      return JSON.parse((await child).stdout);
    };
    const answer = ['-m', TINY_MODEL, '--raw', '-t', '0', '-n', '4', '--json', 'a', '--backend'];
    const [gpujs, cpu] = [await run(...answer, 'gpujs'), await run(...answer, 'cpu')];
    expect(gpujs.backend).toBe('gpujs');
    expect(gpujs.ids).toEqual(cpu.ids);
    expect((await run('devices', '--json')).versions).toMatchObject({
      'gpu.js': expect.stringMatching(/^\d/),
    });
  });

  it.each([
    ['gpu.js', 'Copyright (c) 2019 gpu.js Team'],
    ['acorn', 'Copyright (C) 2012-2022 by various contributors'],
    ['ink', 'MIT License'],
    ['react', 'Copyright (c) Meta Platforms'],
    ['yoga-layout', 'Copyright (c) Meta Platforms'],
    ['highlight.js', 'BSD 3-Clause License'],
  ])('name the licence of %s', (name, words) => {
    const part = LICENCES.split(`\n${'-'.repeat(80)}\n`).find((text) => text.startsWith(`${name} `));
    expect(part).toMatch(/\S+ \d+\.\d+\.\d+ \([\w-]+\)\n\n/);
    expect(part).toContain(words);
  });

  it('also that of a source within a package', () => {
    expect(LICENCES).toContain('Copyright (c) 2019 Robert Plummer');
  });

  it('are not built from a package without a licence', () => {
    const folder = emptyFolder();
    cpSync(join(ROOT, 'package.json'), join(folder, 'node_modules/bare/package.json'));
    expect(() => licences(folder, ['node_modules/bare/index.js'])).toThrow(
      'Expected a licence file in node_modules/bare, got none',
    );
  });
});
