/** Processor time that a Linux container allows: control groups, version 2 and 1. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** Cores' worth of time in `cpu.max`: "150000 100000" is 1.5, "max 100000" no limit. */
export function parseQuota(text: string): number | undefined {
  const [quota, period] = text.trim().split(/\s+/).map(Number);
  return quota! > 0 && period! > 0 ? quota! / period! : undefined;
}

/** Paths of this process's groups by controller in /proc/self/cgroup; '' is version 2. */
export function parseGroups(text: string): ReadonlyMap<string, string> {
  const lines = text.matchAll(/^\d+:([^:]*):(.*)$/gm);
  const entries = lines.flatMap(([, names, path]) => names!.split(',').map((name) => [name, path!] as const));
  return new Map(entries);
}

/** The least quota from this process's group up to the root. */
export function cpuQuota(): number | undefined {
  const quotas = groupFolders().map((folder) => {
    const two = read(join(folder, 'cpu.max'));
    if (two !== undefined) return parseQuota(two);
    const one = read(join(folder, 'cpu.cfs_quota_us'));
    return one === undefined ? undefined : parseQuota(`${one} ${read(join(folder, 'cpu.cfs_period_us'))}`);
  });
  const limits = quotas.filter((quota) => quota !== undefined);
  return limits.length > 0 ? Math.min(...limits) : undefined;
}

/** Milliseconds that this process's group has been held back so far. */
export function throttledMs(): number | undefined {
  for (const folder of groupFolders()) {
    const [, unit, time] = /^throttled_(usec|time) (\d+)$/m.exec(read(join(folder, 'cpu.stat')) ?? '') ?? [];
    if (time !== undefined) return Number(time) / (unit === 'usec' ? 1e3 : 1e6); // version 1 counts nanoseconds
  }
  return undefined;
}

function groupFolders(): string[] {
  const groups = parseGroups(read('/proc/self/cgroup') ?? '');
  const two = upwards(groups.get('') ?? '/').map((path) => join(ROOT, path));
  const one = upwards(groups.get('cpu') ?? '/').map((path) => join(ROOT, 'cpu', path));
  return [...two, ...one];
}

/** /a/b, /a, / */
function upwards(path: string): string[] {
  return path === dirname(path) ? [path] : [path, ...upwards(dirname(path))];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // another version, another platform, or not for us to see
  }
}
