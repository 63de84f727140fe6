/**
 * A case of the conformance suite: one op in one shape. It may be checked (against the reference kernels, as a function
 * of a sequence's tokens, so that no cache is involved in what is expected), timed, or both.
 */
import type {
  Backend,
  BufferId,
  KvShape,
  Op,
  Program,
  Slice,
  Step,
  WeightId,
} from '../../backends/backend.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { embed } from '../../kernels/reference/embed.ts';
import type { Work } from '../work.ts';
import type { Matrix } from './matrices.ts';

export type Row = Float64Array;

export interface OpCase {
  readonly op: Op['op'];
  readonly type?: TensorType; // of the weight, where the op has one
  readonly shape: string;
  readonly tokens: number; // T of the step that `work` counts
  readonly work: Work; // of the op, once; attention reads the cache besides, whose size is the backend's matter
  readonly check?: Check;
  /** Why it is not checked: only timed. */
  readonly speedOnly?: string;
  /** Of a shape that models have. */
  readonly timing?: Timing;
}

/** A tiny program that embeds its inputs, applies the op once, and selects rows. */
export interface Check {
  readonly weights: readonly Matrix[];
  program(ids: readonly WeightId[]): Program;
  readonly actions: readonly Action[];
  /** The output row for the last of a sequence's tokens; of steps that ask for attention, its weights. */
  expected(tokens: readonly number[]): Row;
  /** Parts of a row whose errors are judged apart, of equal length: the heads of attention, else 1. */
  readonly parts: number;
  readonly tolerance: Tolerance;
}

/** A program that repeats the op (timed-program.ts), and the step of it that is timed. */
export interface Timing {
  readonly held: number; // positions in the cache before the step
  readonly repeats: number; // of the op in the program
  /** Hands its weights to the backend and describes the program. */
  program(backend: Backend): Program;
}

/** What is done with an executable, in order. */
export type Action =
  | Step
  | { readonly copy: { from: number; to: number; upto: number } }
  | { readonly trim: { seq: number; upto: number } };

/** Largest sum of squared errors over the sum of squares of a part of a row, for any backend but the reference. */
export interface Tolerance {
  readonly nmse: number;
  readonly reason: string;
}

export const FLOAT32: Tolerance = {
  nmse: 1e-12,
  reason: 'float32 sums of up to 1000 terms: 1e-6 of the result',
};

/** Unique in the table. */
export function nameOf({ op, type, shape, tokens }: OpCase): string {
  return [op, ...(type ? [type] : []), `${shape}, ${tokens} ${tokens === 1 ? 'token' : 'tokens'}`].join(' ');
}

// ----- the program of a check

export const VOCABULARY = 40;
const NO_CACHE = { layers: 1, kvHeads: 1, headDim: 8 }; // for programs without attention

export interface CheckParts {
  readonly inputs: readonly Matrix[]; // [VOCABULARY, cols], embedded, one buffer each
  readonly weights?: readonly Matrix[];
  readonly cols: number; // of the result
  readonly kv?: Pick<KvShape, 'layers' | 'kvHeads' | 'headDim' | 'type'>;
  /** The op under test; without it the first input is the result. */
  readonly apply?: (inputs: readonly BufferId[], weights: readonly WeightId[], out: BufferId) => Op;
  readonly actions?: readonly Action[];
  /** Inputs of a token, its position, and the inputs of every token of its sequence up to it. */
  readonly expected: (inputs: readonly Row[], position: number, history: readonly (readonly Row[])[]) => Row;
  readonly parts?: number; // default 1
  readonly tolerance: Tolerance;
}

export function check({ inputs, weights = [], cols, kv = NO_CACHE, apply, ...rest }: CheckParts): Check {
  const { actions = SHORT, expected, parts = 1, tolerance } = rest;
  const buffers = [...inputs.map(({ desc }) => desc.cols), cols, cols];
  const xs = [...inputs.keys()];
  const [result, logits] = [inputs.length, inputs.length + 1];
  const sizes = sizesOf(actions);
  const embedded = new Map<number, readonly Row[]>(); // by token
  const inputsOf = (id: number) => {
    const known = embedded.get(id) ?? inputs.map(({ values, desc }) => embed(values, desc.cols, id));
    embedded.set(id, known);
    return known;
  };
  return {
    actions,
    parts,
    tolerance,
    weights: [...inputs, ...weights],
    program(ids) {
      const ops: Op[] = xs.map((x) => ({ op: 'embed', table: ids[x]!, out: x }));
      if (apply) ops.push(apply(xs, ids.slice(inputs.length), result));
      ops.push({ op: 'select', x: apply ? result : 0, out: logits });
      const attention = actions.some((action) => 'slices' in action && action.attention);
      const limits = { kv: { ...kv, ...sizes.kv }, maxTokens: sizes.maxTokens };
      return { name: 'one op', buffers, ops, logits, attention, ...limits };
    },
    expected(tokens) {
      const history = tokens.map(inputsOf);
      return expected(history.at(-1)!, tokens.length - 1, history);
    },
  };
}

// ----- steps

export function step(...slices: Slice[]): Step {
  return { slices, logits: 'all' };
}

/** No larger than the actions need, so that what is written beyond the last row or position is outside a buffer. */
function sizesOf(actions: readonly Action[]) {
  const steps = actions.filter((action) => 'slices' in action);
  const slices = steps.flatMap((step) => step.slices);
  return {
    maxTokens: Math.max(
      ...steps.map((step) => step.slices.reduce((sum, { tokens }) => sum + tokens.length, 0)),
    ),
    kv: { sequences: 3, contextLength: Math.max(...slices.map(({ pos, tokens }) => pos + tokens.length)) },
  };
}

/** Tokens at positions pos to pos + count - 1; `round` makes other tokens at the same positions. */
export function slice(seq: number, pos: number, count: number, round = 0): Slice {
  const id = (i: number) => (7 * (pos + i) + 13 * seq + 5 * round) % VOCABULARY;
  return { seq, pos, tokens: Array.from({ length: count }, (_, i) => id(i)) };
}

/** For ops that take a row by itself: few rows, one, many. */
export const SHORT: readonly Action[] = [step(slice(0, 0, 5)), step(slice(0, 5, 1)), step(slice(1, 0, 130))];

/**
 * For ops that know positions: three sequences; positions cross 16, 64, 128 and 256 in the middle and at the edge of a
 * step, alone and beside other sequences.
 */
export const LONG: readonly Action[] = [
  step(slice(0, 0, 15)),
  step(slice(0, 15, 2), slice(1, 0, 5)),
  step(slice(1, 5, 1), slice(0, 17, 238)),
  step(slice(0, 255, 1)),
  step(slice(0, 256, 1)),
  { copy: { from: 0, to: 2, upto: 200 } },
  { trim: { seq: 0, upto: 250 } },
  step(slice(2, 200, 3, 1), slice(0, 250, 9, 1), slice(1, 6, 1)),
  step(slice(1, 7, 56)),
  step(slice(1, 63, 1), slice(2, 203, 1), slice(0, 259, 1)),
  step(slice(1, 64, 1)),
  step(slice(1, 65, 62), slice(0, 260, 2)),
  step(slice(1, 127, 1), slice(2, 204, 1)),
  step(slice(1, 128, 3)),
];
