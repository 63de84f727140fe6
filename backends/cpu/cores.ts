/**
 * The number of cores that this process may use. CPU affinity limits it, and so does the quota of processor time of a
 * Linux container (control groups, versions 2 and 1).
 *
 * The count that Node reports (libuv 1.52) honours affinity. It honours quotas of version 2 only, and only if no
 * version 1 is mounted.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

/** Whole cores, at least 1. Threads beyond a quota are stopped in the middle of a step, and the others wait. */
export function usableCores(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(cpuQuota() ?? Infinity)));
}

/** The quota in cores: the least one from this process's group up to the root. Undefined for no limit. */
export function cpuQuota(root = '/'): number | undefined {
  const quotas = groupFolders(root).map((folder) => {
    const two = read(join(folder, 'cpu.max'));
    if (two !== undefined) return parseQuota(two);
    const one = read(join(folder, 'cpu.cfs_quota_us'));
    return one === undefined ? undefined : parseQuota(`${one} ${read(join(folder, 'cpu.cfs_period_us'))}`);
  });
  const limits = quotas.filter((quota) => quota !== undefined);
  return limits.length > 0 ? Math.min(...limits) : undefined;
}

/** Milliseconds for which this process's group has been throttled so far. */
export function throttledMs(root = '/'): number | undefined {
  for (const folder of groupFolders(root)) {
    const [, unit, time] = /^throttled_(usec|time) (\d+)$/m.exec(read(join(folder, 'cpu.stat')) ?? '') ?? [];
    if (time !== undefined) return Number(time) / (unit === 'usec' ? 1e3 : 1e6); // version 1 counts nanoseconds
  }
  return undefined;
}

/** The quota of a `cpu.max` file in cores: "150000 100000" is 1.5, "max 100000" is no limit. */
function parseQuota(text: string): number | undefined {
  const [quota, period] = text.split(/\s+/).map(Number);
  return quota! > 0 && period! > 0 ? quota! / period! : undefined;
}

/** Folders of this process's group and of its ancestors. A container may see its group as the root of the tree. */
function groupFolders(root: string): string[] {
  const groups = parseGroups(read(join(root, 'proc/self/cgroup')) ?? '');
  const mount = join(root, 'sys/fs/cgroup');
  const two = upwards(groups.get('') ?? '/').map((path) => join(mount, path));
  const one = upwards(groups.get('cpu') ?? '/').map((path) => join(mount, 'cpu', path));
  return [...two, ...one];
}

/** Paths of the groups by controller in /proc/self/cgroup; '' is version 2. */
function parseGroups(text: string): ReadonlyMap<string, string> {
  const lines = text.matchAll(/^\d+:([^:]*):(.*)$/gm);
  const entries = lines.flatMap(([, names, path]) => names!.split(',').map((name) => [name, path!] as const));
  return new Map(entries);
}

/** /a/b, /a, / */
function upwards(path: string): string[] {
  return path === dirname(path) ? [path] : [path, ...upwards(dirname(path))];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // another version, another platform, or no permission
  }
}
