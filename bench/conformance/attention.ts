/** Cases of attention, over each type of cache. */
import type { AttentionOp, KvType, StateId, StateShape, ValueId, WeightId } from '../../backends/backend.ts';
import { attention, attentionWeights } from '../../kernels/reference/attention.ts';
import { codedMatrix, inFloats, type Matrix, randomMatrix } from './matrices.ts';
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
  readonly softcap?: number;
  readonly sinks?: true;
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
        return attention(q!, keys, values, withSinks(shape));
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
        return Float64Array.from(attentionWeights(q!, keys, withSinks(shape)).flatMap((row) => [...row]));
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
    weights: shape.sinks ? [sinksOf(shape)] : [],
    parts: shape.heads,
    states: [state, state],
    kvType: type,
    apply: ([q, k, v], [sinks]) => attentionOp(shape, [q!, k!, v!], 1, sinks),
  });
}

function attentionOp(
  shape: AttentionShape,
  [q, k, v]: readonly [ValueId, ValueId, ValueId],
  state: StateId,
  sinks?: WeightId,
): AttentionOp {
  return { op: 'attention', q, k, v, state, ...formOf(shape), sinks };
}

/** Around the scores, so that a sink takes a part of the weight. */
function sinksOf({ heads }: AttentionShape): Matrix {
  return randomMatrix('F32', 1, heads, 5, 'sinks');
}

function stateOf({ kvHeads, D, E = D }: AttentionShape): StateShape {
  return { kind: 'kv', kvHeads, keyDim: D, valueDim: E };
}

/** '9/3 heads of 64', or of '24 and 16' of values; and the window. */
function headsOf({ heads, kvHeads, D, E = D, window, softcap, sinks }: AttentionShape): string {
  const parts = [`${heads}/${kvHeads} heads of ${D === E ? D : `${D} and ${E}`}`];
  if (window) parts.push(`window of ${window}`);
  if (softcap) parts.push(`capped at ${softcap}`);
  if (sinks) parts.push('with sinks');
  return parts.join(', ');
}

function withSinks(shape: AttentionShape) {
  return { ...formOf(shape), sinks: shape.sinks && sinksOf(shape).values };
}

function formOf(shape: AttentionShape) {
  const { heads, D, window, softcap } = shape;
  return { heads, scale: 1 / Math.sqrt(D), window, softcap };
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
  const op = attentionOp(shape, [0, 1, 2], 0, shape.sinks && 0);
  const examples = [{ op, types: shape.sinks ? ['F32' as const] : [], state }];
  return { op: 'attention', examples, tokens: T, work } as const;
}
