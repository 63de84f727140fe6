import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cpuQuota, throttledMs, usableCores } from '../../backends/cpu/cores.ts';

/** A root folder with the given files, in place of / on Linux. */
function rootWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'percept-cores-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return root;
}

const TWO = '0::/user.slice/job';
const ONE = '4:memory:/a\n2:cpu,cpuacct:/user.slice/job\n0::/';

const quota = (groups: string, files: Readonly<Record<string, string>> = {}) => {
  const below = Object.entries(files).map(([path, text]) => [`sys/fs/cgroup/${path}`, text]);
  return cpuQuota(rootWith({ 'proc/self/cgroup': groups, ...Object.fromEntries(below) }));
};

describe('the quota of processor time', () => {
  it('is the quota of the group, version 2', () => {
    expect(quota(TWO, { 'user.slice/job/cpu.max': '150000 100000' })).toBe(1.5);
    expect(quota(TWO, { 'user.slice/job/cpu.max': 'max 100000' })).toBeUndefined();
  });

  it('is the smallest of the group and its parents', () => {
    const files = { 'cpu.max': 'max 100000', 'user.slice/cpu.max': '50000 100000' };
    expect(quota(TWO, { ...files, 'user.slice/job/cpu.max': '300000 100000' })).toBe(0.5);
  });

  it('is the quota of the group, version 1', () => {
    const files = (us: string) => ({
      'cpu/user.slice/job/cpu.cfs_quota_us': us,
      'cpu/user.slice/job/cpu.cfs_period_us': '100000',
    });
    expect(quota(ONE, files('200000'))).toBe(2);
    expect(quota(ONE, files('-1'))).toBeUndefined();
  });

  it('is found at the root, if a container sees its own group there', () => {
    expect(quota(TWO, { 'cpu.max': '100000 100000' })).toBe(1);
    expect(quota(ONE, { 'cpu/cpu.cfs_quota_us': '100000', 'cpu/cpu.cfs_period_us': '50000' })).toBe(2);
  });

  it('is undefined without groups or usable files', () => {
    expect(cpuQuota(rootWith({}))).toBeUndefined();
    expect(quota(TWO)).toBeUndefined();
    for (const text of ['', '0 100000', '100000', 'many 100000', '100000 0']) {
      expect(quota(TWO, { 'cpu.max': text })).toBeUndefined();
    }
    expect(quota(ONE, { 'cpu/cpu.cfs_quota_us': '100000' })).toBeUndefined(); // the period is unknown
  });

  it('bounds the number of threads', () => {
    const cores = usableCores();
    expect(cores).toBeGreaterThanOrEqual(1);
    expect(cores).toBeLessThanOrEqual(availableParallelism());
    expect(cores).toBeLessThanOrEqual(Math.max(1, cpuQuota() ?? Infinity));
  });
});

it('the throttled time of a group, in milliseconds', () => {
  const held = (groups: string, path: string, text: string) =>
    throttledMs(rootWith({ 'proc/self/cgroup': groups, [`sys/fs/cgroup/${path}`]: text }));
  expect(held(TWO, 'user.slice/job/cpu.stat', 'nr_throttled 3\nthrottled_usec 2500')).toBe(2.5);
  expect(held(ONE, 'cpu/user.slice/job/cpu.stat', 'throttled_time 7000000')).toBe(7);
  expect(held(TWO, 'cpu.stat', 'usage_usec 10')).toBeUndefined();
});
