/**
 * Facts about running processes and the files that they hold open, read from Linux's /proc. Undefined on other systems,
 * and where the kernel does not let us look.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface OpenFile {
  /** The path, or `pipe:[N]`, `socket:[N]`. */
  readonly target: string;
  readonly position: number;
  readonly readable: boolean;
  readonly writable: boolean;
}

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** A copy of its parent that has started no program, such as a subshell. */
  readonly isCopy: boolean;
  readonly command: readonly string[];
}

const FORKED_NO_EXEC = 0x40; // PF_FORKNOEXEC in linux/sched.h
const WRITE_ONLY = 0o1; // O_WRONLY and O_RDWR of Linux, as in fdinfo
const READ_WRITE = 0o2;

export function processOf(pid: number | 'self'): Process | undefined {
  return attempt(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [, parent, group, session, , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    return {
      pid: Number.parseInt(stat, 10),
      parent: Number(parent),
      group: Number(group),
      session: Number(session),
      isCopy: (Number(flags) & FORKED_NO_EXEC) !== 0,
      command,
    };
  });
}

/** Whether the terminal's keyboard is with this process; assumed where nothing says. Not after `percept "..." &` or `bg`. */
export function isInForeground(): boolean {
  const stat = attempt(() => readFileSync('/proc/self/stat', 'utf8'));
  if (stat === undefined) return true;
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(foreground) <= 0 || foreground === group;
}

/** This process, its parent, and so on. Empty where there is no /proc. */
export function ownLine(): readonly Process[] {
  const line: Process[] = [];
  for (let next = processOf('self'); next; next = processOf(next.parent)) line.push(next);
  return line;
}

/** The path, or `pipe:[N]`, `socket:[N]`. */
export function targetOf(pid: number, fd: number): string | undefined {
  return attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
}

export function openFile(pid: number, fd: number): OpenFile | undefined {
  return attempt(() => {
    const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
    const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(info)?.[1] ?? '0', 8);
    return {
      target,
      position: Number(/^pos:\s*(\d+)/m.exec(info)?.[1]),
      readable: (flags & WRITE_ONLY) === 0,
      writable: (flags & (WRITE_ONLY | READ_WRITE)) !== 0,
    };
  });
}

/** The numbers of its open files. Undefined if it belongs to another user. */
export function descriptorsOf(pid: number): readonly number[] | undefined {
  return attempt(() => readdirSync(`/proc/${pid}/fd`).map(Number));
}

export function allPids(): readonly number[] {
  return attempt(() => readdirSync('/proc').map(Number).filter(Number.isInteger)) ?? [];
}

/** Undefined if it fails: processes end while they are looked at. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
