/**
 * The anatomy of every op: its fields that are values, its fields that are weights, and the shape of its output. Code
 * that walks a program (fusion, memory planners, type checks, estimates) uses this table and has no switch of its own.
 */
import { MAPS } from '../kernels/reference/map.ts';
import type { Routing } from '../kernels/reference/route.ts';
import type {
  AttentionOp,
  KvShape,
  Op,
  Program,
  ScanOp,
  StateId,
  StateShape,
  ValueId,
  WeightDesc,
  WeightId,
} from './backend.ts';

export type OpOf<K extends Op['op']> = Extract<Op, { op: K }>;

/** An op with a state. */
export type StatefulOp = Extract<Op, { state: StateId }>;

/** A value has a row for each token of a step, or for each output row that the step wants. */
export interface Shape {
  readonly rows: 'tokens' | 'outputs';
  readonly cols: number;
}

/** Inputs of the shape of an op. */
export interface Facts {
  shape(value: ValueId): Shape;
  desc(weight: WeightId): WeightDesc;
  state(op: StatefulOp): StateShape;
}

interface Anatomy<O extends Op> {
  readonly values: readonly (keyof O)[];
  readonly weights: readonly (keyof O)[]; // ids, lists of ids, or undefined
  /** Throws RangeError if operands or weights do not fit. */
  shape(op: O, facts: Facts): Shape;
}

const ANATOMY: { readonly [K in Op['op']]: Anatomy<OpOf<K>> } = {
  embed: {
    values: [],
    weights: ['table'],
    shape: ({ table }, { desc }) => ({ rows: 'tokens', cols: desc(table).cols }),
  },
  norm: {
    values: ['x'],
    weights: ['weight'],
    shape({ x, weight, heads = 1 }, { shape, desc }) {
      const { cols } = shape(x);
      if (heads > 1 && desc(weight).cols === cols && cols % heads === 0) return shape(x); // own weights of each head
      return wide(shape(x), heads * desc(weight).cols, 'norm');
    },
  },
  'layer-norm': {
    values: ['x'],
    weights: ['weight', 'bias'],
    shape({ x, weight, bias }, { shape, desc }) {
      const { cols } = desc(weight);
      if (bias !== undefined) fits(desc(bias).cols, cols, 'bias of a layer norm');
      return wide(shape(x), cols, 'layer norm');
    },
  },
  matmul: {
    values: ['x'],
    weights: ['weight', 'bias'],
    shape({ x, weight, bias }, { shape, desc }) {
      const { rows, cols } = desc(weight);
      if (bias !== undefined) fits(desc(bias).cols, rows, 'bias of a matmul');
      return { rows: wide(shape(x), cols, 'matmul').rows, cols: rows };
    },
  },
  route: {
    values: ['x'],
    weights: ['bias', 'scales'],
    shape({ x, bias, scales, routing }, { shape, desc }) {
      const { rows, cols } = shape(x);
      for (const id of [bias, scales]) if (id !== undefined) fits(desc(id).cols, cols, 'numbers of experts');
      checkRouting(routing, cols);
      return { rows, cols: 2 * routing.count };
    },
  },
  'expert-matmul': {
    values: ['x', 'picks'],
    weights: ['weight', 'bias'],
    shape({ x, weight, bias, picks }, { shape, desc }) {
      const { rows, cols, experts = 1 } = desc(weight);
      if (rows % experts !== 0)
        throw new RangeError(`Expected ${experts} experts of equal rows, got ${rows}.`);
      if (bias !== undefined) fits(desc(bias).cols, rows, 'bias of experts');
      const count = picks === undefined ? experts : shape(picks).cols / 2;
      const given = shape(x);
      fits(given.cols, given.cols === cols ? cols : count * cols, 'columns of an expert matmul');
      if (picks !== undefined) sameRows(given, shape(picks), 'an expert matmul');
      return { rows: given.rows, cols: (count * rows) / experts };
    },
  },
  mix: {
    values: ['x', 'picks'],
    weights: [],
    shape({ x, picks }, { shape }) {
      const { rows, cols } = shape(x);
      const count = shape(picks).cols / 2;
      if (cols % count !== 0)
        throw new RangeError(`Expected a part for each of ${count} picks, got ${cols} columns.`);
      sameRows(shape(x), shape(picks), 'a mix');
      return { rows, cols: cols / count };
    },
  },
  rope: {
    values: ['x'],
    weights: [],
    shape({ x, heads, rope }, { shape }) {
      const headDim = shape(x).cols / heads;
      if (!Number.isInteger(headDim) || 2 * rope.inverseFrequencies.length > headDim) {
        throw new RangeError(`Expected heads of a rope to hold its pairs, got ${shape(x).cols} columns.`);
      }
      return shape(x);
    },
  },
  attention: {
    values: ['q', 'k', 'v'],
    weights: ['sinks'],
    shape(op, { shape, desc, state }) {
      const { kvHeads, keyDim, valueDim } = ofKind('kv', state(op), 'attention');
      if (op.heads % kvHeads !== 0) {
        throw new RangeError(`Expected heads to be a multiple of ${kvHeads} kv heads, got ${op.heads}.`);
      }
      checkWindow(op.window);
      if (op.sinks !== undefined) fits(desc(op.sinks).cols, op.heads, 'sinks of attention');
      if ((op.k === undefined) !== (op.v === undefined))
        throw new RangeError('Attention has keys, but no values.');
      if (op.k !== undefined) wide(shape(op.k), kvHeads * keyDim, 'keys of attention');
      if (op.v !== undefined) wide(shape(op.v), kvHeads * valueDim, 'values of attention');
      const { rows } = wide(shape(op.q), op.heads * keyDim, 'queries of attention');
      return { rows, cols: op.heads * valueDim };
    },
  },
  conv: {
    values: ['x'],
    weights: ['weight', 'bias'],
    shape(op, { shape, desc, state }) {
      const { rows, cols: taps } = desc(op.weight);
      const { floats } = ofKind('recurrent', state(op), 'a conv');
      if (taps < 2) throw new RangeError(`Expected a conv of at least 2 weights a column, got ${taps}.`);
      fits(floats, (taps - 1) * rows, 'floats in the state of a conv');
      if (op.bias !== undefined) fits(desc(op.bias).cols, rows, 'bias of a conv');
      if (shape(op.x).rows !== 'tokens')
        throw new RangeError('A conv reads all tokens of a step, not selected rows.');
      return wide(shape(op.x), rows, 'conv');
    },
  },
  scan: {
    values: ['q', 'k', 'v', 'dt', 'beta'],
    weights: ['a', 'skip'],
    shape(op, facts) {
      const { shape, desc, state } = facts;
      const { heads, groups, keyDim, valueDim } = scanSizes(op, facts);
      const { floats } = ofKind('recurrent', state(op), 'a scan');
      if (heads % groups !== 0 || ![keyDim, valueDim].every(Number.isInteger)) {
        throw new RangeError(`Expected ${groups} groups to divide ${heads} heads, and both their columns.`);
      }
      fits(floats, heads * keyDim * valueDim, 'floats in the state of a scan');
      wide(shape(op.k), shape(op.q).cols, 'keys of a scan');
      wide(shape(op.dt), heads, 'steps of a scan');
      wide(shape(op.beta), heads, 'betas of a scan');
      if (op.skip !== undefined) fits(desc(op.skip).cols, heads, 'skips of a scan');
      if ([op.q, op.k, op.v, op.dt, op.beta].some((value) => shape(value).rows !== 'tokens'))
        throw new RangeError('A scan reads all tokens of a step, not selected rows.');
      return shape(op.v);
    },
  },
  softmax: { values: ['x'], weights: [], shape: ({ x }, { shape }) => shape(x) },
  map: {
    values: ['x'],
    weights: ['scalars'],
    shape({ x, fn, scalars = [] }, { shape, desc }) {
      fits(scalars.length, MAPS[fn].scalars, `learned scalars of ${fn}`);
      for (const scalar of scalars) fits(desc(scalar).cols, 1, `numbers in a scalar of ${fn}`);
      return shape(x);
    },
  },
  zip: {
    values: ['a', 'b'],
    weights: [],
    shape({ a, b, fn }, { shape }) {
      sameRows(shape(a), shape(b), fn);
      return wide(shape(a), shape(b).cols, fn);
    },
  },
  concat: {
    values: ['a', 'b'],
    weights: [],
    shape({ a, b, heads }, { shape }) {
      const [left, right] = [shape(a), shape(b)];
      for (const { cols } of [left, right]) {
        if (cols % heads !== 0)
          throw new RangeError(`Expected ${heads} heads of a concat, got ${cols} columns.`);
      }
      sameRows(left, right, 'a concat');
      return { rows: left.rows, cols: left.cols + right.cols };
    },
  },
  select: {
    values: ['x'],
    weights: [],
    shape: ({ x }, { shape }) => ({ rows: 'outputs', cols: shape(x).cols }),
  },
};

function anatomyOf(op: Op): Anatomy<Op> {
  return ANATOMY[op.op] as unknown as Anatomy<Op>;
}

/** The values an op reads. */
export function operands(op: Op): readonly ValueId[] {
  const fields = op as unknown as Record<string, ValueId | undefined>;
  return anatomyOf(op).values.flatMap((name) => fields[name] ?? []);
}

/** The weights an op reads, in the order of `Backend.supports`. */
export function weightsOf(op: Op): readonly WeightId[] {
  const fields = op as unknown as Record<string, WeightId | readonly WeightId[] | undefined>;
  return anatomyOf(op).weights.flatMap((name) => fields[name] ?? []);
}

/** The op with other values and weights. */
export function rewired<O extends Op>(
  op: O,
  to: { readonly value?: (id: ValueId) => ValueId; readonly weight?: (id: WeightId) => WeightId },
): O {
  const fields: Record<string, unknown> = { ...op };
  const { values, weights } = anatomyOf(op);
  const change = (names: readonly string[], id: (from: number) => number) => {
    for (const name of names) {
      const old = fields[name] as number | readonly number[] | undefined;
      if (old !== undefined) fields[name] = typeof old === 'number' ? id(old) : old.map(id);
    }
  };
  if (to.value) change(values, to.value);
  if (to.weight) change(weights, to.weight);
  return fields as O;
}

/** The shape of an op's output. `facts` has the shapes of its operands. Throws RangeError. */
export function shapeOf(op: Op, facts: Facts): Shape {
  return anatomyOf(op).shape(op, facts);
}

/** The shapes of all values of a program. Throws RangeError for an op with operands that do not fit or come later. */
export function shapesOf(
  { ops, states }: Pick<Program, 'ops' | 'states'>,
  desc: (weight: WeightId) => WeightDesc,
): readonly Shape[] {
  const shapes: Shape[] = [];
  const shape = (value: ValueId) => {
    const known = shapes[value];
    if (!known) throw new RangeError(`Expected operands before op ${shapes.length}, got value ${value}.`);
    return known;
  };
  const facts: Facts = { shape, desc, state: (op) => stateOf(op, states) };
  for (const op of ops) shapes.push(shapeOf(op, facts));
  checkOwners(ops, states);
  return shapes;
}

/** Several ops may read the same keys and values; a recurrent state belongs to one op. */
function checkOwners(ops: readonly Op[], states: readonly StateShape[]): void {
  const owned = new Set<StateId>();
  for (const op of ops) {
    if (!('state' in op) || states[op.state]!.kind === 'kv') continue;
    if (owned.has(op.state)) throw new RangeError(`State ${op.state} is recurrent, but several ops use it.`);
    owned.add(op.state);
  }
}

/** The values that callers read: the output and the taps. */
export function keptValues({ output, limits }: Pick<Program, 'output' | 'limits'>): readonly ValueId[] {
  return [output, ...(limits.taps ?? [])];
}

/** The state of an op. Throws RangeError for a state that the program does not have. */
export function stateOf({ state }: StatefulOp, states: readonly StateShape[]): StateShape {
  const shape = states[state];
  if (!shape) throw new RangeError(`Expected a state from 0 to ${states.length - 1}, got ${state}.`);
  return shape;
}

/** The keys and values that an attention reads. */
export function kvOf(op: AttentionOp, states: readonly StateShape[]): KvShape {
  return ofKind('kv', stateOf(op, states), 'attention');
}

/** Whether a slice must be a whole text from position 0 on. */
export function isBidirectional({ ops }: Pick<Program, 'ops'>): boolean {
  return ops.some((op) => op.op === 'attention' && op.causal === false);
}

export interface ScanSizes {
  readonly heads: number;
  readonly groups: number;
  readonly keyDim: number; // N
  readonly valueDim: number; // P
}

/** The sizes of a scan, from its operands. */
export function scanSizes(
  { q, v, a, groups }: ScanOp,
  { shape, desc }: Pick<Facts, 'shape' | 'desc'>,
): ScanSizes {
  const heads = desc(a).cols;
  return { heads, groups, keyDim: shape(q).cols / groups, valueDim: shape(v).cols / heads };
}

/** Whether sequences can only continue or restart. */
export function isRecurrent({ states }: Pick<Program, 'states'>): boolean {
  return states.some(({ kind }) => kind === 'recurrent');
}

/** Bytes of the recurrent states of all sequences, without the padding of a backend. */
export function recurrentBytes(states: readonly StateShape[], sequences: number): number {
  const floats = states.reduce((sum, state) => sum + (state.kind === 'recurrent' ? state.floats : 0), 0);
  return 4 * floats * sequences;
}

function ofKind<K extends StateShape['kind']>(kind: K, shape: StateShape, what: string) {
  if (shape.kind === kind) return shape as Extract<StateShape, { kind: K }>;
  throw new RangeError(`Expected ${what} to keep a state of kind ${kind}, got ${shape.kind}.`);
}

/** The indices of the ops that read each value. */
export function readersOf(ops: readonly Op[]): readonly (readonly number[])[] {
  const readers: number[][] = ops.map(() => []);
  for (const [i, op] of ops.entries()) {
    for (const value of operands(op)) if (readers[value]!.at(-1) !== i) readers[value]!.push(i);
  }
  return readers;
}

function sameRows(a: Shape, b: Shape, what: string): void {
  if (a.rows !== b.rows) throw new RangeError(`The two sides of ${what} have different rows.`);
}

function checkRouting({ count, groups }: Routing, experts: number): void {
  if (!Number.isInteger(count) || count < 1 || count > experts) {
    throw new RangeError(`Expected 1 to ${experts} experts of a token, got ${count}.`);
  }
  if (!groups) return;
  const size = experts / groups.count;
  const enough = groups.used >= 1 && groups.used <= groups.count && groups.used * size >= count;
  if (!Number.isInteger(size) || !enough) {
    throw new RangeError(`Expected groups of ${experts} experts, got ${groups.used} of ${groups.count}.`);
  }
}

function checkWindow(window = 1): void {
  if (!Number.isInteger(window) || window < 1) {
    throw new RangeError(`Expected a window of at least 1 position, got ${window}.`);
  }
}

function wide(shape: Shape, cols: number, what: string): Shape {
  fits(shape.cols, cols, `columns of ${what}`);
  return shape;
}

function fits(got: number, expected: number, what: string): void {
  if (got !== expected) throw new RangeError(`Expected ${expected} ${what}, got ${got}.`);
}
