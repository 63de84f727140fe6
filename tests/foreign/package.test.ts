/** The package as npm installs it elsewhere: from `npm pack`, in an empty folder, run by the Node that is there. */
import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { emptyFolder, TINY_MODEL } from '../cli/percept.ts';
import { run } from './registry.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** Without what the tests themselves run on: no Node of this checkout, no settings of the tester. */
function newcomer(home: string): NodeJS.ProcessEnv {
  const path = process.env.PATH!.split(':').filter((folder) => !folder.startsWith(ROOT));
  return { PATH: path.join(':'), HOME: home, PERCEPT_HOME: join(home, 'percept'), npm_config_fund: 'false' };
}

it('a packed percept installs in an empty folder, answers there and is a library', {
  timeout: 600_000,
}, async () => {
  const [folder, home] = [emptyFolder(), emptyFolder()];
  const env = newcomer(home);
  const packed = await run('npm', ['pack', '--pack-destination', folder, '--ignore-scripts'], ROOT);
  expect(packed.code, packed.stderr).toBe(0);
  const [archive] = readdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"type": "module", "private": true}');
  const install = await run('npm', ['install', `./${archive}`], folder, env);
  if (install.code !== 0 && /E(NOTFOUND|AI_AGAIN|CONNREFUSED|TIMEDOUT)|network/i.test(install.stderr)) {
    process.stderr.write(
      `skipped: the registry does not answer: ${install.stderr.trim().split('\n').at(-1)}\n`,
    );
    return;
  }
  expect(install.code, install.stderr).toBe(0);

  cpSync(TINY_MODEL, join(folder, 'tiny.gguf'));
  const version = await run('npx', ['percept', '--version'], folder, env);
  expect(version.stdout.trim(), version.stderr).toMatch(/^\d+\.\d+\.\d+$/);
  const args = ['percept', '-m', './tiny.gguf', '--raw', '-t', '0', '-n', '8', '--json', 'a'];
  const answer = await run('npx', args, folder, env);
  expect(answer.code, answer.stderr).toBe(0);
  expect(JSON.parse(answer.stdout).ids).toHaveLength(8);

  writeFileSync(join(folder, 'use.mjs'), USE);
  const used = await run(join(folder, 'node_modules/.bin/node'), ['use.mjs'], folder, env);
  expect(used.code, used.stderr).toBe(0);
  expect(JSON.parse(used.stdout)).toEqual(JSON.parse(answer.stdout).ids);
});

const USE = `
import { generate, loadModel, SamplerChain, samplerParameters, Sequence } from 'percept';
const model = await loadModel('tiny.gguf');
const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
const prompt = model.tokenizer.encode('a', { addSpecial: true });
const ids = [];
for await (const { id } of generate(new Sequence(model), prompt, { sampler, maxTokens: 8 })) ids.push(id);
console.log(JSON.stringify(ids));
await model.dispose();
`;
