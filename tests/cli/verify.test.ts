import { describe, expect, it } from 'vitest';
import { finished, percept, start, TINY_MODEL } from './percept.ts';

describe('percept verify', () => {
  const BACKEND = ['--backend', 'cpu', '--threads', '1'];
  const QUICK = ['verify', '1025', '-m', TINY_MODEL, '-n', '4', ...BACKEND];

  it('compares answers and ops with the reference', async () => {
    const { stdout, stderr, code } = await percept([...QUICK, '--json']);
    expect(code, stderr).toBe(0);
    const { machine, margin_bound, reference, backends } = JSON.parse(stdout);
    expect(machine.cores).toBeGreaterThan(0);
    expect(margin_bound).toBe(0.3);
    expect(reference.decode_tok_s).toBeGreaterThan(0);
    const [{ backend, device, ops, model, wrong }, ...more] = backends;
    expect([backend, device, wrong, more]).toEqual(['cpu', null, [], []]);
    expect(ops.map(({ op }: { op: string }) => op)).toContain('softmax');
    for (const { cases, unsupported, worst } of ops) {
      expect([cases > 0, unsupported]).toEqual([true, 0]);
      expect(worst).toBeLessThanOrEqual(1);
    }
    expect(model.tokens).toBe(12);
    expect(model.worst_margin).toBeLessThan(0.3);
    expect(model.worst_logit_error).toBeGreaterThan(0);
    expect(stderr).toMatch(/^verifying {2}0 of \d+ {2}cpu: matmul .*\n/);
  });

  it('checks only ops without a model', async () => {
    const { stdout, code } = await percept(['verify', '--ops', 'q8_0', ...BACKEND, '--no-pull', '--quiet']);
    expect(stdout).toMatch(/^Ops, error divided by its tolerance: 1 is the limit\nop +cpu\n/);
    expect(stdout).toMatch(/\ncpu is right\.\n$/);
    expect(code).toBe(0);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('ends at once with Ctrl-C', async () => {
    const child = start(['verify', '-m', TINY_MODEL, ...BACKEND]);
    child.stderr!.once('data', () => child.kill('SIGINT'));
    const { stdout, stderr, code } = await finished(child);
    expect(code).toBe(130);
    expect(stdout).toBe('');
    expect(stderr).not.toContain('error');
  });

  it.each([
    [['--backend', 'abacus'], 'Expected --backend to be one of'],
    [['-n', '0'], 'Expected --max-tokens to be'],
    [['convolution'], 'No kernel has "1025 convolution"'],
  ])('%j is a usage error', async (args, message) => {
    const { stderr, code } = await percept([...QUICK, ...args]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});
