/** Cases of attention, over each type of cache. */
import type { AttentionOp, KvType, StateId, ValueId } from '../../backends/backend.ts';
import { attention, attentionWeights } from '../../kernels/reference/attention.ts';
import { codedMatrix, inFloats, randomMatrix } from './matrices.ts';
import {
  type Action,
  type Check,
  type CheckParts,
  check,
  FLOAT32,
  LONG,
  type OpCase,
  slice,
  type Tolerance,
  VOCABULARY,
} from './op-case.ts';
import { FLOAT, repeatedAttention } from './timed-program.ts';

const INT7: Tolerance = {
  nmse: 2e-4,
  reason:
    'softmax weights in steps of 1/127 of the largest of 128: 5e-6 if they are alike, more with an outlier',
};

const POWER: Tolerance = {
  nmse: 1e-8,
  reason: 'exponentials over an 8-bit cache have a relative error of up to 7.5e-5',
};

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly D: number; // head size
}

export function attentionCase(shape: AttentionShape, type: KvType = 'f32'): OpCase {
  const { heads, kvHeads, D } = shape;
  const tokens = 238; // longest step of LONG: its tokens attend to 17 earlier ones and to those before them in the step
  return {
    ...described(shape, tokens, 17),
    shape: `${heads}/${kvHeads} heads of ${D}, held as ${type}`,
    check: attentionCheck(shape, type, {
      actions: LONG,
      expected: ([q], _, history) => {
        const keys = history.map(([, k]) => k!);
        const values = history.map(([, , v]) => v!);
        return attention(q!, keys, values, heads, scaleOf(shape));
      },
      tolerance: type === 'q8' ? INT7 : FLOAT32,
    }),
  };
}

/** Tokens whose attention weights are requested: the first of a sequence, and around chunks of 128 keys. */
const ASKED: readonly Action[] = [
  asked(0, 0),
  asked(0, 1),
  { slices: [slice(0, 2, 125)], logits: 'none' },
  asked(0, 127),
  asked(0, 128),
  { slices: [slice(1, 0, 3)], logits: 'none' },
  { copy: { from: 0, to: 1, upto: 100 } },
  asked(1, 100),
];

function asked(seq: number, pos: number): Action {
  return { slices: [slice(seq, pos, 1)], logits: 'none', attention: true };
}

/** A case whose result is the softmax weights of a step, not its output. */
export function attentionWeightsCase(shape: AttentionShape, type: KvType): OpCase {
  const { heads, kvHeads, D } = shape;
  return {
    ...described(shape, 1, 128),
    shape: `weights of ${heads}/${kvHeads} heads of ${D}, held as ${type}`,
    check: attentionCheck(shape, type, {
      actions: ASKED,
      expected: ([q], _, history) => {
        const keys = history.map(([, k]) => k!);
        return Float64Array.from(
          attentionWeights(q!, keys, heads, scaleOf(shape)).flatMap((row) => [...row]),
        );
      },
      tolerance: type === 'q8' ? POWER : FLOAT32,
    }),
  };
}

function attentionCheck(
  shape: AttentionShape,
  type: KvType,
  rest: Pick<CheckParts, 'actions' | 'expected' | 'tolerance'>,
): Check {
  const { heads, kvHeads, D } = shape;
  const state = { kind: 'kv', kvHeads, keyDim: D, valueDim: D } as const;
  return check({
    ...rest,
    inputs: inputsOf(shape, type),
    parts: heads,
    states: [state, state],
    kvType: type,
    apply: ([q, k, v]) => attentionOp(shape, [q!, k!, v!], 1),
  });
}

function attentionOp(
  shape: AttentionShape,
  [q, k, v]: readonly [ValueId, ValueId, ValueId],
  state: StateId,
): AttentionOp {
  return { op: 'attention', q, k, v, state, heads: shape.heads, scale: scaleOf(shape) };
}

function scaleOf({ D }: AttentionShape): number {
  return 1 / Math.sqrt(D);
}

/** Keys and values are numbers that the cache holds exactly; so are queries for q8. */
export function inputsOf({ heads, kvHeads, D }: AttentionShape, type: KvType) {
  if (type !== 'q8')
    return [
      randomMatrix('F32', VOCABULARY, heads * D, 4),
      inFloats(randomMatrix('F16', VOCABULARY, kvHeads * D, 4)),
      inFloats(randomMatrix('BF16', VOCABULARY, kvHeads * D, 4)),
    ];
  const coded = { D, block: 32, peak: -128, size: 1 / 64 };
  return [
    codedMatrix(VOCABULARY, heads * D, coded),
    codedMatrix(VOCABULARY, kvHeads * D, coded),
    codedMatrix(VOCABULARY, kvHeads * D, { D, block: D, peak: 127, size: 1 / 128 }),
  ];
}

/** A timed step of T tokens after `held` positions, repeated over `layers` layers. */
export function modelAttentionCase(
  shape: AttentionShape & { readonly layers: number },
  { type, T, held }: { type: KvType; T: number; held: number },
): OpCase {
  const { heads, kvHeads, D } = shape;
  return {
    ...described(shape, T, held),
    shape: `${heads}/${kvHeads} heads of ${D}, ${held} held as ${type}`,
    speedOnly: 'the float64 reference takes seconds to fill such a cache; shorter ones are checked',
    timing: repeatedAttention(shape, { type, T, held }),
  };
}

function described(shape: AttentionShape, T: number, held: number) {
  const { heads, kvHeads, D } = shape;
  const attended = T * held + (T * (T + 1)) / 2; // token i of the step sees held + i + 1 positions
  const work = { bytes: FLOAT * 2 * T * heads * D, macs: 2 * attended * heads * D };
  const state = { kind: 'kv', kvHeads, keyDim: D, valueDim: D } as const;
  const examples = [{ op: attentionOp(shape, [0, 1, 2], 0), types: [], state }];
  return { op: 'attention', examples, tokens: T, work } as const;
}
