/**
 * Records a model while its architecture builds it: the ops, the tensors they read, and the states of sequences. An op
 * names its tensors, and each is checked against the file at once. Program, memory and work of a model are derived from
 * this record.
 */
import type {
  AttentionOp,
  KvShape,
  Op,
  RopeSpec,
  ScanOp,
  StateId,
  StateShape,
  ValueId,
} from '../../backends/backend.ts';
import { type Facts, type Shape, shapeOf, stateOf, weightsOf } from '../../backends/ops.ts';
import { UserError } from '../../errors.ts';
import type { MapFunction } from '../../kernels/reference/map.ts';
import type { Routing } from '../../kernels/reference/route.ts';
import type { ZipFunction } from '../../kernels/reference/zip.ts';
import type { Gguf } from '../gguf/index.ts';
import type { Adapter } from './adapted.ts';
import { AdaptedProducts } from './adapted-products.ts';
import { CONVERT_AGAIN, type ExpertSizes, type GraphTensor, GraphTensors } from './graph-tensors.ts';

/** Ops refer to tensors by their place in the list until a backend assigns ids. */
export interface RecordedGraph {
  readonly ops: readonly Op[];
  readonly shapes: readonly Shape[]; // of the values
  readonly output: ValueId;
  readonly states: readonly StateShape[];
  readonly tensors: readonly GraphTensor[];
  /** Without a head the model is an encoder, and its output are hidden states. */
  readonly hasHead: boolean;
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

/** The tensor names of one block: b('attn_q') is 'blk.3.attn_q'. */
export interface Block {
  (name: string): string;
  readonly index: number;
  readonly last: boolean;
}

export class Graph {
  readonly #weights: GraphTensors;
  readonly #ops: Op[] = [];
  readonly #shapes: Shape[] = [];
  readonly #states: StateShape[] = [];
  #hidden: ValueId | undefined; // of the head
  readonly #facts: Facts = {
    shape: (value) => this.#shapes[value]!,
    desc: (weight) => this.#weights.list[weight]!,
    state: (op) => stateOf(op, this.#states),
  };

  readonly #adapted: AdaptedProducts;

  /**
   * Throws UserError for a file without weights.
   *
   * @param adapters what they add to products goes into the ops
   */
  constructor(gguf: Pick<Gguf, 'path' | 'tensors'>, adapters: readonly Adapter[] = []) {
    this.#weights = new GraphTensors(gguf);
    this.#adapted = new AdaptedProducts(adapters, this.#weights, (op) => this.#push(op));
  }

  /**
   * The record that ends with `output`, or with what the head reads. Throws UserError for a tensor of weights that no op
   * reads.
   */
  end(output: ValueId, wanted: 'output' | 'hidden' = 'output'): RecordedGraph {
    this.#weights.requireAllRead();
    this.#adapted.requireAllUsed();
    const hasHead = this.#hidden !== undefined;
    if (wanted === 'hidden' && this.#hidden !== undefined) return { ...this.#upTo(this.#hidden), hasHead };
    return { ...this.#upTo(output), hasHead };
  }

  /** The ops up to one, and the tensors that they read: these are listed in the order of the ops. */
  #upTo(output: ValueId): Omit<RecordedGraph, 'hasHead'> {
    const ops = this.#ops.slice(0, output + 1);
    const read = Math.max(-1, ...ops.flatMap((op) => weightsOf(op)));
    return {
      ops,
      shapes: this.#shapes.slice(0, output + 1),
      output,
      states: this.#states,
      tensors: this.#weights.list.slice(0, read + 1),
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
    const table = this.#weights.weight(`${name}.weight`, rows, cols);
    return this.#adapted.row(name, this.#push({ op: 'embed', table, by }), { rows, cols });
  }

  /** The same, with row 0 of the table `added` added to each row, if the file has that. */
  embedPlus(name: string, rows: number, cols: number, added: string, by?: 'position'): ValueId {
    if (!this.has(`${added}.weight`)) return this.embed(name, rows, cols, by);
    const tensor = this.#weights.tensor(`${name}.weight`, rows, cols);
    const spread = { of: this.#weights.firstRow(`${added}.weight`, cols), rows, cols: 1 };
    const of = this.#weights.matrix(tensor, rows, cols);
    const source = { op: 'map', of, fn: 'add', by: spread } as const;
    const table = this.#weights.expressed({ ...tensor, type: 'F32' }, `with ${added}`, rows, cols, source);
    return this.#push({ op: 'embed', table, by });
  }

  /** [T, cols]; `cols` columns, from `first` on, of the row of each token, in a table of `of` columns */
  embedColumns(name: string, rows: number, { first, cols, of }: Columns): ValueId {
    const tensor = this.#weights.tensor(`${name}.weight`, rows, of);
    const all = this.#weights.matrix(tensor, rows, of);
    const source = { op: 'slice', of: all, axis: 'cols', first, count: cols } as const;
    return this.#push({
      op: 'embed',
      table: this.#weights.expressed(tensor, `columns from ${first} on`, rows, cols, source),
    });
  }

  /**
   * @param name without it, all weights are 1
   * @param heads of x, each normalized by itself with the same weights
   */
  norm(x: ValueId, name: string | undefined, eps: number, heads = 1): ValueId {
    const cols = this.#cols(x) / heads;
    const weight =
      name === undefined ? this.#weights.constant(1, cols) : this.#weights.weight(`${name}.weight`, 1, cols);
    return this.#push({ op: 'norm', x, weight, eps, heads });
  }

  /** Groups of columns, each normalized by itself with weights of its own. */
  groupNorm(x: ValueId, name: string, eps: number, groups: number): ValueId {
    const weight = this.#weights.vector(`${name}.weight`, this.#cols(x));
    return this.#push({ op: 'norm', x, weight, eps, heads: groups });
  }

  /** Heads of the Euclidean length `length`: length * x / sqrt(|x|^2 + eps). */
  ofLength(x: ValueId, length: number, eps: number, heads: number): ValueId {
    const cols = this.#cols(x) / heads;
    const weight = this.#weights.constant(length / Math.sqrt(cols), cols); // a norm divides by the root of the mean, not the sum
    return this.#push({ op: 'norm', x, weight, eps: eps / cols, heads });
  }

  /** @param tensor its whole name */
  normBy(x: ValueId, tensor: string, eps: number): ValueId {
    return this.#push({ op: 'norm', x, weight: this.#weights.weight(tensor, 1, this.#cols(x)), eps });
  }

  /** adds the tensor name.bias if the file has it */
  layerNorm(x: ValueId, name: string, eps: number): ValueId {
    const cols = this.#cols(x);
    const bias = this.has(`${name}.bias`) ? this.#weights.weight(`${name}.bias`, 1, cols) : undefined;
    return this.#push({
      op: 'layer-norm',
      x,
      weight: this.#weights.weight(`${name}.weight`, 1, cols),
      bias,
      eps,
    });
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
    const matrix = this.#weights.tensor(`${name}.weight`, total, this.#cols(x));
    const vector = this.has(`${name}.bias`) ? this.#weights.tensor(`${name}.bias`, 1, total) : undefined;
    let first = 0;
    return rows.map((count, i) => {
      const weight = this.#weights.part(matrix, { rows: count, cols: this.#cols(x) }, first);
      const bias =
        biases[i] === undefined
          ? vector && this.#weights.part(vector, { rows: 1, cols: count }, first)
          : this.#weights.vector(biases[i], count);
      const y = this.#push({ op: 'matmul', x, weight, bias });
      const own = { first, rows: count, of: total };
      first += count;
      return this.#adapted.product(name, x, y, { cols: this.#cols(x), ...own });
    });
  }

  /** The product with `rows` rows, from `first` on, of a matrix of `of` rows. [.., rows] */
  linearRows(x: ValueId, name: string, { first, rows, of }: Rows): ValueId {
    const cols = this.#cols(x);
    const weight = this.#weights.part(
      this.#weights.tensor(`${name}.weight`, of, cols),
      { rows, cols },
      first,
    );
    const y = this.#push({ op: 'matmul', x, weight });
    return this.#adapted.product(name, x, y, { first, rows, of, cols });
  }

  /**
   * [.., rows]; adds the tensor `biased` if the file has it
   *
   * @param adapted the tensor that adapters name
   */
  linear(x: ValueId, name: string, rows: number, biased = `${name}.bias`, adapted = name): ValueId {
    const experts = rows === 1 ? 1 : undefined; // a matrix of one row is no vector
    const weight = this.#weights.weight(`${name}.weight`, rows, this.#cols(x), experts);
    const bias = this.has(biased) ? this.#weights.weight(biased, 1, rows) : undefined;
    const y = this.#push({ op: 'matmul', x, weight, bias });
    return this.#adapted.product(adapted, x, y, { first: 0, rows, of: rows, cols: this.#cols(x) });
  }

  /** Marks the tensors of blocks behind the last one: layers that predict further tokens. */
  ignoreBlocks(first: number): void {
    this.#weights.ignoreBlocks(first);
  }

  /** Marks tensors that a file may have, but that nothing reads. */
  ignore(...names: readonly string[]): void {
    this.#weights.ignore(names);
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
    return this.#push({ op: 'map', fn: 'multiply', x, scalars: [this.#weights.weight(name, 1, 1)] });
  }

  /** Logits [S, V], from output.weight or, if the file has none, from the embedding table. */
  head(x: ValueId, vocabularySize: number): ValueId {
    this.#hidden = x;
    const name = this.has('output.weight') ? 'output' : 'token_embd';
    return this.linear(x, name, vocabularySize, `${name}.bias`, 'output');
  }

  /**
   * [.., 2 k]: k experts of each row of logits, then their weights
   *
   * @param names tensors that are used if the file has them: `bias` of the scores, `scales` of the weights
   */
  route(x: ValueId, routing: Routing, names: { bias?: string; scales?: string } = {}): ValueId {
    const [bias, scales] = [names.bias, names.scales].map((name) =>
      name !== undefined && this.has(name) ? this.#weights.weight(name, 1, this.#cols(x)) : undefined,
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
    const weight = this.#weights.stack(`${name}.weight`, { count, rows, cols });
    const bias = this.has(`${name}.bias`) ? this.#weights.biases(`${name}.bias`, { count, rows }) : undefined;
    const y = this.#push({ op: 'expert-matmul', x, weight, bias, picks });
    return this.#adapted.experts(name, x, y, picks, { count, rows, cols });
  }

  /** Products with two matrices of each picked expert, which one tensor has one after the other. [.., k * rows] each */
  expertPair(x: ValueId, picks: ValueId, name: string, { count, rows }: ExpertSizes): [ValueId, ValueId] {
    const cols = this.#cols(x);
    const tensor = this.#weights.experts(`${name}.weight`, { count, rows: 2 * rows, cols });
    const pairs = this.#weights.matrix(tensor, count, 2 * rows * cols);
    const half = (first: number) => {
      const own = {
        op: 'slice',
        of: pairs,
        axis: 'cols',
        first: first * rows * cols,
        count: rows * cols,
      } as const;
      const source = { op: 'reshape', of: own, rows: count * rows, cols } as const;
      const weight = this.#weights.expressed(tensor, `half ${first}`, count * rows, cols, source, count);
      return this.#push({ op: 'expert-matmul', x, weight, picks });
    };
    return [half(0), half(1)];
  }

  /** Each head of x times a matrix of its own, of `rows` rows. [.., heads * rows] */
  headwise(x: ValueId, name: string, heads: number, rows: number): ValueId {
    const weight = this.#weights.stack(`${name}.weight`, { count: heads, rows, cols: this.#cols(x) / heads });
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
    const tensor = this.#weights.tensor(`${name}.weight`, heads * run, cols);
    const runs = this.#weights.matrix(tensor, heads, run * cols);
    const part = (from: number, rows: number, biased: string | undefined) => {
      const own = { op: 'slice', of: runs, axis: 'cols', first: from * cols, count: rows * cols } as const;
      const source = { op: 'reshape', of: own, rows: heads * rows, cols } as const;
      const weight = this.#weights.expressed(
        tensor,
        `rows from ${from} on of each head`,
        heads * rows,
        cols,
        source,
      );
      const bias = biased === undefined ? undefined : this.#weights.vector(biased, heads * rows);
      const y = this.#push({ op: 'matmul', x, weight, bias });
      return this.#adapted.headParts(name, x, y, { heads, run, from, rows, cols });
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
    const shape = { kind: 'kv', kvHeads, keyDim: D, valueDim } as const;
    const state = more.causal === false ? this.#passing(shape) : this.#state(shape);
    const form = { heads, scale, window: more.window, softcap: more.softcap };
    const weight = sinks === undefined ? undefined : this.#weights.weight(`${sinks}.weight`, 1, heads);
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
    const weight = this.#weights.part(
      this.#weights.tensor(`${name}.weight`, of, taps),
      { rows: C, cols: taps },
      first,
    );
    const bias = this.has(`${name}.bias`)
      ? this.#weights.part(this.#weights.tensor(`${name}.bias`, 1, of), { rows: 1, cols: C }, first)
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
      a: this.#weights.vector(a, heads),
      skip: skip === undefined ? undefined : this.#weights.vector(skip, heads),
    };
    const state = this.#state({ kind: 'recurrent', floats });
    return this.#push({ op: 'scan', ...values, ...form, ...weights, state });
  }

  /** @param scalars constants of the architecture */
  map(fn: MapFunction, x: ValueId, scalars: readonly number[] = []): ValueId {
    return this.#push({ op: 'map', fn, x, scalars: scalars.map((scalar) => this.#weights.constant(scalar)) });
  }

  /** x times a constant of the architecture. */
  scaled(x: ValueId, factor: number): ValueId {
    if (factor === 1) return x;
    return this.#push({ op: 'map', fn: 'multiply', x, scalars: [this.#weights.constant(factor)] });
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
    return this.#weights.has(name);
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

  /** A state that nothing needs after its op, so that the layers of an encoder share it. */
  #passing(shape: KvShape): StateId {
    const same = ({ kind, ...sizes }: StateShape) => `${kind} ${Object.values(sizes)}`;
    const known = this.#states.findIndex((state) => same(state) === same(shape));
    return known >= 0 ? known : this.#state(shape);
  }

  #state(shape: StateShape): StateId {
    return this.#states.push(shape) - 1;
  }
}
