/** Cases of the causal convolution, whose state is recurrent. */
import type { Op, RecurrentShape, StateId, ValueId, WeightId } from '../../backends/backend.ts';
import { conv } from '../../kernels/reference/conv.ts';
import { randomMatrix } from './matrices.ts';
import { check, FLOAT32, GOING_ON, type OpCase, VOCABULARY } from './op-case.ts';
import { FLOAT } from './timed-program.ts';

export interface ConvShape {
  readonly C: number; // columns
  readonly K: number; // weights a column
  readonly bias?: true;
}

export function convState({ C, K }: ConvShape): RecurrentShape {
  return { kind: 'recurrent', floats: (K - 1) * C };
}

export function convOp(x: ValueId, weight: WeightId, state: StateId, bias?: WeightId): Op {
  return { op: 'conv', x, weight, bias, state };
}

export function convCase(shape: ConvShape): OpCase {
  const { C, K, bias } = shape;
  const shift = randomMatrix('F32', 1, C, 3);
  const weight = randomMatrix('F32', C, K);
  const state = convState(shape);
  const tokens = 238; // of the longest step
  return {
    op: 'conv',
    type: 'F32',
    shape: `${K} of ${C} columns${bias ? ' with a bias' : ''}`,
    examples: [{ op: convOp(0, 0, 0), types: ['F32'], state }],
    tokens,
    work: { bytes: FLOAT * (2 * tokens * C + C * K), macs: tokens * C * K },
    check: check({
      inputs: [randomMatrix('F32', VOCABULARY, C)],
      weights: bias ? [weight, shift] : [weight],
      states: [{ kind: 'recurrent', floats: 1 }, state],
      actions: GOING_ON,
      apply: ([x], [w, b]) => convOp(x!, w!, 1, b),
      expected(_, position, history) {
        const before = Array.from({ length: Math.max(0, K - 1 - position) }, () => new Float64Array(C));
        return conv([...before, ...history.slice(-K).map(([x]) => x!)], weight.values, bias && shift.values);
      },
      tolerance: FLOAT32,
    }),
  };
}
