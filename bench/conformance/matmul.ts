/** Cases of embed and matmul, the ops that read matrices of weights. */
import { QUANT_FORMATS, rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { matmul } from '../../kernels/reference/matmul.ts';
import { type Matrix, ofExperts, randomMatrix } from './matrices.ts';
import { check, FLOAT32, type OpCase, slice, step, type Tolerance, VOCABULARY } from './op-case.ts';
import { FLOAT, repeatedMatmul } from './timed-program.ts';

export const INT8: Tolerance = {
  nmse: 5e-5,
  reason: 'activations in blocks of 32 int8: 1.6e-5 if evenly spread',
};

export function embedCase(type: TensorType, cols: number): OpCase {
  const tokens = 130;
  return {
    op: 'embed',
    type,
    examples: [{ op: { op: 'embed', table: 0 }, types: [type] }],
    shape: `[${VOCABULARY}, ${cols}]`,
    tokens,
    work: { bytes: tokens * (rowBytes(type, cols) + FLOAT * cols), macs: 0 },
    check: check({
      inputs: [randomMatrix(type, VOCABULARY, cols)],
      expected: ([x]) => x!,
      tolerance: FLOAT32,
    }),
  };
}

export interface MatmulShape {
  readonly T: number; // tokens
  readonly N: number; // outputs
  readonly K: number; // inputs
}

/** A shape at the edges of kernels' tiles: checked. */
export function matmulCase(type: TensorType, shape: MatmulShape): OpCase {
  return { ...described(type, shape), check: checked(type, shape) };
}

export function biasCase(type: TensorType, shape: MatmulShape): OpCase {
  const bias = randomMatrix('F32', 1, shape.N, 10);
  const { shape: name, ...rest } = described(type, shape);
  return { ...rest, shape: `${name} + bias`, check: checked(type, shape, bias) };
}

/** A shape of models: timed, and checked unless `speedOnly` says why not. */
export function modelMatmulCase(type: TensorType, shape: MatmulShape, speedOnly?: string): OpCase {
  const timing = repeatedMatmul(type, shape);
  const verdict = speedOnly === undefined ? { check: checked(type, shape) } : { speedOnly };
  return { ...described(type, shape), ...verdict, timing };
}

function described(type: TensorType, { T, N, K }: MatmulShape) {
  const bytes = N * rowBytes(type, K) + FLOAT * T * (K + N);
  return {
    op: 'matmul',
    type,
    examples: [{ op: { op: 'matmul', x: 0, weight: 0 }, types: [type] }],
    shape: `${K} -> ${N}`,
    tokens: T,
    work: { bytes, macs: T * K * N },
  } as const;
}

function checked(type: TensorType, { T, N, K }: MatmulShape, bias?: Matrix) {
  const matrix = randomMatrix(type, N, K);
  const weight = N === 1 ? ofExperts(matrix, 1) : matrix;
  return check({
    inputs: [randomMatrix('F32', VOCABULARY, K)],
    weights: bias ? [weight, bias] : [weight],
    apply: ([x], [w, b]) => ({ op: 'matmul', x: x!, weight: w!, bias: b }),
    actions: [step(slice(0, 0, T))],
    expected: ([x]) => matmul(x!, weight.values, bias?.values),
    tolerance: QUANT_FORMATS[type].elements === 1 ? FLOAT32 : INT8,
  });
}
