/**
 * Every case of the conformance table on every backend, with the same bits for each number of threads, and nothing
 * written outside a buffer. One backend alone: npx vitest run tests/backend/ops -t cpu
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../backends/backend.ts';
import { CHECKED_CASES, type CheckedCase } from '../../bench/conformance/cases.ts';
import { limitOf, runCase } from '../../bench/conformance/judge.ts';
import { nameOf } from '../../bench/conformance/op-case.ts';
import { titled } from '../titled.ts';
import { BACKENDS, type BackendUnderTest, shareOf } from './backends.ts';

for (const under of BACKENDS) {
  describe.skipIf(under.absent)(titled(under.name, under.absent), () => {
    const backends = under.threads.map((threads, i) => started(under, threads, i === 0));
    for (const op of shareOf(under, CHECKED_CASES, nameOf, ({ op }) => op)) {
      const gap = under.skip.find(({ cases }) => cases(op));
      if (gap) it(`${nameOf(op)} is not supported: ${gap.reason}`, () => expectGap(op, backends[0]!()));
      else
        it(nameOf(op), () =>
          expectCase(
            op,
            backends.map((backend) => backend()),
          ),
        );
    }
  });
}

/** A backend for all cases of a describe block. Memory is laid out differently with sentinels, so both are run. */
function started({ start }: BackendUnderTest, threads: number, sentinels: boolean): () => Backend {
  let backend: Backend;
  beforeAll(async () => {
    backend = await start({ threads, sentinels });
  });
  afterAll(() => backend?.dispose());
  return () => backend;
}

async function expectCase(op: CheckedCase, [one, ...more]: readonly Backend[]): Promise<void> {
  const { rows, nmse, damage } = await runCase(op, one!);
  expect(nmse, op.check.tolerance.reason).toBeLessThanOrEqual(limitOf(op, one!));
  expect(damage, 'the buffer beside which something was written').toBeUndefined();
  for (const backend of more) expect(bits((await runCase(op, backend)).rows)).toEqual(bits(rows));
}

/** A listed gap must fail; otherwise the list is out of date. */
async function expectGap(op: CheckedCase, backend: Backend): Promise<void> {
  const { nmse } = await runCase(op, backend).catch(() => ({ nmse: Number.POSITIVE_INFINITY }));
  expect(nmse, 'error of a case that is listed as not done').toBeGreaterThan(limitOf(op, backend));
}

function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer);
}
