/** Folders, limits and users that a program meets. None of them is a bug of the program. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { onWindows, titled } from '../titled.ts';
import { emptyFolder, PROGRAM, percept, TINY_MODEL } from './percept.ts';

const BUG = 'This is a bug';

describe('surroundings that fail', () => {
  it.skipIf(onWindows).each([
    [['list'], 0, ''],
    [['-m', TINY_MODEL, 'hi'], 1, 'change to another folder'],
  ])(titled('a working directory that was deleted: percept %j', onWindows), (args, code, hint) => {
    const gone = join(emptyFolder(), 'gone');
    mkdirSync(gone);
    const command = `rmdir '${gone}'; exec "$@"`;
    const words = ['-c', command, 'sh', process.execPath, PROGRAM, ...args];
    const env = { ...process.env, PERCEPT_HOME: emptyFolder() };
    const { status, stderr } = spawnSync('sh', words, { cwd: gone, env, encoding: 'utf8' });
    expect([status, stderr]).toEqual([code, expect.stringContaining(hint)]);
    expect(stderr).not.toContain(BUG);
  });

  it.each([[['list']], [['sessions']], [['-c', 'hi']], [['pull', 'smollm2']], [['rm', '-y', 'smollm2']]])(
    'PERCEPT_HOME is a file: percept %j',
    async (args) => {
      const file = join(emptyFolder(), 'file');
      writeFileSync(file, '');
      const { code, stderr } = await percept(args, { env: { PERCEPT_HOME: file } });
      expect(stderr).not.toContain(BUG);
      if (code !== 0) expect(stderr).toContain('PERCEPT_HOME');
    },
  );

  it.each(['sessions.db', 'config/config.json', 'state/history.jsonl', 'cache/backend-choices.json'])(
    'a folder is in the place of %s',
    async (name) => {
      const home = emptyFolder();
      mkdirSync(join(home, name), { recursive: true });
      for (const args of [['list'], ['sessions'], ['devices'], ['-m', TINY_MODEL, '--raw', '-n', '1', 'a']]) {
        expect((await percept(args, { env: { PERCEPT_HOME: home } })).stderr).not.toContain(BUG);
      }
    },
  );
});

describe('an error for scripts', () => {
  it.each([
    [['--json', '-m', 'nope', 'hi'], 3, 'model-not-found'],
    [['--json', '--wrong'], 2, 'usage'],
    [['show', '--json', './missing.gguf'], 3, 'model-not-found'],
  ])('is JSON on stdout: percept %j', async (args, exitCode, kind) => {
    const { code, stdout, stderr } = await percept(args);
    const { error } = JSON.parse(stdout);
    expect([code, error.exit_code, error.kind]).toEqual([exitCode, exitCode, kind]);
    expect(stderr).toBe(`error: ${error.message}\n  ${error.hint}\n`);
  });

  it('is none where --json is text', async () => {
    expect((await percept(['-m', 'nope', '--', '--json'])).stdout).toBe('');
  });
});
