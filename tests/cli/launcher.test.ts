import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder, finished, PROGRAM, percept } from './percept.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** Makes the launcher believe it runs on Node 20. */
const OLD_NODE = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.0.0' } })",
)}`;

/** The npm package with a Node for this platform. */
const NODE_PACKAGE = `${process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'}-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

/** A checkout of the launcher alone, with `program` built, and with a Node of `nodeVersion` in the npm package `name`. */
function checkout(program?: string, nodeVersion?: string, name = NODE_PACKAGE) {
  const folder = emptyFolder();
  const bin = join('node_modules', name, 'bin');
  for (const path of ['bin', 'dist', bin]) mkdirSync(join(folder, path), { recursive: true });
  for (const path of ['package.json', 'bin/percept.js']) copyFileSync(join(ROOT, path), join(folder, path));
  if (program !== undefined) writeFileSync(join(folder, 'dist/percept.js'), program);
  if (nodeVersion !== undefined) {
    const manifest = { name, version: nodeVersion };
    writeFileSync(join(folder, bin, '../package.json'), JSON.stringify(manifest));
    symlinkSync(process.execPath, join(folder, bin, 'node'));
  }
  return join(folder, 'bin/percept.js');
}

function launch(launcher: string, args: string[], { old = false } = {}) {
  const nodeArgs = old ? ['--import', OLD_NODE] : [];
  return spawnSync(process.execPath, [...nodeArgs, launcher, ...args], { encoding: 'utf8' });
}

describe('percept --version', () => {
  it('prints the version without loading the program', async () => {
    const launcher = checkout('throw new Error("loaded");');
    for (const flag of ['--version', '-v']) {
      expect(launch(launcher, [flag])).toMatchObject({ stdout: `${version}\n`, stderr: '', status: 0 });
      expect(launch(launcher, [flag], { old: true })).toMatchObject({ stdout: `${version}\n`, status: 0 });
    }
    expect((await percept(['--version'])).stdout).toBe(`${version}\n`);
  });
});

describe('the launcher', () => {
  it('runs the program in its own process on a new Node', () => {
    const launcher = checkout('console.log(JSON.stringify([process.argv.slice(2), process.execArgv]));');
    expect(launch(launcher, ['a b', '--c']).stdout).toBe('[["a b","--c"],[]]\n');
  });

  it('says what to do in a checkout that has not been built', () => {
    const { stderr, status } = launch(checkout(), ['hi']);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^error: This checkout has not been built: .* does not exist\.\n {2}Run: npm install && npm run build\n$/,
    );
  });

  it.each([NODE_PACKAGE, 'node'])('starts the Node of the package %s on an old one', (name) => {
    const program =
      'process.stdin.pipe(process.stdout); console.error(process.argv.slice(2)); process.exitCode = 6;';
    const launcher = checkout(program, '26.0.0', name);
    const nodeArgs = ['--import', OLD_NODE, launcher, 'a b', '-n', '3'];
    const run = spawnSync(process.execPath, nodeArgs, { input: 'piped', encoding: 'utf8' });
    expect(run).toMatchObject({ stdout: 'piped', stderr: "[ 'a b', '-n', '3' ]\n", status: 6 });
  });

  it('forwards signals, and ends as its child does', async () => {
    const waiting =
      "process.on('SIGINT', () => process.exit(130)); setInterval(() => {}, 1000); console.log('ready');";
    const launcher = checkout(waiting, '26.0.0');
    const started = () => {
      const child = spawn(process.execPath, ['--import', OLD_NODE, launcher]);
      return { child, ready: new Promise((resolve) => child.stdout.once('data', resolve)) };
    };
    const interrupted = started();
    await interrupted.ready;
    interrupted.child.kill('SIGINT');
    expect((await finished(interrupted.child)).code).toBe(130);

    const terminated = started();
    await terminated.ready;
    terminated.child.kill('SIGTERM');
    await finished(terminated.child);
    expect(terminated.child.signalCode).toBe('SIGTERM');
  });

  it.each([
    [
      'ends in order',
      "process.on('SIGHUP', () => { console.error('in order'); process.exit(); });",
      'in order\n',
    ],
    ['will not end', "process.on('SIGHUP', () => {});", ''],
  ])('ends its child when it is killed: one that %s', async (_, code, last) => {
    const program = `${code} setInterval(() => {}, 1000); console.log(process.env.PERCEPT_LIFELINE);`;
    const child = spawn(process.execPath, ['--import', OLD_NODE, checkout(program, '26.0.0')]);
    const ready = await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve));
    expect(String(ready)).toBe('undefined\n'); // not inherited by programs of the child
    child.kill('SIGKILL');
    expect((await finished(child)).stderr).toBe(last); // its end is that of the last writer
  });

  it('ignores an invalid lifeline', () => {
    const launcher = checkout('console.log("here");');
    const env = { ...process.env, PERCEPT_LIFELINE: '99' };
    expect(spawnSync(process.execPath, [launcher], { env, encoding: 'utf8' })).toMatchObject({
      stdout: 'here\n',
      stderr: '',
    });
  });

  it.each([
    ['is not there', undefined],
    ['is itself too old', '22.0.0'],
  ])('says what to do if the package with Node %s', (_, nodeVersion) => {
    const { stderr, status } = launch(checkout('', nodeVersion), ['hi'], { old: true });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: percept needs Node 26 or later.*\n {2}Run: npm install .*\n$/);
  });

  it('can be executed', () => {
    chmodSync(PROGRAM, 0o755);
    expect(spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' }).stdout).toBe(`${version}\n`);
  });
});
