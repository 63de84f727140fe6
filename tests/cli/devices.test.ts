import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { titled } from '../titled.ts';
import { emptyFolder, PROGRAM, percept, TINY_MODEL } from './percept.ts';

interface Report {
  readonly name: string;
  readonly present: boolean;
  readonly chosen: boolean;
  readonly reason: string;
  readonly device?: { readonly software: boolean };
}

const [adapter] = inject('adapters');
/** Environment without any driver, whatever this machine has. */
const WITHOUT = { VK_DRIVER_FILES: join(import.meta.dirname, 'no-driver.json') };
const noVulkan = process.platform === 'linux' ? undefined : 'drivers cannot be hidden here';

describe('percept devices', () => {
  it('reports whether each backend is available, and why it is chosen or not', async () => {
    const { machine, versions, backends } = JSON.parse((await percept(['devices', '--json'])).stdout);
    expect(machine.cores).toBeGreaterThan(0);
    expect(machine.memory_bytes).toBeGreaterThan(0);
    expect(versions).toMatchObject({ node: process.versions.node, percept: expect.stringMatching(/^\d/) });
    expect(versions['gpu.js']).toMatch(/^\d+\.\d+\.\d+$/);
    expect(backends.map(({ name }: Report) => name)).toEqual(['cpu', 'webgpu', 'gpujs', 'reference']);
    expect(backends.filter(({ chosen }: Report) => chosen)).toHaveLength(1);
    for (const { reason } of backends as Report[]) expect(reason).not.toBe('');
  });

  it('says in plain words where each computes, and how with --debug', async () => {
    const { stdout } = await percept(['devices', '--threads', '1']);
    expect(stdout).toMatch(/^\* cpu: the processor, 1 thread$/m);
    expect(stdout).toMatch(/^ {4}reads memory at .*: bounds how fast an answer is written$/m);
    expect(stdout).not.toMatch(/roofs|SIMD|float32|codes/);
    expect((await percept(['devices', '--threads', '1', '--debug'])).stdout).toMatch(
      /^ {4}details: WebAssembly relaxed SIMD/m,
    );
  });

  it('chooses the requested backend', async () => {
    const { stdout } = await percept(['devices', '--backend', 'reference']);
    expect(stdout).toMatch(/^\* reference: /m);
    expect(stdout).toMatch(/^ {4}not chosen: reference was asked for$/m);
  });

  it.skipIf(noVulkan)(
    titled('says in words that there is no adapter, and nothing else says so', noVulkan),
    async () => {
      const { stdout, stderr } = await percept(['devices'], { env: WITHOUT });
      expect(stdout).toContain('  none: no Vulkan driver is installed');
      expect(stdout).toMatch(/^\* cpu: /m);
      expect(stdout).toMatch(/^ {2}webgpu: not available$/m);
      expect(stderr).toBe('');
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
      const { adapters, no_adapter } = JSON.parse(
        (await percept(['devices', '--json'], { env: WITHOUT })).stdout,
      );
      expect(adapters).toEqual([]);
      expect(no_adapter).toContain('no Vulkan driver');
    },
  );

  it.skipIf(adapter!.absent)(titled('never chooses a software adapter', adapter!.absent), async () => {
    const env = adapter!.environment;
    const { adapters, backends } = JSON.parse((await percept(['devices', '--json'], { env })).stdout);
    expect(adapters).toHaveLength(1);
    expect(adapters[0]).toMatchObject({ software: true, vendor: 'google' });
    expect(Object.keys(adapters[0].limits).length).toBeGreaterThan(20);
    const webgpu = backends.find(({ name }: Report) => name === 'webgpu');
    expect(webgpu).toMatchObject({ present: true, chosen: false, threads: 0, device: { software: true } });
    expect(webgpu.reason).toContain('in software');
    expect(backends.find(({ name }: Report) => name === 'cpu').chosen).toBe(true);
    const { stdout } = await percept(['devices'], { env });
    expect(stdout).toMatch(/\n {2}\S.* \(in software\)\n/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe('--backend', () => {
  const ask = ['-m', TINY_MODEL, '--prompt-ids', '1,2,3', '-n', '2', '-t', '0'];

  it.skipIf(noVulkan)(titled('webgpu without an adapter is an error of two lines', noVulkan), async () => {
    const { stdout, stderr, code } = await percept([...ask, '--backend', 'webgpu'], { env: WITHOUT });
    expect(stderr).toMatch(
      /^error: The webgpu backend cannot run here: no Vulkan driver .*\n {2}Choose another backend: .*\n$/,
    );
    expect([stdout, code]).toEqual(['', 1]);
  });

  it.skipIf(adapter!.absent)(
    titled('auto takes cpu, and says why with --debug', adapter!.absent),
    async () => {
      const env = adapter!.environment;
      const { stderr, code } = await percept([...ask, '--debug', '--stats'], { env });
      expect(code).toBe(0);
      expect(stderr).toMatch(/^auto leaves out webgpu: .* in software/m);
      expect(stderr).toMatch(/^engine: cpu/m);
      expect((await percept(ask, { env })).stderr).toBe('');
    },
  );
});

const TASKSET = 'taskset'; // of util-linux
const hasTaskset = spawnSync(TASKSET, ['--version']).status === 0;

describe.skipIf(!hasTaskset)(`affinity${hasTaskset ? '' : ' (skipped: there is no taskset)'}`, () => {
  it('bounds the threads', () => {
    const [, core] = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
    const command = [process.execPath, PROGRAM, 'devices', '--json'];
    const env = { ...process.env, PERCEPT_HOME: emptyFolder(), PERCEPT_THREADS: '' };
    const { machine, backends } = JSON.parse(
      execFileSync(TASKSET, ['--cpu-list', core!, ...command], { env, encoding: 'utf8' }),
    );
    expect(machine.cores).toBe(1);
    expect(backends.find(({ name }: Report) => name === 'cpu').threads).toBe(1);
  });
});
