import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder, percept } from './percept.ts';

/** A home and, apart from it, a project with settings files; `deep` lies inside the project. */
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

  it('is readable by people too', async () => {
    const { stdout } = await percept(['config'], { env: { PERCEPT_SEED: '5' } });
    expect(stdout).toMatch(/^seed +5 +env PERCEPT_SEED$/m);
    expect(stdout).toMatch(/^model +smollm2 +default$/m);
  });
});

describe('settings that are wrong name the file and the key', () => {
  it.each([
    [{ temprature: 1 }, 'got the unknown key "temprature"', 'Did you mean "temperature"?'],
    [{ json: true }, 'got the unknown key "json"', 'Settings are: model, '],
    [{ temperature: '1' }, 'Expected "temperature" in', 'a number, got "1"'],
    [{ threads: 0 }, 'Expected "threads" in', 'from 1 to 1024, got 0'],
    [{ backend: 'gpu' }, 'Expected "backend" in', 'one of auto, cpu, webgpu, gpujs, reference, got "gpu"'],
    [{ stats: 'yes' }, 'Expected "stats" in', 'true or false, got "yes"'],
    [[], 'Expected settings in', 'it holds no JSON object'],
  ])('%j', async (project, ...expected) => {
    const { folder } = places({}, project);
    const { stderr, code } = await percept(['config'], { cwd: folder });
    expect(code).toBe(2);
    for (const part of [...expected, '.percept.json']) expect(stderr).toContain(part);
  });

  it('or the variable', async () => {
    const { stderr, code } = await percept(['config'], { env: { PERCEPT_CTX: 'wide' } });
    expect(code).toBe(2);
    expect(stderr).toContain('Expected PERCEPT_CTX to be a whole number of at least 1, got "wide".');
  });

  it('or the flaw in the JSON', async () => {
    const { folder } = places({}, {});
    writeFileSync(join(folder, '.percept.json'), '{"seed": 1,}');
    const { stderr, code } = await percept(['list'], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toContain('it is not JSON');
  });
});
