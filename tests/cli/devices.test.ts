import { describe, expect, it } from 'vitest';
import { percept } from './percept.ts';

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
