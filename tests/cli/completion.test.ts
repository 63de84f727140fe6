import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../cli/commands.ts';
import { emptyFolder, percept } from './percept.ts';

describe.each(['bash', 'zsh', 'fish', 'powershell'])('percept completion %s', (shell) => {
  it('knows every command and every option', async () => {
    const { stdout, code } = await percept(['completion', shell]);
    expect(code).toBe(0);
    for (const { name, options } of COMMANDS) {
      expect(stdout).toContain(name);
      for (const option of options) expect(stdout).toMatch(new RegExp(`[-l ]${option}\\b`));
    }
  });
});

const hasBash = spawnSync('bash', ['--version']).status === 0;

const PERCEPT = `#!/bin/sh
case $1 in
  sessions) echo 7fg1r4sp; echo m2x0v9aa ;;
  *) echo smollm2; echo hf:owner/repo/tiny.gguf ;;
esac
`;

/** What bash offers after `line`, with a percept that knows two models and two sessions. */
async function offered(line: string): Promise<string[]> {
  const folder = emptyFolder();
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'percept'), PERCEPT);
  chmodSync(join(bin, 'percept'), 0o755);
  const { stdout: script } = await percept(['completion', 'bash']);
  const ask = `COMP_LINE=$1; COMP_POINT=\${#1}; _percept; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync(
    'bash',
    ['-c', `${script}\ncompopt() { COMPREPLY=(files); }\n${ask}`, '-', line],
    {
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
      encoding: 'utf8',
    },
  );
  expect(stderr).toBe('');
  return stdout.split('\n').filter((word) => word !== '');
}

describe.skipIf(!hasBash)(`completion in bash${hasBash ? '' : ' (skipped: there is no bash)'}`, () => {
  it.each([
    ['percept co', ['config', 'completion']],
    ['percept --max', ['--max-tokens']],
    ['percept show --c', ['--ctx']],
    ['percept list --', ['--json', '--names', '--quiet', '--no-color', '--ascii', '--debug', '--help']],
    ['percept --backend ', ['auto', 'cpu', 'webgpu', 'gpujs', 'reference']],
    ['percept score --kv-type ', ['auto', 'f32', 'f16', 'q8']],
    ['percept completion f', ['fish']],
    ['percept -m sm', ['smollm2']],
    ['percept -m hf:ow', ['owner/repo/tiny.gguf']], // bash itself keeps what stands before the colon
    ['percept rm ', ['smollm2', 'hf:owner/repo/tiny.gguf']],
    ['percept sessions s', ['show', 'search']],
    ['percept sessions show 7f', ['7fg1r4sp']],
    ['percept chat --resume ', ['7fg1r4sp', 'm2x0v9aa']],
    ['percept score ', ['files']],
    ['percept run --messages ', ['files']],
    ['percept "some text" -n ', []],
  ])('%s', async (line, expected) => {
    expect(await offered(line)).toEqual(expected);
  });
});
