import { describe, expect, it } from 'vitest';
import { percept, TINY_MODEL } from './percept.ts';

interface Finding {
  readonly level: string;
  readonly what: string;
  readonly why: string;
  readonly todo: string;
}

describe('percept doctor', () => {
  it('measures this machine and checks the model', async () => {
    const { stdout, stderr, code } = await percept(['doctor', '--model', TINY_MODEL, '--json']);
    expect(code, stderr).toBe(0);
    const { machine, findings } = JSON.parse(stdout) as { machine: object; findings: Finding[] };
    expect(machine).toMatchObject({ node: process.versions.node });
    const all = findings.map(({ what }) => what).join('\n');
    for (const part of [
      'Node ',
      'vectors: ',
      'memory is read at ',
      'the model takes ',
      'the model file is read',
    ])
      expect(all).toContain(part);
    for (const { level, why, todo } of findings) {
      expect(['ok', 'warn', 'bad']).toContain(level);
      expect([why === '', todo === '']).toEqual([level === 'ok', level === 'ok']);
    }
  });

  it('has a colour for each level, and none in a pipe', async () => {
    const coloured = await percept(['doctor', '--threads', '1'], { env: { FORCE_COLOR: '1' } });
    expect(coloured.stdout).toContain('\x1b[32mok  \x1b[39m  Node ');
    expect((await percept(['doctor', '--threads', '1'])).stdout).not.toContain('\x1b');
  });

  it('works without a model, in words', async () => {
    const { stdout, stderr, code } = await percept(['doctor', '--threads', '1']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^(ok|warn|bad) +Node /m);
    expect(stdout).toMatch(/\n(Nothing slows this machine down|Look at: \d+ of \d+)\.\n$/);
    expect(stderr).toContain('To fetch it: percept pull smollm2\n');
  });
});
