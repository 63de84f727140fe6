/**
 * CPUs of other classes, emulated in their dot products (kernels/wasm/dot.ts). The kernels are built before the tests,
 * unless they are up to date.
 */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import type { KernelChoice } from '../backends/cpu/wasm-module.ts';

/** Every class emulated, and the one class whose kernels are exact on any CPU without emulation. */
export const OTHER_CPUS: readonly KernelChoice[] = [
  { dotClass: 'unsigned', emulated: true },
  { dotClass: 'signed', emulated: true },
  { dotClass: 'saturating', emulated: true },
  { dotClass: 'saturating' },
];

export function setup(): void {
  const root = resolve(import.meta.dirname, '..');
  execFileSync(process.execPath, ['scripts/build.ts', '--emulated'], { cwd: root, stdio: 'inherit' });
}
