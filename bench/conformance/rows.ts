/** Cases of the ops that take a row by itself: norms, rope, softmax, what works on each number, select. */
import type { RopeSpec } from '../../backends/backend.ts';
import { concat } from '../../kernels/reference/concat.ts';
import { layerNorm } from '../../kernels/reference/layer-norm.ts';
import { MAPS, type MapFunction, map } from '../../kernels/reference/map.ts';
import { rmsNorm } from '../../kernels/reference/rms-norm.ts';
import { rope } from '../../kernels/reference/rope.ts';
import { softmax } from '../../kernels/reference/softmax.ts';
import { type ZipFunction, zip } from '../../kernels/reference/zip.ts';
import { floatVector, randomMatrix } from './matrices.ts';
import {
  type CheckParts,
  check,
  FLOAT32,
  LONG,
  type OpCase,
  type RowOp,
  SHORT,
  slice,
  step,
  stepWith,
  type Tolerance,
  VOCABULARY,
} from './op-case.ts';
import { FLOAT, repeatedInPlace } from './timed-program.ts';

const EXP: Tolerance = {
  nmse: 1e-11,
  reason: 'exp in float32: WGSL allows it 3 + 2 |x| ulp, 1e-6 of the largest',
};

/** @param own whether each head has weights of its own */
export function rmsNormOf(cols: number, size = 1, heads = 1, own = false): RowOp {
  const weight = randomMatrix('F32', 1, own ? cols : cols / heads);
  const eps = 1e-5;
  return {
    op: 'norm',
    shape: `${heads === 1 ? cols : `${heads} heads of ${cols / heads}${own ? ', each with its weights' : ''}`}${size === 1 ? '' : ` around ${size}`}`,
    cols,
    inputs: [randomMatrix('F32', VOCABULARY, cols, size)],
    weights: [weight],
    apply: ([x], [w]) => ({ op: 'norm', x: x!, weight: w!, eps, heads }),
    expected: ([x]) => rmsNorm(x!, weight.values, eps, heads),
  };
}

export function layerNormOf(cols: number, { size = 1, bias = true } = {}): RowOp {
  const [weight, shift] = [1, 0.5].map((around) => randomMatrix('F32', 1, cols, around));
  const eps = 1e-5;
  return {
    op: 'layer-norm',
    shape: `${cols}${bias ? ' with a bias' : ''}${size === 1 ? '' : ` around ${size}`}`,
    cols,
    inputs: [randomMatrix('F32', VOCABULARY, cols, size)],
    weights: bias ? [weight!, shift!] : [weight!],
    apply: ([x], [w, b]) => ({ op: 'layer-norm', x: x!, weight: w!, bias: b, eps }),
    expected: ([x]) => layerNorm(x!, weight!.values, bias ? shift!.values : undefined, eps),
  };
}

interface RopeShape {
  readonly heads: number;
  readonly D: number;
  readonly pairs: number;
  readonly magnitude?: number;
  readonly growth?: RopeSpec['growth'];
}

export function ropeOf(layout: RopeSpec['layout'], { heads, D, pairs, ...scales }: RopeShape): RowOp {
  const spec = {
    layout,
    inverseFrequencies: Array.from({ length: pairs }, (_, i) => 10_000 ** (-i / pairs)),
    ...scales,
  };
  return {
    op: 'rope',
    shape: `${layout}, ${pairs} pairs of ${heads} heads of ${D}${scales.growth ? ', growing' : ''}`,
    cols: heads * D,
    inputs: [randomMatrix('F32', VOCABULARY, heads * D)],
    apply: ([x]) => ({ op: 'rope', x: x!, heads, rope: spec }),
    expected: ([x], position) => rope(x!, heads, position, spec),
  };
}

/** Numbers around 10, as for map: large numbers show the errors of exp first. */
export function softmaxOf(cols: number): RowOp {
  return {
    op: 'softmax',
    shape: `${cols}`,
    cols,
    inputs: [randomMatrix('F32', VOCABULARY, cols, 10)],
    apply: ([x]) => ({ op: 'softmax', x: x! }),
    expected: ([x]) => softmax(x!),
    tolerance: EXP,
  };
}

/** @param scalars the learned scalars of the function */
export function mapOf(fn: MapFunction, cols: number, scalars: readonly number[] = []): RowOp {
  if (scalars.length !== MAPS[fn].scalars)
    throw new RangeError(`Expected ${MAPS[fn].scalars} scalars of ${fn}, got ${scalars.length}.`);
  return {
    op: 'map',
    shape: `${fn} of ${cols}`,
    cols,
    inputs: [randomMatrix('F32', VOCABULARY, cols, 10)],
    weights: scalars.map((value) => floatVector([value])),
    apply: ([x], ids) => ({ op: 'map', fn, x: x!, scalars: ids }),
    expected: ([x]) => map(fn, x!, scalars.map(Math.fround)),
  };
}

export function concatOf(heads: number, A: number, B: number): RowOp {
  return {
    op: 'concat',
    shape: `${heads} heads of ${A} and ${B}`,
    cols: heads * (A + B),
    inputs: [randomMatrix('F32', VOCABULARY, heads * A), randomMatrix('F32', VOCABULARY, heads * B, 3)],
    apply: ([a, b]) => ({ op: 'concat', a: a!, b: b!, heads }),
    expected: ([a, b]) => concat(a!, b!, heads),
  };
}

export function zipOf(fn: ZipFunction, cols: number): RowOp {
  return {
    op: 'zip',
    shape: `${fn} of ${cols}`,
    cols,
    inputs: [randomMatrix('F32', VOCABULARY, cols), randomMatrix('F32', VOCABULARY, cols, 3)],
    apply: ([a, b]) => ({ op: 'zip', fn, a: a!, b: b! }),
    expected: ([a, b]) => zip(fn, a!, b!),
  };
}

/** Few rows, one row and many rows: checked. */
export function rowCase(row: RowOp): OpCase {
  return { ...described(row, 130), check: checked(row, row.op === 'rope' ? LONG : SHORT) };
}

/** A shape of models: timed in steps of T tokens, and checked unless `speedOnly` says why not. */
export function modelRowCase(row: RowOp, T: number, speedOnly?: string): OpCase {
  const verdict = speedOnly === undefined ? { check: checked(row, [step(slice(0, 0, T))]) } : { speedOnly };
  return { ...described(row, T), ...verdict, timing: repeatedInPlace(row, T) };
}

function described({ op, shape, cols, inputs, weights = [], apply }: RowOp, T: number) {
  const bytes =
    FLOAT * (T * cols * (inputs.length + 1) + weights.reduce((sum, { desc }) => sum + desc.cols, 0));
  const types = weights.map(({ desc }) => desc.type);
  const examples = [{ op: apply([...inputs.keys()], [...weights.keys()]), types }];
  return { op, shape, type: types[0], examples, tokens: T, work: { bytes, macs: 0 } };
}

function checked(row: RowOp, actions: CheckParts['actions']) {
  const { inputs, weights, apply, expected, tolerance = FLOAT32 } = row;
  return check({ inputs, weights, apply, actions, expected, tolerance });
}

export function selectCase(rows: 'none' | 'last' | 'all'): OpCase {
  const slices = [slice(1, 0, 3), slice(0, 0, 1), slice(2, 0, 5)];
  const want = rows === 'none' ? undefined : ({ kind: 'logits', rows } as const);
  return {
    op: 'select',
    examples: [{ op: { op: 'select', x: 0 }, types: [] }],
    shape: `${rows} of 7 columns`,
    tokens: 9,
    work: { bytes: 2 * FLOAT * 9 * 7, macs: 0 },
    check: check({
      inputs: [randomMatrix('F32', VOCABULARY, 7)],
      actions: [stepWith(want, ...slices)],
      expected: ([x]) => x!,
      tolerance: FLOAT32,
    }),
  };
}
