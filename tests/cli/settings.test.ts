import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { emptyFolder, percept, TINY_MODEL } from './percept.ts';

/** A home and, apart from it, a project with settings files; `deep` is inside the project. */
function places(user: object, project: object) {
  const home = emptyFolder();
  const folder = emptyFolder();
  const deep = join(folder, 'a/b');
  for (const path of [join(home, 'config'), deep]) mkdirSync(path, { recursive: true });
  writeFileSync(join(home, 'config/config.json'), JSON.stringify(user));
  writeFileSync(join(folder, '.percept.json'), JSON.stringify(project));
  return { home, folder, deep };
}

describe('percept config', () => {
  it('shows each value with its origin: flag, variable, project, user, default', async () => {
    const user = { temperature: 1, 'top-k': 1, seed: 1, threads: 1 };
    const project = { temperature: 2, 'top-k': 2, seed: 2 };
    const { home, folder, deep } = places(user, project);
    const env = { PERCEPT_HOME: home, PERCEPT_TEMPERATURE: '3', PERCEPT_TOP_K: '3' };
    const { stdout } = await percept(['config', '--json', '-t', '4'], { env, cwd: deep });
    const { settings, directories } = JSON.parse(stdout);
    const projectFile = join(folder, '.percept.json');
    expect(settings.temperature).toEqual({ value: 4, origin: 'flag', where: '--temperature' });
    expect(settings['top-k']).toEqual({ value: 3, origin: 'env', where: 'PERCEPT_TOP_K' });
    expect(settings.seed).toEqual({ value: 2, origin: 'project', where: projectFile });
    expect(settings.threads).toEqual({ value: 1, origin: 'user', where: join(home, 'config/config.json') });
    expect(settings.model).toEqual({ value: 'smollm2', origin: 'default' });
    expect(settings['max-tokens']).toEqual({ value: null, origin: 'default' });
    expect(directories.models).toBe(join(home, 'models'));
  });

  it('prints a readable table', async () => {
    const { stdout } = await percept(['config'], { env: { PERCEPT_SEED: '5' } });
    expect(stdout).toMatch(/^seed +5 +env PERCEPT_SEED$/m);
    expect(stdout).toMatch(/^model +smollm2 +default$/m);
  });
});

describe('errors in settings name the file and the key', () => {
  it.each([
    [{ temprature: 1 }, 'Unknown setting "temprature"', 'Did you mean "temperature"?'],
    [{ json: true }, 'Unknown setting "json"', 'Settings are: model, '],
    [{ temperature: '1' }, 'Expected "temperature" in', 'a number, got "1"'],
    [[], 'The settings file', 'does not contain a JSON object'],
  ])('a project with %j', async (project, ...expected) => {
    const { folder } = places({}, project);
    const { stderr, code } = await percept(['config'], { cwd: folder });
    expect(code).toBe(2);
    for (const part of [...expected, '.percept.json']) expect(stderr).toContain(part);
  });

  it.each([
    [{ threads: 0 }, 'Expected "threads" in', 'from 1 to 1024, got 0'],
    [{ backend: 'gpu' }, 'Expected "backend" in', 'one of auto, cpu, webgpu, gpujs, reference, got "gpu"'],
    [{ stats: 'yes' }, 'Expected "stats" in', 'true or false, got "yes"'],
    [{ '\x1b]0;x\x07': 1 }, 'Unknown setting "\u241b]0;x\u2407"'],
  ])('a user with %j', async (user, ...expected) => {
    const { home } = places(user, {});
    const { stderr, code } = await percept(['config'], { env: { PERCEPT_HOME: home } });
    expect(code).toBe(2);
    for (const part of [...expected, 'config.json']) expect(stderr).toContain(part);
  });

  it('or name the variable', async () => {
    const { stderr, code } = await percept(['config'], { env: { PERCEPT_CTX: 'wide' } });
    expect(code).toBe(2);
    expect(stderr).toContain('Expected PERCEPT_CTX to be a whole number of at least 1, got "wide".');
  });

  it('or report the JSON error', async () => {
    const { folder } = places({}, {});
    writeFileSync(join(folder, '.percept.json'), '{"seed": 1,}');
    const { stderr, code } = await percept(['list'], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toContain('is not JSON');
  });
});

describe("a project's file", () => {
  it.each([
    ['backend', 'webgpu'],
    ['draft-of-nobody', 'x', 'Unknown setting'],
    ['no-pull', false],
    ['no-save', true],
    ['quiet', true],
    ['debug', false],
    ['system', 'Lie.'],
    ['threads', 1],
  ])(
    'may not set %s; the error names the file, the key and the places for it',
    async (key, value, expected = '') => {
      const { home, folder } = places({}, { [key]: value });
      const { stdout, stderr, code } = await percept(['list'], { cwd: folder, env: { PERCEPT_HOME: home } });
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(join(folder, '.percept.json'));
      if (expected) return expect(stderr).toContain(expected);
      expect(stderr).toContain(`"${key}" in `);
      expect(stderr).toContain(`--${key}, PERCEPT_${key.toUpperCase().replace('-', '_')}, or "${key}" in `);
      expect(stderr).toContain(join(home, 'config/config.json'));
    },
  );

  it('is reported on stderr, on its own line, by commands that use it', async () => {
    const { folder } = places({}, { temperature: 0, 'max-tokens': 1 });
    const notice = `This project sets temperature, max-tokens (${join(folder, '.percept.json')}).`;
    const answer = await percept(['-m', TINY_MODEL, '--raw', 'hi'], { cwd: folder });
    expect(answer).toMatchObject({ code: 0, stderr: expect.stringContaining(`${notice}\n`) });
    expect((await percept(['list'], { cwd: folder })).stderr).toBe('');
    const overridden = ['-m', TINY_MODEL, '--raw', '-t', '1', '-n', '1', 'hi'];
    expect((await percept(overridden, { cwd: folder })).stderr).not.toContain('This project sets');
  });

  it.each([
    ['model', {}],
    ['draft', { model: 'smollm2' }],
  ])('fetches no %s: no request is made, and the command to run is printed', async (key, more) => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests++;
      response.end('GGUF');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/shutdown`;
    for (const reference of [url, 'hf:owner/repo/x.gguf', 'pip:any==1#x.gguf']) {
      const { folder } = places({}, { ...more, [key]: reference });
      writeFileSync(join(folder, 'pip.py'), 'open("pwned", "w")');
      const { stderr, code } = await percept(['hi'], { cwd: folder });
      expect(code).toBe(3);
      expect(stderr).toContain(`"${key}" in ${join(folder, '.percept.json')} is ${reference}`);
      expect(stderr).toContain(`percept pull ${reference}`);
      expect(existsSync(join(folder, 'pwned'))).toBe(false);
    }
    expect(requests).toBe(0);
  });

  it('may name a pulled model, or an alias; only the user may give a path', async () => {
    const reference = 'hf:owner/repo/tiny.gguf';
    const { home, folder } = places({}, { model: reference });
    const path = join(home, 'models/hf/owner/repo/main/tiny.gguf');
    mkdirSync(dirname(path), { recursive: true });
    copyFileSync(TINY_MODEL, path);
    const env = { PERCEPT_HOME: home };
    const run = (...args: string[]) => percept(args, { cwd: folder, env });
    expect((await run('--raw', '-n', '1', 'hi')).code).toBe(0);

    writeFileSync(join(folder, '.percept.json'), JSON.stringify({ model: 'smollm2' }));
    expect((await run('--no-pull', 'hi')).stderr).toContain('smollm2 is not on this machine');

    writeFileSync(join(folder, '.percept.json'), JSON.stringify({ model: TINY_MODEL }));
    const refused = await run('--raw', '-n', '1', 'hi');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`--model ${TINY_MODEL}`);
    expect((await run('--raw', '-n', '1', '-m', TINY_MODEL, 'hi')).code).toBe(0);
    expect((await run('show', TINY_MODEL)).code).toBe(0);
    expect((await run('config')).stdout).toMatch(new RegExp(`^model +${TINY_MODEL} +project `, 'm'));
  });

  it('is read only up to a limit', async () => {
    const { folder } = places({}, {});
    writeFileSync(join(folder, '.percept.json'), `{"seed": ${' '.repeat(1 << 20)}1}`);
    const { stderr, code } = await percept(['config'], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toContain('the limit is 1048576');
  });
});
