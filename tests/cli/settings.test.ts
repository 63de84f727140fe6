import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { notLinux, onWindows, titled } from '../titled.ts';
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

it('a variable that sets nothing is noted on stderr, unless --quiet', async () => {
  const env = { PERCEPT_TEMPRATURE: '0' };
  expect(await percept(['list', '--names'], { env })).toMatchObject({
    code: 0,
    stderr: 'PERCEPT_TEMPRATURE sets nothing; did you mean PERCEPT_TEMPERATURE?\n',
  });
  expect((await percept(['list', '-q'], { env })).stderr).toBe('');
});

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

describe('percept config set and unset', () => {
  /** A home whose settings file holds `text`, and a call in it. */
  function home(text?: string) {
    const folder = emptyFolder();
    const path = join(folder, 'config/config.json');
    if (text !== undefined) {
      mkdirSync(dirname(path));
      writeFileSync(path, text);
    }
    const run = (args: string[], more = {}) =>
      percept(['config', ...args], { env: { PERCEPT_HOME: folder, ...more } });
    return { path, run, text: () => readFileSync(path, 'utf8') };
  }

  it('make, change and remove a setting', async () => {
    const { path, run, text } = home();
    const first = await run(['set', 'temperature', '0.7']);
    expect(first).toEqual({ code: 0, stdout: '', stderr: `Set temperature to 0.7 in ${path}.\n` });
    await run(['set', 'system', 'Be', 'brief.']);
    await run(['set', 'seed', '-1']);
    await run(['set', 'stats', 'yes']);
    expect(JSON.parse(text())).toEqual({ temperature: 0.7, system: 'Be brief.', seed: -1, stats: true });
    const { stdout } = await run(['--json']);
    expect(JSON.parse(stdout).settings.temperature).toEqual({ value: 0.7, origin: 'user', where: path });
    expect((await run(['unset', 'temperature'])).stderr).toBe(`Removed temperature from ${path}.\n`);
    expect((await run(['unset', 'temperature'])).stderr).toBe(`temperature is not set in ${path}.\n`);
    expect(Object.keys(JSON.parse(text()))).toEqual(['system', 'seed', 'stats']);
  });

  it('keep unknown keys, the order and the indent, and may remove such a key', async () => {
    const { run, text } = home('{\n    "seed": 1,\n    "future": [1, {"a": 2}],\n    "top-k": 3\n}');
    expect((await run([])).code).toBe(2);
    expect((await run(['set', 'seed', '2'])).code).toBe(0);
    expect(text()).toMatch(/^\{\n {4}"seed": 2,\n {4}"future": \[/);
    expect(Object.keys(JSON.parse(text()))).toEqual(['seed', 'future', 'top-k']);
    expect((await run(['unset', 'future'])).code).toBe(0);
    expect((await run([])).code).toBe(0);
  });

  it.skipIf(onWindows)(titled('leave a link and its permissions', onWindows), async () => {
    const { path, run } = home('');
    const real = `${path}.real`;
    writeFileSync(real, '{}', { mode: 0o640 });
    rmSync(path);
    symlinkSync(real, path);
    await run(['set', 'seed', '5']);
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(statSync(real).mode & 0o777).toBe(0o640);
    expect(JSON.parse(readFileSync(real, 'utf8'))).toEqual({ seed: 5 });
    expect(readdirSync(dirname(path)).sort()).toEqual(['config.json', 'config.json.real']);
  });

  it("write the user's file beside a project with another value, and name what overrides it", async () => {
    const { home: folder, folder: project } = places({ seed: 1 }, { seed: 2 });
    const before = readFileSync(join(project, '.percept.json'), 'utf8');
    const env = { PERCEPT_HOME: folder, PERCEPT_SEED: '4' };
    const { stdout, stderr } = await percept(['config', 'set', 'seed', '3', '--json'], { env, cwd: project });
    const file = join(folder, 'config/config.json');
    expect(JSON.parse(stdout)).toEqual({ name: 'seed', value: 3, before: 1, file });
    expect(stderr).toBe('');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ seed: 3 });
    expect(readFileSync(join(project, '.percept.json'), 'utf8')).toBe(before);
    const noted = await percept(['config', 'set', 'seed', '3'], { env, cwd: project });
    expect(noted.stderr).toContain('The variable PERCEPT_SEED overrides it: 4');
    expect(noted.stderr).toContain(`The project's file ${join(project, '.percept.json')} overrides it: 2`);
    const other = await percept(['config', 'set', 'top-k', '3'], { env, cwd: project });
    expect(other.stderr).not.toContain('overrides');
  });

  it("work beside a project's file that is broken", async () => {
    const { home: folder, folder: project } = places({}, {});
    writeFileSync(join(project, '.percept.json'), '{"seed": ');
    const env = { PERCEPT_HOME: folder };
    const { stderr, code } = await percept(['config', 'set', 'seed', '3'], { env, cwd: project });
    expect({ stderr, code }).toEqual({ stderr: expect.stringMatching(/^Set seed to 3 in .*\n$/), code: 0 });
  });

  it.skipIf(notLinux)(titled('end where no folder can be made', notLinux), async () => {
    const { stderr, code } = await home().run(['set', 'seed', '1'], { PERCEPT_HOME: '/proc/none' });
    expect(stderr).toContain("ENOENT: no such file or directory, mkdir '/proc/none'");
    expect(code).toBe(1);
  });

  it('store the path of a model so that it holds in every folder', async () => {
    const { run, text } = home();
    await run(['set', 'model', TINY_MODEL]);
    expect(JSON.parse(text())).toEqual({ model: TINY_MODEL });
    const { stderr, code } = await run(['set', 'model', 'smolm2']);
    expect(code).toBe(3);
    expect(stderr).toContain('Did you mean smollm2?');
  });

  it.each([
    [['set', 'temprature', '1'], 'Unknown setting "temprature".', 'Did you mean "temperature"?'],
    [['set', 'temp', '1'], 'Unknown setting "temp".', 'Did you mean "temperature"?'],
    [['set', 'json', 'true'], 'Unknown setting "json".', 'Settings are: model, '],
    [['unset', 'temprature'], 'Unknown setting "temprature".', 'Did you mean "temperature"?'],
    [
      ['set', 'threads', '0'],
      'Expected threads to be a whole number from 1 to 1024, got "0".',
      'worker threads',
    ],
    [['set', 'stats', 'maybe'], 'Expected stats to be true or false, got "maybe".', 'counts'],
    [['set', 'top-p', '2'], 'Expected top-p to be a number from 0 to 1, got 2.', 'range'],
    [['set', 'dry', '1,,2'], 'Expected --dry to be 1 to 3 numbers', '--help'],
    [['set', 'kv-type', 'q4'], 'Expected kv-type to be one of auto, f32, f16, q8, got "q4".', 'KV cache'],
    [['set', 'seed'], 'Expected NAME VALUE after percept config set, got "seed".', 'temperature 0.7'],
    [['get', 'seed'], 'got "get".', 'percept config alone lists all settings.'],
    [['seed', '7'], 'got "seed".', 'Did you mean percept config set seed 7?'],
    [['unset'], 'Expected NAME after percept config unset, got nothing.', 'lists the names'],
    [['ste', 'seed', '1'], 'Expected set NAME VALUE or unset NAME', 'Did you mean percept config set?'],
    [['seed'], 'got "seed".', 'Did you mean percept config set seed VALUE?'],
  ])('refuse %j, and write nothing', async (args, message, hint) => {
    const { path, run } = home();
    const { stderr, code } = await run(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')[1]).toContain(hint);
    expect(existsSync(path)).toBe(false);
  });

  it.each([['{"seed": 1,}'], ['[1]'], ['"x"']])(
    'leave a file that is no settings file: %s',
    async (content) => {
      const { run, text } = home(content);
      const { stderr, code } = await run(['set', 'seed', '2']);
      expect(code).toBe(2);
      expect(stderr).toMatch(/The settings file .*(is not JSON|does not contain a JSON object)/);
      expect(text()).toBe(content);
    },
  );
});
