/** The backends that every tier tests, each with what it is known not to do. */
import type { BackendName } from '../../backends/select.ts';
import type { OpCase } from './cases.ts';

export interface BackendUnderTest {
  readonly name: BackendName;
  readonly threads: readonly number[]; // counts that must give the same bits
  /** Why it cannot be tested on this machine. */
  readonly absent?: string;
  /** Cases it does not do, and why; every other case must pass. */
  readonly skip: readonly { readonly reason: string; readonly cases: (op: OpCase) => boolean }[];
}

export const BACKENDS: readonly BackendUnderTest[] = [
  { name: 'reference', threads: [1], skip: [] },
  { name: 'cpu', threads: [1, 2, 3], skip: [] },
];

/** A test's title that says why it is skipped, where it is. */
export function titled(name: string, skipped?: string): string {
  return skipped ? `${name} (skipped: ${skipped})` : name;
}
