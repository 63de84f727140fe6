/**
 * Every op in awkward shapes: the table that each backend is tested against.
 *
 * A case is a tiny program that embeds its inputs, applies one op, and selects rows; what it must give is
 * written with the reference kernels as a function of a sequence's tokens, so no cache is involved in it.
 */
import type {
  BufferId,
  KvShape,
  KvType,
  Op,
  Program,
  RopeSpec,
  Slice,
  Step,
  WeightId,
} from '../../backends/backend.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { attention } from '../../kernels/reference/attention.ts';
import { add, mul } from '../../kernels/reference/elementwise.ts';
import { embed } from '../../kernels/reference/embed.ts';
import { matmul } from '../../kernels/reference/matmul.ts';
import { rmsNorm } from '../../kernels/reference/rms-norm.ts';
import { rope } from '../../kernels/reference/rope.ts';
import { silu } from '../../kernels/reference/silu.ts';
import { codedMatrix, type Matrix, randomMatrix } from './random.ts';

type Row = Float64Array;

export interface OpCase {
  readonly name: string;
  readonly op: Op['op'];
  readonly type?: TensorType; // of the weight, where the op has one
  readonly weights: readonly Matrix[];
  program(ids: readonly WeightId[]): Program;
  readonly actions: readonly Action[];
  /** The output row for the last of a sequence's tokens. */
  expected(tokens: readonly number[]): Row;
  readonly tolerance: Tolerance;
}

/** What a test does with an executable, in order. */
export type Action =
  | Step
  | { readonly copy: { from: number; to: number; upto: number } }
  | { readonly trim: { seq: number; upto: number } };

/** Largest sum of squared errors over the sum of squares, for any backend but the reference. */
export interface Tolerance {
  readonly nmse: number;
  readonly reason: string;
}

const FLOAT32: Tolerance = { nmse: 1e-12, reason: 'float32 sums of up to 1000 terms: 1e-6 of the result' };
const INT8: Tolerance = { nmse: 5e-5, reason: 'activations in blocks of 32 int8: 1.6e-5 if evenly spread' };

const INT7: Tolerance = {
  nmse: 2e-4,
  reason:
    'softmax weights in steps of 1/127 of the largest of 128 keys: 5e-6 if alike, more where one stands out',
};

const VOCABULARY = 40;
const MAX_TOKENS = 250;
const SIZES = { sequences: 3, contextLength: 300 };
const NO_CACHE = { layers: 1, kvHeads: 1, headDim: 8 }; // for programs without attention

/** Three sequences; positions cross 16 and 256 in the middle and at the edge of a step. */
const LONG: readonly Action[] = [
  step(slice(0, 0, 15)),
  step(slice(0, 15, 2), slice(1, 0, 5)),
  step(slice(1, 5, 1), slice(0, 17, 238)),
  step(slice(0, 255, 1)),
  step(slice(0, 256, 1)),
  { copy: { from: 0, to: 2, upto: 200 } },
  { trim: { seq: 0, upto: 250 } },
  step(slice(2, 200, 3, 1), slice(0, 250, 9, 1), slice(1, 6, 1)),
];
const FLOATS = ['F32', 'F16', 'BF16'] as const;
/** Types in blocks of 32, and in superblocks of 256. */
const QUANTIZED = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'IQ4_NL', 'MXFP4'] as const;
const SUPERBLOCKS = ['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'IQ4_XS', 'TQ1_0', 'TQ2_0'] as const;

export const CASES: readonly OpCase[] = [
  ...FLOATS.flatMap((type) => [embedCase(type, 7), embedCase(type, 64)]),
  ...QUANTIZED.map((type) => embedCase(type, 96)),
  ...SUPERBLOCKS.map((type) => embedCase(type, 512)),

  ...FLOATS.flatMap((type) => [
    matmulCase(type, { T: 5, N: 7, K: 11 }),
    matmulCase(type, { T: 1, N: 1025, K: 13 }),
    matmulCase(type, { T: 3, N: 64, K: 172 }),
    matmulCase(type, { T: 17, N: 172, K: 64 }),
  ]),
  ...QUANTIZED.flatMap((type) => [
    matmulCase(type, { T: 5, N: 7, K: 32 }),
    matmulCase(type, { T: 3, N: 1025, K: 64 }),
    matmulCase(type, { T: 1, N: 48, K: 576 }),
    matmulCase(type, { T: 33, N: 31, K: 96 }),
    matmulCase(type, { T: 4, N: 16, K: 1536 }),
  ]),
  ...SUPERBLOCKS.flatMap((type) => [
    matmulCase(type, { T: 1, N: 48, K: 256 }),
    matmulCase(type, { T: 3, N: 1025, K: 256 }),
    matmulCase(type, { T: 33, N: 31, K: 512 }),
  ]),
  biasCase('F32', { T: 5, N: 7, K: 11 }),
  biasCase('Q4_1', { T: 5, N: 48, K: 64 }),

  rmsNormCase(7, 1),
  rmsNormCase(172, 1),
  rmsNormCase(576, 100),
  rmsNormCase(64, 1e-3), // eps 1e-5 outweighs the mean square

  ropeCase('interleaved', { heads: 3, D: 8, pairs: 4 }),
  ropeCase('interleaved', { heads: 9, D: 64, pairs: 32 }),
  ropeCase('half', { heads: 1, D: 64, pairs: 32 }),
  ropeCase('half', { heads: 2, D: 16, pairs: 3 }), // ten dimensions pass through

  attentionCase({ heads: 1, kvHeads: 1, D: 8 }),
  attentionCase({ heads: 8, kvHeads: 4, D: 8 }),
  attentionCase({ heads: 9, kvHeads: 3, D: 64 }),
  attentionCase({ heads: 4, kvHeads: 1, D: 64 }),
  attentionCase({ heads: 8, kvHeads: 4, D: 8 }, 'f16'),
  attentionCase({ heads: 9, kvHeads: 3, D: 64 }, 'f16'),
  attentionCase({ heads: 3, kvHeads: 1, D: 18 }, 'f16'),
  attentionCase({ heads: 8, kvHeads: 4, D: 8 }, 'q8'),
  attentionCase({ heads: 9, kvHeads: 3, D: 64 }, 'q8'),
  attentionCase({ heads: 7, kvHeads: 1, D: 64 }, 'q8'),
  attentionCase({ heads: 2, kvHeads: 2, D: 50 }, 'q8'),

  ...[7, 172].flatMap((cols) => [
    siluCase(cols),
    elementwiseCase('mul', mul, cols),
    elementwiseCase('add', add, cols),
  ]),

  selectCase('last'),
  selectCase('all'),
  selectCase('none'),
];

// ----- one function an op

function embedCase(type: TensorType, cols: number): OpCase {
  const table = randomMatrix(type, VOCABULARY, cols);
  return opCase({
    name: `embed ${type} [${VOCABULARY}, ${cols}]`,
    op: 'embed',
    type,
    inputs: [table],
    cols,
    expected: ([x]) => x!,
    tolerance: FLOAT32,
  });
}

interface MatmulShape {
  readonly T: number;
  readonly N: number;
  readonly K: number;
}

function matmulCase(type: TensorType, { T, N, K }: MatmulShape, bias?: Matrix): OpCase {
  const weight = randomMatrix(type, N, K);
  return opCase({
    name: `matmul ${type}: [${T}, ${K}] x [${N}, ${K}]${bias ? ' + bias' : ''}`,
    op: 'matmul',
    type,
    inputs: [randomMatrix('F32', VOCABULARY, K)],
    weights: bias ? [weight, bias] : [weight],
    cols: N,
    apply: ([x], [w, b], out) => ({ op: 'matmul', x: x!, weight: w!, bias: b, out }),
    actions: [step(slice(0, 0, T))],
    expected: ([x]) => matmul(x!, weight.values, bias?.values),
    tolerance: FLOATS.some((float) => float === type) ? FLOAT32 : INT8,
  });
}

function biasCase(type: TensorType, shape: MatmulShape): OpCase {
  return matmulCase(type, shape, randomMatrix('F32', 1, shape.N, 10));
}

function rmsNormCase(cols: number, size: number): OpCase {
  const weight = randomMatrix('F32', 1, cols);
  const eps = 1e-5;
  return opCase({
    name: `rms-norm of ${cols} values around ${size}`,
    op: 'rms-norm',
    type: 'F32',
    inputs: [randomMatrix('F32', VOCABULARY, cols, size)],
    weights: [weight],
    cols,
    apply: ([x], [w], out) => ({ op: 'rms-norm', x: x!, weight: w!, eps, out }),
    expected: ([x]) => rmsNorm(x!, weight.values, eps),
    tolerance: FLOAT32,
  });
}

interface RopeShape {
  readonly heads: number;
  readonly D: number;
  readonly pairs: number;
}

function ropeCase(layout: RopeSpec['layout'], { heads, D, pairs }: RopeShape): OpCase {
  const spec = {
    layout,
    inverseFrequencies: Array.from({ length: pairs }, (_, i) => 10_000 ** (-i / pairs)),
  };
  return opCase({
    name: `rope ${layout}, ${pairs} pairs of ${heads} heads of ${D}`,
    op: 'rope',
    inputs: [randomMatrix('F32', VOCABULARY, heads * D)],
    cols: heads * D,
    apply: ([x], _, out) => ({ op: 'rope', x: x!, heads, rope: spec, out }),
    actions: LONG,
    expected: ([x], position) => rope(x!, heads, position, spec),
    tolerance: FLOAT32,
  });
}

interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly D: number;
}

/** Keys and values, for q8 queries too, are such as the cache holds exactly. */
function attentionCase({ heads, kvHeads, D }: AttentionShape, type: KvType = 'f32'): OpCase {
  const scale = 1 / Math.sqrt(D);
  const coded = { D, block: 32, peak: -128 };
  return opCase({
    name: `attention of ${heads} heads of ${D} on ${kvHeads}, cache in ${type}`,
    op: 'attention',
    inputs:
      type === 'q8'
        ? [
            codedMatrix(VOCABULARY, heads * D, { ...coded, size: 1 / 64 }),
            codedMatrix(VOCABULARY, kvHeads * D, { ...coded, size: 1 / 64 }),
            codedMatrix(VOCABULARY, kvHeads * D, { D, block: D, peak: 127, size: 1 / 128 }),
          ]
        : [
            randomMatrix('F32', VOCABULARY, heads * D, 4),
            randomMatrix('F16', VOCABULARY, kvHeads * D, 4),
            randomMatrix('BF16', VOCABULARY, kvHeads * D, 4),
          ],
    cols: heads * D,
    kv: { layers: 2, kvHeads, headDim: D, type },
    apply: ([q, k, v], _, out) => ({ op: 'attention', q: q!, k: k!, v: v!, layer: 1, heads, scale, out }),
    actions: LONG,
    expected: ([q], _, history) => {
      const keys = history.map(([, k]) => k!);
      const values = history.map(([, , v]) => v!);
      return attention(q!, keys, values, heads, scale);
    },
    tolerance: type === 'q8' ? INT7 : FLOAT32,
  });
}

function siluCase(cols: number): OpCase {
  return opCase({
    name: `silu of ${cols}`,
    op: 'silu',
    inputs: [randomMatrix('F32', VOCABULARY, cols, 10)],
    cols,
    apply: ([x], _, out) => ({ op: 'silu', x: x!, out }),
    expected: ([x]) => silu(x!),
    tolerance: FLOAT32,
  });
}

function elementwiseCase(op: 'mul' | 'add', compute: (a: Row, b: Row) => Row, cols: number): OpCase {
  return opCase({
    name: `${op} of ${cols}`,
    op,
    inputs: [randomMatrix('F32', VOCABULARY, cols), randomMatrix('F16', VOCABULARY, cols)],
    cols,
    apply: ([a, b], _, out) => ({ op, a: a!, b: b!, out }),
    expected: ([a, b]) => compute(a!, b!),
    tolerance: FLOAT32,
  });
}

function selectCase(logits: Step['logits']): OpCase {
  return opCase({
    name: `select ${logits}`,
    op: 'select',
    inputs: [randomMatrix('F32', VOCABULARY, 7)],
    cols: 7,
    actions: [{ slices: [slice(1, 0, 3), slice(0, 0, 1), slice(2, 0, 5)], logits }],
    expected: ([x]) => x!,
    tolerance: FLOAT32,
  });
}

interface CaseParts {
  readonly name: string;
  readonly op: Op['op'];
  readonly type?: TensorType;
  readonly inputs: readonly Matrix[]; // embedded, one buffer each
  readonly weights?: readonly Matrix[];
  readonly cols: number; // of the result
  readonly kv?: Pick<KvShape, 'layers' | 'kvHeads' | 'headDim' | 'type'>;
  /** The op under test; without it the first input is the result. */
  readonly apply?: (inputs: readonly BufferId[], weights: readonly WeightId[], out: BufferId) => Op;
  readonly actions?: readonly Action[];
  /** Inputs of a token, its position, and the inputs of every token of its sequence up to it. */
  readonly expected: (inputs: readonly Row[], position: number, history: readonly Row[][]) => Row;
  readonly tolerance: Tolerance;
}

function opCase({ inputs, weights = [], cols, kv = NO_CACHE, apply, expected, ...rest }: CaseParts): OpCase {
  const buffers = [...inputs.map(({ desc }) => desc.cols), cols, cols];
  const xs = [...inputs.keys()];
  const [result, logits] = [inputs.length, inputs.length + 1];
  return {
    actions: [step(slice(0, 0, 5)), step(slice(0, 5, 1))],
    ...rest,
    weights: [...inputs, ...weights],
    program(ids) {
      const ops: Op[] = xs.map((x) => ({ op: 'embed', table: ids[x]!, out: x }));
      if (apply) ops.push(apply(xs, ids.slice(inputs.length), result));
      ops.push({ op: 'select', x: apply ? result : 0, out: logits });
      return { name: rest.name, buffers, ops, logits, kv: { ...kv, ...SIZES }, maxTokens: MAX_TOKENS };
    },
    expected(tokens) {
      const history = tokens.map((id) => inputs.map(({ values, desc }) => embed(values, desc.cols, id)));
      return expected(history.at(-1)!, tokens.length - 1, history);
    },
  };
}

// ----- steps

function step(...slices: Slice[]): Step {
  return { slices, logits: 'all' };
}

/** Tokens at positions pos to pos + count - 1; `round` makes other tokens at the same positions. */
function slice(seq: number, pos: number, count: number, round = 0): Slice {
  const id = (i: number) => (7 * (pos + i) + 13 * seq + 5 * round) % VOCABULARY;
  return { seq, pos, tokens: Array.from({ length: count }, (_, i) => id(i)) };
}
