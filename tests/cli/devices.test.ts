import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { emptyFolder, PROGRAM, percept } from './percept.ts';

interface Report {
  readonly name: string;
  readonly present: boolean;
  readonly chosen: boolean;
  readonly reason: string;
}

describe('percept devices', () => {
  it('says of each backend whether it is here, and why it is chosen or not', async () => {
    const { machine, backends } = JSON.parse((await percept(['devices', '--json'])).stdout);
    expect(machine.cores).toBeGreaterThan(0);
    expect(machine.memory_bytes).toBeGreaterThan(0);
    expect(backends.filter(({ chosen }: Report) => chosen)).toHaveLength(1);
    for (const { reason } of backends as Report[]) expect(reason).not.toBe('');
  });

  it('chooses what is asked for', async () => {
    const { stdout } = await percept(['devices', '--backend', 'reference']);
    expect(stdout).toMatch(/^\* reference: /m);
    expect(stdout).toMatch(/^ {4}not chosen: reference was asked for$/m);
  });
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
