import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';

/**
 * Bytes that this process can still allocate; undefined if the system does not say. Page cache counts as free: the
 * kernel gives it back. On macOS it is all memory, because only idle pages are reported as available.
 */
export function freeMemory(): number | undefined {
  if (process.platform === 'darwin') return totalmem();
  const limit = process.constrainedMemory(); // of the control group; 0 or beyond all memory without one
  if (!(limit > 0 && limit < totalmem())) return process.availableMemory() || undefined;
  // The usage of a control group includes its page cache. Without that figure only the limit is known.
  const cached = pageCacheOfGroup();
  const left = cached === undefined ? limit : Math.min(limit, process.availableMemory() + cached);
  return Math.min(left, freemem() || left);
}

/** Bytes of page cache in this process's control group, version 2 or 1. */
function pageCacheOfGroup(): number | undefined {
  const groups = text('/proc/self/cgroup');
  const [, v2] = /^0::(.*)$/m.exec(groups) ?? [];
  const [, v1] = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups) ?? [];
  const folders = [
    ...(v1 === undefined ? [] : [`/sys/fs/cgroup/memory${v1}`, '/sys/fs/cgroup/memory']),
    ...(v2 === undefined ? [] : [`/sys/fs/cgroup${v2}`, '/sys/fs/cgroup']),
  ];
  for (const folder of folders) {
    const cached = pageCacheIn(text(`${folder}/memory.stat`));
    if (cached !== undefined) return cached;
  }
  return undefined;
}

/** Bytes of files in a memory.stat, without shared memory. Version 1 has totals with the groups below. */
export function pageCacheIn(stat: string): number | undefined {
  const fields = new Map(stat.split('\n').map((line) => line.split(' ') as [string, string]));
  const bytes = (name: string) => fields.get(`total_${name}`) ?? fields.get(name);
  const inactive = bytes('inactive_file');
  return inactive === undefined ? undefined : Number(inactive) + Number(bytes('active_file') ?? 0);
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
