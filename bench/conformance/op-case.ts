/**
 * A case of the conformance suite: one op in one shape. It may be checked, timed, or both. Checks compare with the
 * reference kernels, as a function of a sequence's tokens, so that expected rows involve no cache.
 */
import type {
  Backend,
  KvType,
  Op,
  Program,
  Slice,
  StateShape,
  Step,
  ValueId,
  Want,
  WeightId,
} from '../../backends/backend.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { embed } from '../../kernels/reference/embed.ts';
import type { Work } from '../work.ts';
import type { Matrix } from './matrices.ts';

export type Row = Float64Array;

export interface OpCase {
  readonly op: Op['op'] | 'program'; // a program is several ops, as in models
  readonly type?: TensorType; // of the weight, if the op has one
  /** Arguments for `Backend.supports`: the op, with operands and weights numbered from 0; for a program every op. */
  readonly examples: readonly Example[];
  readonly shape: string;
  readonly tokens: number; // T of the step that `work` counts
  readonly work: Work; // of the op, once; without the cache that attention reads, whose size the backend decides
  readonly check?: Check;
  /** Why it is not checked but only timed. */
  readonly speedOnly?: string;
  /** For shapes of models. */
  readonly timing?: Timing;
}

export interface Example {
  readonly op: Op;
  readonly types: readonly TensorType[];
  readonly state?: StateShape;
}

/** A small program: it embeds its inputs, applies the op once or several ops, and selects rows. */
export interface Check {
  readonly weights: readonly Matrix[];
  program(ids: readonly WeightId[]): Program;
  readonly actions: readonly Action[];
  /**
   * The output row for the last token of a sequence, or its weights if the step asks for attention. Without this
   * function the reference backend computes the expected rows.
   */
  expected?(tokens: readonly number[]): Row;
  /** Number of equal parts of a row whose errors are judged separately: the heads of attention, else 1. */
  readonly parts: number;
  readonly tolerance: Tolerance;
}

/** A program that repeats the op (timed-program.ts), and the step of it that is timed. */
export interface Timing {
  readonly held: number; // positions in the cache before the step
  readonly repeats: number; // of the op in the program
  /** Registers its weights with the backend and describes the program. */
  program(backend: Backend): Program;
}

/** Calls of an executable, in order. */
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

/** The name of a case, unique in the table. */
export function nameOf({ op, type, shape, tokens }: OpCase): string {
  return [op, ...(type ? [type] : []), `${shape}, ${tokens} ${tokens === 1 ? 'token' : 'tokens'}`].join(' ');
}

/** Whether the backend computes the case, or the reason why not. */
export function supportsCase(backend: Pick<Backend, 'supports'>, { examples }: OpCase): true | string {
  const answers = examples.map(({ op, types, state }) => backend.supports(op, types, state));
  return answers.find((answer) => answer !== true) ?? true;
}

// ----- the program of a check

export const VOCABULARY = 40;

export interface CheckParts {
  readonly inputs: readonly Matrix[]; // [VOCABULARY, cols], embedded, one value each
  readonly weights?: readonly Matrix[];
  /** States of a sequence; the op uses the last one. */
  readonly states?: readonly StateShape[];
  readonly kvType?: KvType;
  /** The op under test; without it the first input is the result. */
  readonly apply?: (inputs: readonly ValueId[], weights: readonly WeightId[]) => Op;
  readonly actions?: readonly Action[];
  /** Arguments: inputs of a token, its position, and the inputs of all tokens of its sequence up to it. */
  readonly expected: (inputs: readonly Row[], position: number, history: readonly (readonly Row[])[]) => Row;
  readonly parts?: number; // default 1
  readonly tolerance: Tolerance;
}

/** An op on rows of `cols` numbers: what it reads, how it is written and what it gives. */
export interface RowOp {
  readonly op: Op['op'];
  readonly shape: string;
  readonly cols: number;
  readonly inputs: readonly Matrix[];
  readonly weights?: readonly Matrix[]; // vectors
  readonly apply: NonNullable<CheckParts['apply']>;
  readonly expected: CheckParts['expected'];
  readonly tolerance?: Tolerance; // default: FLOAT32
}

export function check({ inputs, apply, expected, ...rest }: CheckParts): Check {
  const embedded = new Map<number, readonly Row[]>(); // by token
  const inputsOf = (id: number) => {
    const known = embedded.get(id) ?? inputs.map(({ values, desc }) => embed(values, desc.cols, id));
    embedded.set(id, known);
    return known;
  };
  return {
    ...programCheck({ ...rest, inputs, build: (push, xs, ids) => (apply ? push(apply(xs, ids)) : xs[0]!) }),
    expected(tokens) {
      const history = tokens.map(inputsOf);
      return expected(history.at(-1)!, tokens.length - 1, history);
    },
  };
}

export interface ProgramParts extends Omit<CheckParts, 'apply' | 'expected'> {
  /** Adds ops after the inputs and returns the result. Rows of the step are selected from it, unless it has S rows. */
  readonly build: (
    push: (op: Op) => ValueId,
    inputs: readonly ValueId[],
    weights: readonly WeightId[],
  ) => ValueId;
  readonly selects?: true; // the result has S rows
}

/** A check without expected rows; the reference backend computes them. */
export function programCheck(parts: ProgramParts): Check {
  const { inputs, weights = [], states = [], kvType, build, actions = SHORT, tolerance } = parts;
  return {
    actions,
    parts: parts.parts ?? 1,
    tolerance,
    weights: [...inputs, ...weights],
    program(ids) {
      const ops: Op[] = inputs.map((_, i) => ({ op: 'embed', table: ids[i]! }));
      const result = build((op) => ops.push(op) - 1, [...inputs.keys()], ids.slice(inputs.length));
      const output = parts.selects ? result : ops.push({ op: 'select', x: result }) - 1;
      const attention = actions.some(
        (action) => 'slices' in action && action.slices.some(({ want }) => want?.kind === 'attention'),
      );
      return { name: 'a case', ops, output, states, limits: { ...sizesOf(actions), kvType, attention } };
    },
  };
}

// ----- steps

/** Wants the rows of all tokens. */
export function step(...slices: Slice[]): Step {
  return stepWith({ kind: 'logits', rows: 'all' }, ...slices);
}

/** Every slice wants the same, or nothing. */
export function stepWith(want: Want | undefined, ...slices: Slice[]): Step {
  return { slices: slices.map((each) => (want ? { ...each, want } : each)) };
}

/** Sizes that just fit the actions, so that a write beyond the last row or position is outside a buffer. */
function sizesOf(actions: readonly Action[]) {
  const steps = actions.filter((action) => 'slices' in action);
  const slices = steps.flatMap((step) => step.slices);
  return {
    maxTokens: Math.max(
      ...steps.map((step) => step.slices.reduce((sum, { tokens }) => sum + tokens.length, 0)),
    ),
    sequences: 3,
    contextLength: Math.max(...slices.map(({ pos, tokens }) => pos + tokens.length)),
  };
}

/** Tokens at positions pos to pos + count - 1; each `round` has other tokens at the same positions. */
export function slice(seq: number, pos: number, count: number, round = 0): Slice {
  const id = (i: number) => (7 * (pos + i) + 13 * seq + 5 * round) % VOCABULARY;
  return { seq, pos, tokens: Array.from({ length: count }, (_, i) => id(i)) };
}

/** For ops that compute each row by itself: few rows, one, many. */
export const SHORT: readonly Action[] = [step(slice(0, 0, 5)), step(slice(0, 5, 1)), step(slice(1, 0, 130))];

/** The same for recurrent states, which only go on or begin again: with a trim, without, and by whole copies. */
export const GOING_ON: readonly Action[] = [
  step(slice(0, 0, 1)),
  step(slice(0, 1, 1)),
  step(slice(0, 2, 13)),
  step(slice(0, 15, 2), slice(1, 0, 5)),
  step(slice(1, 5, 1), slice(0, 17, 238)),
  step(slice(0, 255, 1)),
  { copy: { from: 0, to: 2, upto: 256 } },
  { trim: { seq: 0, upto: 256 } },
  step(slice(2, 256, 3, 1), slice(0, 256, 1), slice(1, 6, 1)),
  step(slice(1, 7, 56), slice(0, 257, 2)),
  step(slice(1, 63, 1), slice(2, 259, 1), slice(0, 259, 1)),
  { trim: { seq: 0, upto: 0 } },
  step(slice(2, 0, 2, 1), slice(0, 0, 1, 2), slice(1, 64, 1)),
  step(slice(2, 2, 1), slice(0, 1, 1, 2)),
  { copy: { from: 0, to: 1, upto: 2 } },
  { copy: { from: 1, to: 2, upto: 0 } },
  step(slice(1, 2, 2), slice(2, 0, 4), slice(0, 2, 1)),
];

/**
 * For ops that depend on positions: three sequences. Their positions cross 16, 64, 128 and 256 in the middle and at the
 * edge of a step, alone and beside other sequences.
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
