/** Facts that each operating system keeps in a place of its own. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Memory, Power } from './facts.ts';

/** Ticks of all processors since boot; `stolen` ones went to other virtual machines. Linux only. */
export interface ProcessorTicks {
  readonly all: number;
  readonly stolen: number;
}

/** The first line of /proc/stat: user nice system idle iowait irq softirq steal; user includes guests. */
export function parseProcessorTicks(text: string): ProcessorTicks | undefined {
  const [, line] = /^cpu +([\d ]+)$/m.exec(text) ?? [];
  const ticks = line?.split(' ').map(Number).slice(0, 8);
  return ticks?.length === 8 ? { all: ticks.reduce((a, b) => a + b), stolen: ticks[7]! } : undefined;
}

export function processorTicks(): ProcessorTicks | undefined {
  return parseProcessorTicks(read('/proc/stat') ?? '');
}

/** Bytes of a field in kB of /proc/meminfo or /proc/self/status. */
export function parseKilobytes(text: string, field: string): number | undefined {
  const [, kilobytes] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

export function swap(): Pick<Memory, 'swapUsedBytes' | 'swappedBytes'> {
  if (process.platform === 'darwin') {
    const [, megabytes] = /used = ([\d.]+)M/.exec(ask('sysctl', '-n', 'vm.swapusage') ?? '') ?? [];
    return megabytes === undefined ? {} : { swapUsedBytes: Number(megabytes) * 2 ** 20 };
  }
  const memory = read('/proc/meminfo') ?? '';
  const [total, free] = [parseKilobytes(memory, 'SwapTotal'), parseKilobytes(memory, 'SwapFree')];
  if (total === undefined || free === undefined) return {};
  return {
    swapUsedBytes: total - free,
    swappedBytes: parseKilobytes(read('/proc/self/status') ?? '', 'VmSwap'),
  };
}

export function power(): Power {
  const frequency = '/sys/devices/system/cpu/cpu0/cpufreq';
  return {
    governor: read(`${frequency}/scaling_governor`),
    driver: read(`${frequency}/scaling_driver`),
    onBattery: onBattery(),
  };
}

function onBattery(): boolean | undefined {
  if (process.platform === 'darwin') return ask('pmset', '-g', 'batt')?.includes('Battery Power');
  const supplies = '/sys/class/power_supply';
  const mains = list(supplies).flatMap((name) => read(`${supplies}/${name}/online`) ?? []);
  return mains.length > 0 ? mains.every((online) => online === '0') : undefined;
}

/** The translator or emulator below this process, where it can be seen. */
export function emulation(): string | undefined {
  const cpu = cpus()[0]?.model ?? '';
  if (process.platform === 'darwin' && process.arch === 'x64')
    return ask('sysctl', '-n', 'sysctl.proc_translated') === '1' ? 'Rosetta' : undefined;
  if (process.platform === 'win32' && process.arch === 'x64')
    return /^ARM/i.test(process.env.PROCESSOR_IDENTIFIER ?? '') ? "Windows' x64 emulation" : undefined;
  return /QEMU/i.test(cpu) ? cpu.trim() : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // not on this platform, or no permission
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** What a program prints; it starts in a folder of our own, so that none is taken from the working directory. */
function ask(program: string, ...args: string[]): string | undefined {
  const cwd = import.meta.dirname;
  try {
    return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}
