/** Cases of attention, over each type of cache. */
import type { AttentionOp, KvType, StateId, StateShape, ValueId } from '../../backends/backend.ts';
import { type AttentionForm, attention, attentionWeights } from '../../kernels/reference/attention.ts';
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
  stepWith,
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
  readonly D: number; // size of a head of queries and keys
  readonly E?: number; // size of a head of values; default D
  readonly window?: number; // positions that a token sees; default all
}

export function attentionCase(shape: AttentionShape, type: KvType = 'f32'): OpCase {
  const tokens = 238; // of the longest step of LONG, of which each attends to 17 and those before it
  return {
    ...described(shape, tokens, 17),
    shape: `${headsOf(shape)}, held as ${type}`,
    check: attentionCheck(shape, type, {
      actions: LONG,
      expected: ([q], _, history) => {
        const keys = history.map(([, k]) => k!);
        const values = history.map(([, , v]) => v!);
        return attention(q!, keys, values, formOf(shape));
      },
      tolerance: type === 'q8' ? INT7 : FLOAT32,
    }),
  };
}

/** Tokens whose attention weights are requested: the first of a sequence, and around chunks of 128 keys. */
const ASKED: readonly Action[] = [
  asked(0, 0),
  asked(0, 1),
  stepWith(undefined, slice(0, 2, 125)),
  asked(0, 127),
  asked(0, 128),
  stepWith(undefined, slice(1, 0, 3)),
  { copy: { from: 0, to: 1, upto: 100 } },
  asked(1, 100),
];

function asked(seq: number, pos: number): Action {
  return stepWith({ kind: 'attention' }, slice(seq, pos, 1));
}

/** A case whose result is the softmax weights of a step, not its output. */
export function attentionWeightsCase(shape: AttentionShape, type: KvType): OpCase {
  return {
    ...described(shape, 1, 128),
    shape: `weights of ${headsOf(shape)}, held as ${type}`,
    check: attentionCheck(shape, type, {
      actions: ASKED,
      expected: ([q], _, history) => {
        const keys = history.map(([, k]) => k!);
        return Float64Array.from(attentionWeights(q!, keys, formOf(shape)).flatMap((row) => [...row]));
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
  const state = stateOf(shape);
  return check({
    ...rest,
    inputs: inputsOf(shape, type),
    parts: shape.heads,
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
  return { op: 'attention', q, k, v, state, ...formOf(shape) };
}

function stateOf({ kvHeads, D, E = D }: AttentionShape): StateShape {
  return { kind: 'kv', kvHeads, keyDim: D, valueDim: E };
}

/** '9/3 heads of 64', or of '24 and 16' of values; and the window. */
function headsOf({ heads, kvHeads, D, E = D, window }: AttentionShape): string {
  const sizes = D === E ? `${D}` : `${D} and ${E}`;
  return `${heads}/${kvHeads} heads of ${sizes}${window ? `, window of ${window}` : ''}`;
}

function formOf({ heads, D, window }: AttentionShape): AttentionForm {
  return { heads, scale: 1 / Math.sqrt(D), window };
}

/** Keys and values, for q8 queries too, are such as the cache holds exactly. */
export function inputsOf({ heads, kvHeads, D, E = D }: AttentionShape, type: KvType) {
  if (type !== 'q8')
    return [
      randomMatrix('F32', VOCABULARY, heads * D, 4),
      inFloats(randomMatrix('F16', VOCABULARY, kvHeads * D, 4)),
      inFloats(randomMatrix('BF16', VOCABULARY, kvHeads * E, 4)),
    ];
  const coded = { D, block: 32, peak: -128, size: 1 / 64 };
  return [
    codedMatrix(VOCABULARY, heads * D, coded),
    codedMatrix(VOCABULARY, kvHeads * D, coded),
    codedMatrix(VOCABULARY, kvHeads * E, { D: E, block: E, peak: 127, size: 1 / 128 }),
  ];
}

/** A timed step of T tokens after `held` positions, repeated over `layers` layers. */
export function modelAttentionCase(
  shape: AttentionShape & { readonly layers: number },
  { type, T, held }: { type: KvType; T: number; held: number },
): OpCase {
  return {
    ...described(shape, T, held),
    shape: `${headsOf(shape)}, ${held} held as ${type}`,
    speedOnly: 'the float64 reference takes seconds to fill such a cache; shorter ones are checked',
    timing: repeatedAttention(shape, { type, T, held }),
  };
}

function described(shape: AttentionShape, T: number, held: number) {
  const { heads, D } = shape;
  const attended = T * held + (T * (T + 1)) / 2; // token i of the step sees held + i + 1 positions
  const work = { bytes: FLOAT * 2 * T * heads * D, macs: 2 * attended * heads * D };
  const state = stateOf(shape);
  const examples = [{ op: attentionOp(shape, [0, 1, 2], 0), types: [], state }];
  return { op: 'attention', examples, tokens: T, work } as const;
}
