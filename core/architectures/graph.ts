/**
 * Records a model while its architecture builds it: the ops, the tensors they read, and the states of sequences. An op
 * names its tensors, and each is checked against the file at once. Program, memory and work of a model are derived from
 * this record.
 */
import type {
  AttentionOp,
  Op,
  RopeSpec,
  ScanOp,
  SourceMatrix,
  StateId,
  StateShape,
  ValueId,
  WeightId,
} from '../../backends/backend.ts';
import { type Facts, type Shape, shapeOf, stateOf } from '../../backends/ops.ts';
import { UserError } from '../../errors.ts';
import { rowBytes } from '../../kernels/quant-formats.ts';
import type { MapFunction } from '../../kernels/reference/map.ts';
import type { Routing } from '../../kernels/reference/route.ts';
import type { ZipFunction } from '../../kernels/reference/zip.ts';
import type { Gguf, GgufTensor } from '../gguf/index.ts';

/** A tensor that the program reads: a matrix [rows, cols], or a vector of `cols` if rows is 1. */
export interface GraphTensor extends Pick<GgufTensor, 'name' | 'type' | 'offset' | 'bytes' | 'part'> {
  readonly rows: number;
  readonly cols: number;
  readonly experts?: number; // matrices that lie one after the other
  /** Where it is no run of bytes of its own: how to read it. */
  readonly source?: SourceMatrix;
  /** Of a constant of the architecture, which no file holds: all numbers of a vector. */
  readonly constant?: number;
}

/** Ops refer to tensors by their place in the list until a backend assigns ids. */
export interface RecordedGraph {
  readonly ops: readonly Op[];
  readonly shapes: readonly Shape[]; // of the values
  readonly output: ValueId;
  readonly states: readonly StateShape[];
  readonly tensors: readonly GraphTensor[];
}

interface AttentionSizes {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale?: number; // default 1 / sqrt(headDim)
  readonly valueDim?: number; // default headDim
  readonly window?: number; // default: all positions
  readonly softcap?: number;
  readonly sinks?: string; // name of a tensor, without its suffix
  readonly causal?: false;
}

interface Columns {
  readonly first: number;
  readonly cols: number;
  readonly of: number; // columns of the tensor
}

interface Rows {
  readonly first: number;
  readonly rows: number;
  readonly of: number; // rows of the tensor
}

interface ExpertSizes {
  readonly count: number; // of experts
  readonly rows: number; // of the matrix of each
  readonly parts?: number;
}

/** The tensor names of one block: b('attn_q') is 'blk.3.attn_q'. */
export interface Block {
  (name: string): string;
  readonly index: number;
  readonly last: boolean;
}

/** Tensors that no op reads, because metadata.ts does. */
const PART_OF_CONFIG = ['rope_freqs.weight'];

export class Graph {
  readonly #gguf: Pick<Gguf, 'path' | 'tensors'>;
  readonly #ops: Op[] = [];
  readonly #shapes: Shape[] = [];
  readonly #states: StateShape[] = [];
  readonly #tensors: GraphTensor[] = [];
  readonly #ids = new Map<string, WeightId>();
  readonly #read = new Set<string>(); // names of tensors
  readonly #facts: Facts = {
    shape: (value) => this.#shapes[value]!,
    desc: (weight) => this.#tensors[weight]!,
    state: (op) => stateOf(op, this.#states),
  };

  /** Throws UserError for a file without weights. */
  constructor(gguf: Pick<Gguf, 'path' | 'tensors'>) {
    if (gguf.tensors.size === 0) throw noWeights(gguf.path);
    this.#gguf = gguf;
  }

  /** The record that ends with `output`. Throws UserError for a tensor of weights that no op reads. */
  end(output: ValueId): RecordedGraph {
    const known = new Set([...PART_OF_CONFIG, ...this.#read]);
    const unknown = this.#gguf.tensors.values().find((tensor) => !known.has(tensor.name) && isNeeded(tensor));
    if (unknown) throw unexpected(unknown.name);
    return {
      ops: this.#ops,
      shapes: this.#shapes,
      output,
      states: this.#states,
      tensors: this.#tensors,
    };
  }

  *blocks(count: number): Generator<Block> {
    for (let i = 0; i < count; i++) {
      yield Object.assign((name: string) => `blk.${i}.${name}`, { index: i, last: i === count - 1 });
    }
  }

  // ----- ops; `name` is that of a tensor without its suffix ".weight"

  /** [T, cols]; the row of each token, or of its position */
  embed(name: string, rows: number, cols: number, by?: 'position'): ValueId {
    return this.#push({ op: 'embed', table: this.#weight(`${name}.weight`, rows, cols), by });
  }

  /** [T, cols]; `cols` columns, from `first` on, of the row of each token, in a table of `of` columns */
  embedColumns(name: string, rows: number, { first, cols, of }: Columns): ValueId {
    const tensor = this.#tensor(`${name}.weight`, rows, of);
    const all = this.#matrix(tensor, rows, of);
    const source = { op: 'slice', of: all, axis: 'cols', first, count: cols } as const;
    return this.#push({
      op: 'embed',
      table: this.#expressed(tensor, `columns from ${first} on`, rows, cols, source),
    });
  }

  /**
   * @param name without it, all weights are 1
   * @param heads of x, each normalized by itself with the same weights
   */
  norm(x: ValueId, name: string | undefined, eps: number, heads = 1): ValueId {
    const cols = this.#cols(x) / heads;
    const weight = name === undefined ? this.#constant(1, cols) : this.#weight(`${name}.weight`, 1, cols);
    return this.#push({ op: 'norm', x, weight, eps, heads });
  }

  /** Groups of columns, each normalized by itself with weights of its own. */
  groupNorm(x: ValueId, name: string, eps: number, groups: number): ValueId {
    const weight = this.#vector(`${name}.weight`, this.#cols(x));
    return this.#push({ op: 'norm', x, weight, eps, heads: groups });
  }

  /** Heads of the Euclidean length `length`: length * x / sqrt(|x|^2 + eps). */
  ofLength(x: ValueId, length: number, eps: number, heads: number): ValueId {
    const cols = this.#cols(x) / heads;
    const weight = this.#constant(length / Math.sqrt(cols), cols); // a norm divides by the root of the mean, not the sum
    return this.#push({ op: 'norm', x, weight, eps: eps / cols, heads });
  }

  /** @param tensor its whole name */
  normBy(x: ValueId, tensor: string, eps: number): ValueId {
    return this.#push({ op: 'norm', x, weight: this.#weight(tensor, 1, this.#cols(x)), eps });
  }

  /** adds the tensor name.bias if the file has it */
  layerNorm(x: ValueId, name: string, eps: number): ValueId {
    const cols = this.#cols(x);
    const bias = this.has(`${name}.bias`) ? this.#weight(`${name}.bias`, 1, cols) : undefined;
    return this.#push({ op: 'layer-norm', x, weight: this.#weight(`${name}.weight`, 1, cols), bias, eps });
  }

  /**
   * Products with matrices of `rows` rows that the file has in one tensor, one after the other; biases likewise.
   *
   * @param biases tensors of their own, by the number of the product
   */
  linears(
    x: ValueId,
    name: string,
    rows: readonly number[],
    biases: Readonly<Record<number, string>> = {},
  ): ValueId[] {
    const total = rows.reduce((sum, count) => sum + count, 0);
    const matrix = this.#tensor(`${name}.weight`, total, this.#cols(x));
    const vector = this.has(`${name}.bias`) ? this.#tensor(`${name}.bias`, 1, total) : undefined;
    let first = 0;
    return rows.map((count, i) => {
      const weight = this.#part(matrix, { rows: count, cols: this.#cols(x) }, first);
      const bias =
        biases[i] === undefined
          ? vector && this.#part(vector, { rows: 1, cols: count }, first)
          : this.#vector(biases[i], count);
      first += count;
      return this.#push({ op: 'matmul', x, weight, bias });
    });
  }

  /** The product with `rows` rows, from `first` on, of a matrix of `of` rows. [.., rows] */
  linearRows(x: ValueId, name: string, { first, rows, of }: Rows): ValueId {
    const matrix = this.#tensor(`${name}.weight`, of, this.#cols(x));
    return this.#push({ op: 'matmul', x, weight: this.#part(matrix, { rows, cols: this.#cols(x) }, first) });
  }

  /** [.., rows]; adds the tensor `biased` if the file has it */
  linear(x: ValueId, name: string, rows: number, biased = `${name}.bias`): ValueId {
    const experts = rows === 1 ? 1 : undefined; // a matrix of one row is no vector
    const weight = this.#weight(`${name}.weight`, rows, this.#cols(x), experts);
    const bias = this.has(biased) ? this.#weight(biased, 1, rows) : undefined;
    return this.#push({ op: 'matmul', x, weight, bias });
  }

  /** Marks the tensors of blocks behind the last one: layers that predict further tokens. */
  ignoreBlocks(first: number): void {
    for (const name of this.#gguf.tensors.keys()) {
      const block = /^blk\.(\d+)\./.exec(name);
      if (block && Number(block[1]) >= first) this.#read.add(name);
    }
  }

  /** Marks tensors that a file may have, but that nothing reads. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#read.add(name);
  }

  /** Each head of a, then that of b. */
  concat(a: ValueId, b: ValueId, heads: number): ValueId {
    return this.#push({ op: 'concat', a, b, heads });
  }

  zip(fn: ZipFunction, a: ValueId, b: ValueId): ValueId {
    return this.#push({ op: 'zip', fn, a, b });
  }

  /** The one number of the tensor `name` times x. */
  scaledBy(x: ValueId, name: string): ValueId {
    return this.#push({ op: 'map', fn: 'multiply', x, scalars: [this.#weight(name, 1, 1)] });
  }

  /** Logits [S, V], from output.weight or, if the file has none, from the embedding table. */
  head(x: ValueId, vocabularySize: number): ValueId {
    return this.linear(x, this.has('output.weight') ? 'output' : 'token_embd', vocabularySize);
  }

  /**
   * [.., 2 k]: k experts of each row of logits, then their weights
   *
   * @param names tensors that are used if the file has them: `bias` of the scores, `scales` of the weights
   */
  route(x: ValueId, routing: Routing, names: { bias?: string; scales?: string } = {}): ValueId {
    const [bias, scales] = [names.bias, names.scales].map((name) =>
      name !== undefined && this.has(name) ? this.#weight(name, 1, this.#cols(x)) : undefined,
    );
    return this.#push({ op: 'route', x, routing, bias, scales });
  }

  /**
   * Products with the matrices of `rows` rows of the picked ones of `count` experts. [.., k * rows]
   *
   * @param parts of x: 1, or one for each pick
   */
  experts(x: ValueId, picks: ValueId, name: string, { count, rows, parts = 1 }: ExpertSizes): ValueId {
    const cols = this.#cols(x) / parts;
    const weight = this.#stack(`${name}.weight`, { count, rows, cols });
    const bias = this.has(`${name}.bias`) ? this.#biases(`${name}.bias`, { count, rows }) : undefined;
    return this.#push({ op: 'expert-matmul', x, weight, bias, picks });
  }

  /** Products with two matrices of each picked expert, which one tensor has one after the other. [.., k * rows] each */
  expertPair(x: ValueId, picks: ValueId, name: string, { count, rows }: ExpertSizes): [ValueId, ValueId] {
    const cols = this.#cols(x);
    const tensor = this.#experts(`${name}.weight`, { count, rows: 2 * rows, cols });
    const pairs = this.#matrix(tensor, count, 2 * rows * cols);
    const half = (first: number) => {
      const own = {
        op: 'slice',
        of: pairs,
        axis: 'cols',
        first: first * rows * cols,
        count: rows * cols,
      } as const;
      const source = { op: 'reshape', of: own, rows: count * rows, cols } as const;
      const weight = this.#expressed(tensor, `half ${first}`, count * rows, cols, source, count);
      return this.#push({ op: 'expert-matmul', x, weight, picks });
    };
    return [half(0), half(1)];
  }

  /** Each head of x times a matrix of its own, of `rows` rows. [.., heads * rows] */
  headwise(x: ValueId, name: string, heads: number, rows: number): ValueId {
    const weight = this.#stack(`${name}.weight`, { count: heads, rows, cols: this.#cols(x) / heads });
    return this.#push({ op: 'expert-matmul', x, weight });
  }

  /**
   * Products with the parts of each of `heads` equal runs of a matrix's rows: [.., heads * size] each
   *
   * @param biases tensors, by the number of the product
   */
  headParts<const Sizes extends readonly number[]>(
    x: ValueId,
    name: string,
    heads: number,
    sizes: Sizes,
    biases: Readonly<Record<number, string>> = {},
  ): { [K in keyof Sizes]: ValueId } {
    const cols = this.#cols(x);
    const run = sizes.reduce((sum, size) => sum + size, 0);
    const tensor = this.#tensor(`${name}.weight`, heads * run, cols);
    const runs = this.#matrix(tensor, heads, run * cols);
    const part = (from: number, rows: number, biased: string | undefined) => {
      const own = { op: 'slice', of: runs, axis: 'cols', first: from * cols, count: rows * cols } as const;
      const source = { op: 'reshape', of: own, rows: heads * rows, cols } as const;
      const weight = this.#expressed(tensor, `rows from ${from} on of each head`, heads * rows, cols, source);
      const bias = biased === undefined ? undefined : this.#vector(biased, heads * rows);
      return this.#push({ op: 'matmul', x, weight, bias });
    };
    const firsts = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
    return sizes.map((size, i) => part(firsts[i]!, size, biases[i])) as { [K in keyof Sizes]: ValueId };
  }

  /** What the picked experts made, weighted and added. */
  mix(x: ValueId, picks: ValueId): ValueId {
    return this.#push({ op: 'mix', x, picks });
  }

  rope(x: ValueId, heads: number, rope: RopeSpec): ValueId {
    return this.#push({ op: 'rope', x, heads, rope });
  }

  /** Grouped-query attention with a new state for the layer's keys and values. [T, heads * D] */
  attention(
    { q, k, v }: { q: ValueId; k: ValueId; v: ValueId },
    { heads, kvHeads, headDim: D, valueDim = D, scale = 1 / Math.sqrt(D), sinks, ...more }: AttentionSizes,
  ): ValueId {
    const state = this.#state({ kind: 'kv', kvHeads, keyDim: D, valueDim });
    const form = { heads, scale, window: more.window, softcap: more.softcap };
    const weight = sinks === undefined ? undefined : this.#weight(`${sinks}.weight`, 1, heads);
    return this.#push({ op: 'attention', q, k, v, state, ...form, sinks: weight, causal: more.causal });
  }

  /** Attention of queries over the keys and values that an earlier attention stores. */
  attentionOver(
    q: ValueId,
    earlier: ValueId,
    {
      heads,
      scale,
      window,
    }: Required<Pick<AttentionSizes, 'heads' | 'scale'>> & Pick<AttentionSizes, 'window'>,
  ): ValueId {
    const { state } = this.#ops[earlier] as AttentionOp;
    return this.#push({ op: 'attention', q, state, heads, scale, window });
  }

  /**
   * A causal convolution of each column by itself, with `taps` weights a column and a new state: columns from `first` on
   * of a tensor of `of` columns. Adds the tensor name.bias if the file has it.
   */
  conv(x: ValueId, name: string, taps: number, { first = 0, of = this.#cols(x) } = {}): ValueId {
    const C = this.#cols(x);
    const weight = this.#part(this.#tensor(`${name}.weight`, of, taps), { rows: C, cols: taps }, first);
    const bias = this.has(`${name}.bias`)
      ? this.#part(this.#tensor(`${name}.bias`, 1, of), { rows: 1, cols: C }, first)
      : undefined;
    const state = this.#state({ kind: 'recurrent', floats: (taps - 1) * C });
    return this.#push({ op: 'conv', x, weight, bias, state });
  }

  /**
   * A linear recurrence with a new state. [T, heads * P]
   *
   * @param form `a` and `skip` are whole names of tensors of `heads` numbers
   */
  scan(
    values: Pick<ScanOp, 'q' | 'k' | 'v' | 'dt' | 'beta'>,
    { a, skip, ...form }: Pick<ScanOp, 'rule' | 'groups' | 'cyclic'> & { a: string; skip?: string },
  ): ValueId {
    const heads = this.#cols(values.dt);
    const floats = (this.#cols(values.q) / form.groups) * this.#cols(values.v); // N * (heads * P)
    const weights = {
      a: this.#vector(a, heads),
      skip: skip === undefined ? undefined : this.#vector(skip, heads),
    };
    const state = this.#state({ kind: 'recurrent', floats });
    return this.#push({ op: 'scan', ...values, ...form, ...weights, state });
  }

  /** @param scalars constants of the architecture */
  map(fn: MapFunction, x: ValueId, scalars: readonly number[] = []): ValueId {
    return this.#push({ op: 'map', fn, x, scalars: scalars.map((scalar) => this.#constant(scalar)) });
  }

  /** x times a constant of the architecture. */
  scaled(x: ValueId, factor: number): ValueId {
    if (factor === 1) return x;
    return this.#push({ op: 'map', fn: 'multiply', x, scalars: [this.#constant(factor)] });
  }

  /** cap * tanh(x / cap), or x without a cap */
  capped(x: ValueId, cap: number | undefined): ValueId {
    return cap === undefined ? x : this.map('softcap', x, [cap]);
  }

  add(a: ValueId, b: ValueId): ValueId {
    return this.#push({ op: 'zip', fn: 'add', a, b });
  }

  mul(a: ValueId, b: ValueId): ValueId {
    return this.#push({ op: 'zip', fn: 'mul', a, b });
  }

  /** The rows that the step wants output for. [S, ..] */
  select(x: ValueId): ValueId {
    return this.#push({ op: 'select', x });
  }

  has(name: string): boolean {
    return this.#gguf.tensors.has(name);
  }

  // -----

  /** Throws UserError for sizes that do not fit together: they come from the file. */
  #push(op: Op): ValueId {
    try {
      this.#shapes.push(shapeOf(op, this.#facts));
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new UserError(`The sizes of the model do not fit together: ${cause.message}`, CONVERT_AGAIN, {
        cause,
      });
    }
    return this.#ops.push(op) - 1;
  }

  #cols(x: ValueId): number {
    return this.#shapes[x]!.cols;
  }

  #state(shape: StateShape): StateId {
    return this.#states.push(shape) - 1;
  }

  /** A vector of `cols` equal numbers. */
  #constant(constant: number, cols = 1): WeightId {
    const name = `${cols === 1 ? '' : `${cols} times `}constant ${constant}`;
    return this.#place(name, { name, type: 'F32', rows: 1, cols, offset: 0, bytes: 4 * cols, constant });
  }

  /** All numbers of a tensor as a matrix. */
  #matrix({ part, offset, type, source }: GgufTensor, rows: number, cols: number): SourceMatrix {
    if (source) return { op: 'reshape', of: source, rows, cols };
    return { op: 'range', at: { path: part ?? this.#gguf.path, offset }, type, rows, cols };
  }

  /** How to read a tensor that is no run of bytes. */
  #sourceOf({ source }: GgufTensor, rows: number, cols: number): SourceMatrix | undefined {
    return source && { op: 'reshape', of: source, rows, cols };
  }

  /** A matrix that an expression makes out of a tensor. */
  #expressed(
    { name, type, offset, part }: GgufTensor,
    which: string,
    rows: number,
    cols: number,
    source: SourceMatrix,
    experts?: number,
  ): WeightId {
    const bytes = rows * rowBytes(type, cols);
    return this.#place(`${name}, ${which}`, { name, type, rows, cols, offset, bytes, part, source, experts });
  }

  /** Throws UserError if the file has no such tensor, or one of another shape. */
  #tensor(name: string, rows: number, cols: number): GgufTensor {
    const tensor = this.#gguf.tensors.get(name);
    if (!tensor) throw missing(name, { rows, cols });
    if (!hasShape(tensor, rows, cols)) throw mismatch(name, { rows, cols }, tensor);
    this.#read.add(name);
    return tensor;
  }

  /** The matrices of all experts, in one tensor [cols, rows, count]. */
  #stack(name: string, sizes: ExpertSizes & { readonly cols: number }): WeightId {
    const tensor = this.#experts(name, sizes);
    const { count: experts, cols } = sizes;
    const rows = experts * sizes.rows;
    const source = this.#sourceOf(tensor, rows, cols);
    return this.#place(name, { ...tensor, rows, cols, experts, source });
  }

  #experts(name: string, { count, rows, cols }: ExpertSizes & { readonly cols: number }): GgufTensor {
    const tensor = this.#gguf.tensors.get(name);
    if (!tensor) throw missing(name, { rows, cols, experts: count });
    const [c = 1, r = 1, e = 1] = tensor.shape;
    if (c !== cols || r !== rows || e !== count) throw mismatch(name, { rows, cols, experts: count }, tensor);
    this.#read.add(name);
    return tensor;
  }

  #biases(name: string, { count, rows }: ExpertSizes): WeightId {
    const tensor = this.#tensor(name, count, rows);
    const cols = count * rows;
    return this.#place(name, { ...tensor, rows: 1, cols, source: this.#sourceOf(tensor, 1, cols) });
  }

  #weight(name: string, rows: number, cols: number, experts?: number): WeightId {
    const tensor = this.#tensor(name, rows, cols);
    const source = this.#sourceOf(tensor, rows, cols);
    return this.#place(name, { ...tensor, rows, cols, experts, source });
  }

  /** All numbers of a tensor, whatever its shape, as a vector. */
  #vector(name: string, cols: number): WeightId {
    const tensor = this.#gguf.tensors.get(name);
    if (!tensor) throw missing(name, { rows: 1, cols });
    if (tensor.shape.reduce((product, size) => product * size, 1) !== cols) {
      throw mismatch(name, { rows: 1, cols }, tensor);
    }
    this.#read.add(name);
    return this.#place(name, { ...tensor, rows: 1, cols, source: this.#sourceOf(tensor, 1, cols) });
  }

  /** Rows of a matrix, or columns of a vector, from `first` on. */
  #part(tensor: GgufTensor, { rows, cols }: Size, first: number): WeightId {
    const { name, type, offset, part, shape } = tensor;
    const isVector = shape.length === 1;
    const key = `${name} from ${first} on`;
    const bytes = rows * rowBytes(type, cols);
    if (tensor.source) {
      const of = isVector ? this.#matrix(tensor, shape[0]!, 1) : tensor.source;
      const source = { op: 'slice', of, axis: 'rows', first, count: isVector ? cols : rows } as const;
      const own = isVector ? ({ op: 'reshape', of: source, rows: 1, cols } as const) : source;
      return this.#place(key, { name, type, rows, cols, offset, bytes, source: own });
    }
    const unit = isVector ? rowBytes(type, 1) : rowBytes(type, cols);
    return this.#place(key, { name, type, rows, cols, part, offset: offset + first * unit, bytes });
  }

  /** Its place in the list of tensors, where it is once. */
  #place(key: string, tensor: GraphTensor): WeightId {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#tensors.push(tensor) - 1;
    this.#ids.set(key, id);
    return id;
  }
}

/** Ignores dimensions of 1 at the end of a shape. */
function hasShape({ shape }: GgufTensor, rows: number, cols: number): boolean {
  const [found = 1, ...rest] = shape;
  return found === cols && (rest[0] ?? 1) === rows && rest.slice(1).every((size) => size === 1);
}

interface Size {
  readonly rows: number;
  readonly cols: number;
  readonly experts?: number;
}

const CONVERT_AGAIN =
  'The file was converted wrongly or is incomplete: get the model again, or convert it anew.';

function missing(name: string, size: Size): UserError {
  return new UserError(`The file has no tensor ${name} of shape ${inWords(size)}.`, CONVERT_AGAIN);
}

function mismatch(name: string, expected: Size, { shape }: GgufTensor): UserError {
  const found = `[${shape.join(', ')}]`;
  return new UserError(
    `Expected the tensor ${name} with shape ${inWords(expected)}, got ${found}.`,
    CONVERT_AGAIN,
  );
}

/** A shape in ggml's order, columns first. */
function inWords({ rows, cols, experts }: Size): string {
  if (experts !== undefined) return `[${cols}, ${rows}, ${experts}]`;
  return rows === 1 ? `[${cols}]` : `[${cols}, ${rows}]`;
}

/** Whether a model must read it. Empty tensors and scalars are marks of converters, but for scales of matrices. */
function isNeeded({ name, shape }: GgufTensor): boolean {
  const weights = shape.reduce((product, size) => product * size, 1);
  return weights > 1 || (weights === 1 && name.endsWith('scale'));
}

function unexpected(name: string): UserError {
  return new UserError(
    `The tensor ${name} is not supported yet in models of this architecture.`,
    'Use another model, or a later version of percept.',
  );
}

function noWeights(path: string): UserError {
  return new UserError(
    `${path} has no weights: it is only a vocabulary.`,
    'Use the model’s full file; this one serves for tokenizing only.',
  );
}
