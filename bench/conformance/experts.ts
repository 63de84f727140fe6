/** Cases of mixtures of experts: routing, products with the picked experts' matrices, and the sum of them. */
import type { Op, RouteOp, ValueId, WeightId } from '../../backends/backend.ts';
import { QUANT_FORMATS, rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { expertMatmul, mix } from '../../kernels/reference/experts.ts';
import { type Routing, route } from '../../kernels/reference/route.ts';
import { INT8 } from './matmul.ts';
import { ofExperts, picksMatrix, randomMatrix } from './matrices.ts';
import { check, FLOAT32, type OpCase, SHORT, slice, step, VOCABULARY } from './op-case.ts';
import { FLOAT, repeatedExperts } from './timed-program.ts';

export interface RouteShape {
  readonly experts: number;
  readonly routing: Routing;
  readonly bias?: true;
  readonly scales?: true;
}

export function routeCase({ experts, routing, bias, scales }: RouteShape): OpCase {
  const vector = (seed: string) => randomMatrix('F32', 1, experts, 0.3, seed);
  const weights = [...(bias ? [vector('bias')] : []), ...(scales ? [vector('scales')] : [])];
  const apply = ([x]: readonly ValueId[], ids: readonly WeightId[]): RouteOp => ({
    ...{ op: 'route', x: x!, routing },
    bias: bias && ids[0]!,
    scales: scales && ids.at(-1)!,
  });
  const { count, by, normalized, groups } = routing;
  const tokens = 130;
  return {
    op: 'route',
    type: weights.length > 0 ? 'F32' : undefined,
    shape: [
      `${count} of ${experts} by ${by}`,
      ...(normalized ? ['normalized'] : []),
      ...(groups ? [`${groups.used} of ${groups.count} groups`] : []),
      ...(bias ? ['with a bias'] : []),
      ...(scales ? ['with scales'] : []),
    ].join(', '),
    examples: [{ op: apply([0], [0, 1]), types: weights.map(() => 'F32' as const) }],
    tokens,
    work: { bytes: FLOAT * tokens * (experts + 2 * count), macs: 0 },
    check: check({
      inputs: [randomMatrix('F32', VOCABULARY, experts, 2)],
      weights,
      apply,
      expected: ([x]) => route(x!, bias && weights[0]!.values, scales && weights.at(-1)!.values, routing),
      parts: 2, // experts, weights
      tolerance: { ...FLOAT32, nmse: 1e-11 },
    }),
  };
}

export interface ExpertShape {
  readonly experts: number;
  readonly count?: number; // of a token; without it every matrix once
  readonly N: number;
  readonly K: number;
  /** Each picked expert has a part of x, instead of one x for all. */
  readonly parts?: true;
  readonly bias?: true;
}

export function expertMatmulCase(type: TensorType, shape: ExpertShape): OpCase {
  const { experts, count, N, K, parts, bias } = shape;
  const all = count ?? experts; // products of a token
  const weight = ofExperts(randomMatrix(type, experts * N, K), experts);
  const shift = randomMatrix('F32', 1, experts * N, 3);
  const picks = count ? [picksMatrix(VOCABULARY, experts, count)] : [];
  const op = ([x, picks]: readonly ValueId[], [w, b]: readonly WeightId[]): Op => {
    return { op: 'expert-matmul', x: x!, picks, weight: w!, bias: b };
  };
  const tokens = 130;
  return {
    op: 'expert-matmul',
    type,
    shape: `${count ?? 'all'} of ${experts}, ${parts ? 'parts of ' : ''}${K} -> ${N}${bias ? ' + bias' : ''}`,
    examples: [{ op: op(count ? [0, 1] : [0], [0]), types: [type] }],
    tokens,
    work: {
      bytes: experts * N * rowBytes(type, K) + FLOAT * tokens * all * (K + N),
      macs: tokens * all * K * N,
    },
    check: check({
      inputs: [randomMatrix('F32', VOCABULARY, parts ? all * K : K), ...picks],
      weights: bias ? [weight, shift] : [weight],
      actions: [...SHORT, step(slice(2, 0, 2)), step(slice(0, 6, 3), slice(2, 2, 1))],
      apply: op,
      expected: ([x, picks]) => expertMatmul(x!, weight.values, bias && shift.values, picks, { experts, K }),
      parts: all,
      tolerance: QUANT_FORMATS[type].elements === 1 ? FLOAT32 : INT8,
    }),
  };
}

/** A shape of models, timed. */
export function modelExpertCase(
  type: TensorType,
  shape: { readonly T: number; readonly count: number; readonly N: number; readonly K: number },
): OpCase {
  const { T, count, N, K } = shape;
  const op: Op = { op: 'expert-matmul', x: 0, picks: 1, weight: 0 };
  return {
    op: 'expert-matmul',
    type,
    shape: `${count} picked, ${K} -> ${N}`,
    examples: [{ op, types: [type] }],
    tokens: T,
    work: {
      bytes: count * N * rowBytes(type, K) + FLOAT * T * (K + count * N), // all tokens pick the same ones
      macs: T * count * K * N,
    },
    speedOnly: 'the same kernels are checked in smaller shapes',
    timing: repeatedExperts(type, shape),
  };
}

export function mixCase({
  experts,
  count,
  N,
}: Required<Pick<ExpertShape, 'experts' | 'count' | 'N'>>): OpCase {
  const tokens = 130;
  return {
    op: 'mix',
    shape: `${count} parts of ${N}`,
    examples: [{ op: { op: 'mix', x: 0, picks: 1 }, types: [] }],
    tokens,
    work: { bytes: FLOAT * tokens * (count + 1) * N, macs: tokens * count * N },
    check: check({
      inputs: [randomMatrix('F32', VOCABULARY, count * N), picksMatrix(VOCABULARY, experts, count)],
      apply: ([x, picks]) => ({ op: 'mix', x: x!, picks: picks! }),
      expected: ([x, picks]) => mix(x!, picks!),
      tolerance: FLOAT32,
    }),
  };
}
