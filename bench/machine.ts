import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { usableCores } from '../backends/select.ts';
import { perceptVersion } from '../core/version.ts';

/** The machine and the program. Figures depend on them as much as on the model. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number; // that this process may use
  readonly memory_bytes: number;
  readonly platform: string; // linux-x64
  readonly node: string;
  readonly percept: string;
  readonly commit?: string; // of a checkout; ends in -dirty if files were changed
}

/** AMD EPYC, 2 cores, linux-x64 */
export function hardwareInWords({ cpu, cores, platform }: Machine): string {
  return `${cpu}, ${cores} cores, ${platform}`;
}

/** percept 0.1.0 (645786f) */
export function versionInWords({ percept, commit }: Machine): string {
  return commit ? `percept ${percept} (${commit})` : `percept ${percept}`;
}

/** The whole machine in a line. */
export function machineInWords(machine: Machine): string {
  return `${hardwareInWords(machine)}, Node ${machine.node}, ${versionInWords(machine)}`;
}

/** Parent of bench/ and of dist/: this file is in one, the bundle in the other. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));

export async function describeMachine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model.trim() ?? process.arch,
    cores: usableCores(),
    memory_bytes: totalmem(),
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
    percept: perceptVersion(),
    commit: await checkedOutCommit(),
  };
}

async function checkedOutCommit(): Promise<string | undefined> {
  if (!existsSync(`${ROOT}.git`)) return undefined;
  try {
    const describe = ['describe', '--always', '--dirty', '--exclude=*'];
    return (await promisify(execFile)('git', describe, { cwd: ROOT })).stdout.trim();
  } catch {
    return undefined; // git is not installed
  }
}
