/**
 * Gradients of ops by finite differences of the reference kernels in float64, to judge a backward kernel by: for one op
 * and a cotangent of what it makes, the vector-Jacobian product with each operand and weight. So a backward kernel needs
 * no reference of its own.
 */
import type { Op, ScanOp, StateShape } from '../../backends/backend.ts';
import { operands, rewired, weightsOf } from '../../backends/ops.ts';
import { QUANT_FORMATS, type TensorType } from '../../kernels/quant-formats.ts';
import { attention } from '../../kernels/reference/attention.ts';
import { concat } from '../../kernels/reference/concat.ts';
import { conv } from '../../kernels/reference/conv.ts';
import { embed } from '../../kernels/reference/embed.ts';
import { expertMatmul, mix } from '../../kernels/reference/experts.ts';
import { layerNorm } from '../../kernels/reference/layer-norm.ts';
import { map } from '../../kernels/reference/map.ts';
import { matmul } from '../../kernels/reference/matmul.ts';
import { rmsNorm } from '../../kernels/reference/rms-norm.ts';
import { rope } from '../../kernels/reference/rope.ts';
import { route } from '../../kernels/reference/route.ts';
import { scan } from '../../kernels/reference/scan.ts';
import { select } from '../../kernels/reference/select.ts';
import { softmax } from '../../kernels/reference/softmax.ts';
import { zip } from '../../kernels/reference/zip.ts';
import type { CheckedCase } from './cases.ts';
import { type Matrix, randomMatrix } from './matrices.ts';
import { type Row, slice } from './op-case.ts';

/** What a backend says about the backward of an op: true, or the reason why not, in words. No backend has one yet. */
export interface Differentiates {
  backward?(op: Op, types: readonly TensorType[], state?: StateShape): true | string;
}

/** Numbers [rows, cols], row after row. */
export interface Tensor {
  readonly values: Row;
  readonly cols: number;
  readonly experts?: number; // of a weight
}

/** What an op is differentiated at: one sequence from position 0 on. */
export interface Point {
  readonly op: Op;
  readonly values: readonly Tensor[]; // [T, cols] each, in the order of `operands`
  readonly weights: readonly Tensor[]; // in the order of `weightsOf`
  readonly tokens: readonly number[]; // [T], ids that embed looks up: without a derivative
  readonly outputs: readonly number[]; // rows that select takes: likewise
  readonly constants: ReadonlySet<string>; // fields of weights that are held as codes: likewise
}

/** The product of a cotangent with the Jacobian, for some entries of an operand or weight. */
export interface Gradient {
  readonly entries: readonly number[]; // places in the tensor
  readonly values: Row; // one an entry
  readonly error: number; // largest estimate of their error
  readonly kinks: readonly number[]; // entries whose left and right derivatives differ, as relu's at 0: not judged
}

/**
 * Step of a difference, relative to the largest number of a tensor. A central difference has an error of h^2 |f'''| / 6
 * and a rounding of e |f| / h with e = 2^-52. Their sum is smallest around the cube root of e, 6e-6, and is then about
 * e^(2/3) = 4e-11 (Press et al., Numerical Recipes, 3rd edition, section 5.7).
 */
const STEP = Math.cbrt(2 ** -52);

/** Derivatives from left and right differ by h |f''| where they are smooth, and by their own size at a kink. */
const KINK = 1e-3;
const AGREEMENT = 1e-7; // error of differences by h and 2h that agree, relative to the largest entry
const ENTRIES = 24; // of a tensor; each costs four evaluations of the op
const TOKENS = 6; // of the sequence that a case's op is differentiated on

/** The gradient of each differentiable operand and weight, by the name of its field; of a list `name[i]`. */
export function gradientsOf(point: Point, cotangent: Row, most = ENTRIES): ReadonlyMap<string, Gradient> {
  const names = fieldsOf(point.op);
  const of = (kind: 'values' | 'weights') =>
    point[kind].flatMap((tensor, i) => {
      const at = (values: Row) => evaluate({ ...point, [kind]: point[kind].with(i, { ...tensor, values }) });
      const name = names[kind][i]!;
      if (point.constants.has(name)) return [];
      return [[name, differences(at, tensor.values, cotangent, most)] as const];
    });
  return new Map([...of('values'), ...of('weights')]);
}

/** Central differences of cotangent . f at `most` entries of x, spread over it. */
export function differences(f: (x: Row) => Row, x: Row, cotangent: Row, most = ENTRIES): Gradient {
  const center = f(x);
  const h = STEP * (largestOf(x) || 1);
  const slope = (from: Row, to: Row, over: number) =>
    cotangent.reduce((sum, c, i) => sum + c * (to[i]! - from[i]!), 0) / over;
  const entries = spread(x.length, most);
  const found = entries.map((i) => {
    const moved = (by: number) => f(x.with(i, x[i]! + by));
    const [left, right] = [moved(-h), moved(h)];
    const value = slope(left, right, 2 * h);
    const bend = Math.abs(slope(center, right, h) - slope(left, center, h));
    // The error grows with the square of the step: steps of 2h have four times that of h.
    const error = Math.abs(slope(moved(-2 * h), moved(2 * h), 4 * h) - value) / 3;
    return { value, bend, error };
  });
  const values = Float64Array.from(found, ({ value }) => value);
  const kinked = found.map(({ bend }) => bend > KINK * largestOf(values));
  return {
    entries,
    values,
    kinks: entries.filter((_, n) => kinked[n]),
    error: Math.max(0, ...found.map(({ error }, n) => (kinked[n] ? 0 : error))),
  };
}

/** Whether the differences exist, not all at kinks, and agree with themselves. */
export function canBeJudged({ entries, values, error, kinks }: Gradient): boolean {
  return Number.isFinite(error) && kinks.length < entries.length && error <= AGREEMENT * largestOf(values);
}

/** Where the op of a case is differentiated; a program has none, because its gradient is that of its ops. */
export function pointOf({ op: name, check }: CheckedCase): Point | undefined {
  const op = check.program([...check.weights.keys()]).ops.find((each) => each.op === name);
  if (!op) return undefined;
  const tokens = Array.from(slice(0, 0, TOKENS).tokens);
  const tensor = ({ values, desc }: Matrix) => ({
    values: Float64Array.from(values),
    cols: desc.cols,
    experts: desc.experts,
  });
  const values = operands(op).map((input) => {
    const { values, desc } = check.weights[input]!;
    return { values: joined(tokens.map((id) => embed(values, desc.cols, id))), cols: desc.cols };
  });
  const matrices = weightsOf(op).map((id) => check.weights[id]!);
  const coded = fieldsOf(op).weights.filter((_, i) => QUANT_FORMATS[matrices[i]!.desc.type].elements > 1);
  return {
    op,
    values,
    weights: matrices.map(tensor),
    tokens,
    outputs: [1, TOKENS - 1],
    constants: new Set(op.op === 'expert-matmul' ? [...coded, 'picks'] : coded),
  };
}

/** A random cotangent; its size determines it. */
export function cotangentOf(point: Point): Row {
  return Float64Array.from(randomMatrix('F32', 1, evaluate(point).length, 1, 'cotangent').values);
}

/** What the op makes, [T, cols], or of select [S, cols]. */
export function evaluate({ op, values, weights, tokens, outputs }: Point): Row {
  const [w, bias] = weights.map((weight) => weight.values);
  const scalars = weights.map((weight) => weight.values[0]!);
  const [x = [], y = [], z = []] = values.map(rowsOf);
  const each = (of: (row: Row, t: number) => Row) => joined(x.map(of));
  switch (op.op) {
    case 'embed':
      return joined(tokens.map((id, t) => embed(w!, weights[0]!.cols, op.by === 'position' ? t : id)));
    case 'norm':
      return each((row) => rmsNorm(row, w!, op.eps, op.heads));
    case 'layer-norm':
      return each((row) => layerNorm(row, w!, bias, op.eps));
    case 'matmul':
      return each((row) => matmul(row, w!, bias));
    case 'route': {
      const named = (id: unknown, i: number) => (id === undefined ? undefined : weights.at(i)!.values);
      return each((row) => route(row, named(op.bias, 0), named(op.scales, -1), op.routing));
    }
    case 'expert-matmul': {
      const { cols: K, experts = 1 } = weights[0]!;
      return each((row, t) => expertMatmul(row, w!, bias, y[t], { experts, K }));
    }
    case 'mix':
      return each((row, t) => mix(row, y[t]!));
    case 'rope':
      return each((row, t) => rope(row, op.heads, t, op.rope));
    case 'attention':
      return each((q, t) => {
        const form = { ...op, sinks: op.sinks === undefined ? undefined : w };
        if (op.causal === false) return attention(q, y, z, { ...form, position: t });
        return attention(q, y.slice(0, t + 1), z.slice(0, t + 1), form);
      });
    case 'conv': {
      const K = weights[0]!.cols;
      const before = Array.from({ length: K - 1 }, () => new Float64Array(x[0]!.length));
      return each((_, t) => conv([...before, ...x].slice(t, t + K), w!, bias));
    }
    case 'scan':
      return joined(scanned(op, values, weights));
    case 'softmax':
      return each(softmax);
    case 'map':
      return each((row) => map(op.fn, row, scalars));
    case 'zip':
      return each((row, t) => zip(op.fn, row, y[t]!));
    case 'concat':
      return each((row, t) => concat(row, y[t]!, op.heads));
    case 'select':
      return joined(select(x, outputs));
  }
}

/** Tokens one after the other, from a state of zeros on. */
function scanned(op: ScanOp, values: readonly Tensor[], weights: readonly Tensor[]): Row[] {
  const [q, k, v, dt, beta] = values.map(rowsOf);
  const [a, skip] = weights.map((weight) => weight.values);
  const { rule, groups, cyclic = false } = op;
  const [keyDim, valueDim] = [q![0]!.length / groups, v![0]!.length / a!.length];
  const shape = { rule, heads: a!.length, groups, cyclic, keyDim, valueDim };
  let state: Row = new Float64Array(a!.length * keyDim * valueDim);
  return v!.map((_, t) => {
    const rows = { q: q![t]!, k: k![t]!, v: v![t]!, dt: dt![t]!, beta: beta![t]! };
    const next = scan(state, rows, { a: a!, skip }, shape);
    state = next.state;
    return next.y;
  });
}

/** The fields of an op's operands and weights, in the order of `operands` and `weightsOf`. */
function fieldsOf(op: Op): { readonly values: readonly string[]; readonly weights: readonly string[] } {
  let next = 0;
  const number = () => --next; // no id is negative, so the fields that change are those of ids
  const named = (numbered: Op) =>
    Object.entries(numbered)
      .filter(([name, ids]) => ids !== op[name as keyof Op])
      .flatMap(([name, ids]) =>
        Array.isArray(ids) ? ids.map((id, i) => ({ id, name: `${name}[${i}]` })) : [{ id: ids, name }],
      )
      .sort((a, b) => b.id - a.id)
      .map(({ name }) => name);
  return { values: named(rewired(op, { value: number })), weights: named(rewired(op, { weight: number })) };
}

/** `most` places of a list, in steps of the golden ratio, so that they keep in step with no head and no block. */
function spread(length: number, most: number): readonly number[] {
  if (length <= most) return Array.from({ length }, (_, i) => i);
  const places = Array.from({ length: most }, (_, i) => Math.floor(length * (((i + 1) * 0.6180339887) % 1)));
  return [...new Set(places)];
}

/** NaN if one of them is. */
function largestOf(values: Row): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

function rowsOf({ values, cols }: Tensor): Row[] {
  return Array.from({ length: values.length / cols }, (_, t) => values.subarray(t * cols, (t + 1) * cols));
}

function joined(rows: readonly Row[]): Row {
  return Float64Array.from(rows.flatMap((row) => [...row]));
}
