/** Runs cases of the conformance table on one backend, against the reference kernels. */
import type { Backend } from '../../backends/backend.ts';
import { UserError } from '../../errors.ts';
import type { CheckedCase } from '../conformance/cases.ts';
import { limitOf, runCase } from '../conformance/judge.ts';
import { nameOf, type OpCase, supportsCase } from '../conformance/op-case.ts';

export interface OpVerdict {
  readonly op: OpCase['op'];
  readonly cases: number; // run
  readonly unsupported: number; // according to the backend
  /** Largest error, divided by the limit of its case; above 1 it is wrong. Null for a failure without a result. */
  readonly worst: number | null;
  readonly worst_case: string | null;
  readonly failure?: string;
}

export interface OpCheckOptions {
  readonly signal?: AbortSignal;
  readonly onCase?: (name: string, op: OpCase['op']) => void;
}

/** One verdict an op. If the device fails, the check ends with the current op. */
export async function checkOps(
  backend: Backend,
  cases: readonly CheckedCase[],
  { signal, onCase }: OpCheckOptions = {},
): Promise<OpVerdict[]> {
  const verdicts: OpVerdict[] = [];
  for (const [op, ofOp] of Map.groupBy(cases, ({ op }) => op)) {
    const supported = ofOp.filter((each) => supportsCase(backend, each) === true);
    const unsupported = ofOp.length - supported.length;
    const verdict = { op, cases: supported.length, unsupported, worst: 0, worst_case: null as string | null };
    for (const each of supported) {
      signal?.throwIfAborted();
      const name = nameOf(each);
      onCase?.(name, op);
      try {
        const share = (await runCase(each, backend)).nmse / limitOf(each, backend);
        if (share <= verdict.worst || Number.isNaN(verdict.worst)) continue;
        verdict.worst = share;
        verdict.worst_case = name;
      } catch (error) {
        const failure = error instanceof Error ? error.message : String(error);
        verdicts.push({ ...verdict, worst: null, worst_case: name, failure });
        if (error instanceof UserError && error.kind === 'device') return verdicts;
        break;
      }
    }
    if (verdicts.at(-1)?.op !== op) verdicts.push(verdict);
  }
  return verdicts;
}

export function isWrong({ worst }: OpVerdict): boolean {
  return worst === null || !(worst <= 1);
}
