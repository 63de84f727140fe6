import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { usableCores } from '../backends/select.ts';
import { perceptVersion } from '../core/version.ts';

/** What figures depend on besides the model. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number; // that this process may use
  readonly memory_bytes: number;
  readonly platform: string; // linux-x64
  readonly node: string;
  readonly percept: string;
  readonly commit?: string; // in a checkout; with -dirty where files were changed
}

/** Parent of bench/ and of dist/, where this file or the bundle lies. */
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
    return undefined; // no git here
  }
}
