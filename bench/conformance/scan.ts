/** Cases of the linear recurrence, whose state is recurrent. */
import type { RecurrentShape, ScanOp, ValueId, WeightId } from '../../backends/backend.ts';
import { type ScanRows, scan } from '../../kernels/reference/scan.ts';
import { oneSignMatrix, randomMatrix } from './matrices.ts';
import { check, GOING_ON, type OpCase, type Row, type Tolerance, VOCABULARY } from './op-case.ts';
import { FLOAT, repeatedScan } from './timed-program.ts';

export interface ScanCaseShape extends Pick<ScanOp, 'rule' | 'groups' | 'cyclic'> {
  readonly heads: number;
  readonly N: number; // of keys
  readonly P: number; // of values
  readonly skip?: true;
}

const SCAN: Tolerance = {
  nmse: 1e-10,
  reason: 'exp in float32, once a token, in a state that hundreds of tokens change: 1e-5 of the result',
};

/** A shape of models, timed. */
export function modelScanCase(shape: ScanCaseShape, tokens: number): OpCase {
  const speedOnly = 'the same kernel is checked in smaller shapes';
  return { ...described(shape, tokens), speedOnly, timing: repeatedScan(shape, tokens) };
}

export function scanCase(shape: ScanCaseShape): OpCase {
  const { rule, heads, groups, cyclic, N, P, skip } = shape;
  // The delta rule is stable where beta |k|^2 is at most 2, and both are where the state decays.
  const inputs = [
    randomMatrix('F32', VOCABULARY, groups * N, 1, 'q'),
    randomMatrix('F32', VOCABULARY, groups * N, 1 / Math.sqrt(N), 'k'),
    randomMatrix('F32', VOCABULARY, heads * P, 1, 'v'),
    oneSignMatrix(VOCABULARY, heads, 1, 'dt'),
    oneSignMatrix(VOCABULARY, heads, 1, 'beta'),
  ];
  const a = oneSignMatrix(1, heads, -0.1);
  const skips = randomMatrix('F32', 1, heads, 1, 'skip');
  const sizes = { rule, heads, groups, cyclic: cyclic ?? false, keyDim: N, valueDim: P };
  return {
    ...described(shape, 238), // of the longest step
    check: check({
      inputs,
      weights: skip ? [a, skips] : [a],
      states: [{ kind: 'recurrent', floats: 1 }, stateOf(shape)],
      actions: GOING_ON,
      apply: (values, weights) => opOf(shape, values, weights, 1),
      expected(_, __, history) {
        const weights = { a: a.values, skip: skip && skips.values };
        let held: Row = new Float64Array(heads * N * P);
        let y: Row = new Float64Array(0);
        for (const [q, k, v, dt, beta] of history) {
          const rows = { q, k, v, dt, beta } as ScanRows;
          ({ y, state: held } = scan(held, rows, weights, sizes));
        }
        return y;
      },
      tolerance: SCAN,
    }),
  };
}

function described(shape: ScanCaseShape, tokens: number) {
  const { rule, heads, groups, cyclic, N, P, skip } = shape;
  return {
    op: 'scan',
    type: 'F32',
    shape: `${rule}, ${heads} heads of ${N} by ${P}, ${groups} groups${cyclic ? ' in turn' : ''}${skip ? ' with skips' : ''}`,
    examples: [{ op: opOf(shape, [0, 1, 2, 3, 4], [0], 0), types: ['F32'], state: stateOf(shape) }],
    tokens,
    work: {
      bytes: FLOAT * (2 * heads * N * P + tokens * (2 * groups * N + 2 * heads * P + 2 * heads)),
      macs: tokens * heads * N * P * (rule === 'delta' ? 3 : 2),
    },
  } as const;
}

function stateOf({ heads, N, P }: ScanCaseShape): RecurrentShape {
  return { kind: 'recurrent', floats: heads * N * P };
}

function opOf(
  { rule, groups, cyclic }: ScanCaseShape,
  [q, k, v, dt, beta]: readonly ValueId[],
  [w, s]: readonly WeightId[],
  state: number,
): ScanOp {
  return {
    ...{ op: 'scan', rule, q: q!, k: k!, v: v!, dt: dt!, beta: beta! },
    ...{ a: w!, skip: s, groups, cyclic, state },
  };
}
