/** The backends that every tier tests, each with what it is known not to do. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { BackendName } from '../../backends/select.ts';
import type { OpCase } from './cases.ts';

export interface BackendUnderTest {
  readonly name: BackendName;
  /** Why it cannot be tested here. */
  readonly absent?: string;
  /** Cases it does not do, and why; every other case must pass. */
  readonly skip: readonly { readonly reason: string; readonly cases: (op: OpCase) => boolean }[];
}

const CPU = resolve(import.meta.dirname, '../../backends/cpu/index.ts');

export const BACKENDS: readonly BackendUnderTest[] = [
  { name: 'reference', skip: [] },
  { name: 'cpu', absent: existsSync(CPU) ? undefined : 'backends/cpu/index.ts is not there', skip: [] },
];

/** A test's title that says why it is skipped, where it is. */
export function titled(name: string, skipped?: string): string {
  return skipped ? `${name} (skipped: ${skipped})` : name;
}
