/**
 * The tensors of a file as a model's graph reads them: each is checked against the file at once, and listed once. Tensors
 * are named whole; a part of one, or a matrix that an expression makes of one, is listed as a tensor of its own.
 */
import type { SourceMatrix, WeightId } from '../../backends/backend.ts';
import { UserError } from '../../errors.ts';
import { rowBytes } from '../../kernels/quant-formats.ts';
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

export interface ExpertSizes {
  readonly count: number; // of experts
  readonly rows: number; // of the matrix of each
  readonly parts?: number;
}

/** Tensors that no op reads, because metadata.ts does. */
const PART_OF_CONFIG = ['rope_freqs.weight', 'rope_factors_short.weight', 'rope_factors_long.weight'];

export class GraphTensors {
  readonly list: GraphTensor[] = [];
  readonly #gguf: Pick<Gguf, 'path' | 'tensors'>;
  readonly #ids = new Map<string, WeightId>();
  readonly #read = new Set<string>(); // names of tensors

  /** Throws UserError for a file without weights. */
  constructor(gguf: Pick<Gguf, 'path' | 'tensors'>) {
    if (gguf.tensors.size === 0) throw noWeights(gguf.path);
    this.#gguf = gguf;
  }

  has(name: string): boolean {
    return this.#gguf.tensors.has(name);
  }

  /** Marks tensors that a file may have, but that nothing reads. */
  ignore(names: readonly string[]): void {
    for (const name of names) this.#read.add(name);
  }

  /** Marks the tensors of blocks from `first` on. */
  ignoreBlocks(first: number): void {
    for (const name of this.#gguf.tensors.keys()) {
      const block = /^blk\.(\d+)\./.exec(name);
      if (block && Number(block[1]) >= first) this.#read.add(name);
    }
  }

  /** Throws UserError for a tensor of weights that nothing has read. */
  requireAllRead(): void {
    const known = new Set([...PART_OF_CONFIG, ...this.#read]);
    const unknown = this.#gguf.tensors.values().find((tensor) => !known.has(tensor.name) && isNeeded(tensor));
    if (unknown) throw unexpected(unknown.name);
  }

  /** A vector of `cols` equal numbers. */
  constant(constant: number, cols = 1): WeightId {
    const name = `${cols === 1 ? '' : `${cols} times `}constant ${constant}`;
    return this.#place(name, { name, type: 'F32', rows: 1, cols, offset: 0, bytes: 4 * cols, constant });
  }

  /** All numbers of a tensor as a matrix. */
  matrix({ part, offset, type, source }: GgufTensor, rows: number, cols: number): SourceMatrix {
    if (source) return { op: 'reshape', of: source, rows, cols };
    return { op: 'range', at: { path: part ?? this.#gguf.path, offset }, type, rows, cols };
  }

  /** Row 0 of a matrix of any number of rows. */
  firstRow(name: string, cols: number): SourceMatrix {
    const rows = this.#gguf.tensors.get(name)?.shape[1] ?? 1;
    const of = this.matrix(this.tensor(name, rows, cols), rows, cols);
    return { op: 'slice', of, axis: 'rows', first: 0, count: 1 };
  }

  /** How to read a tensor that is no run of bytes. */
  #sourceOf({ source }: GgufTensor, rows: number, cols: number): SourceMatrix | undefined {
    return source && { op: 'reshape', of: source, rows, cols };
  }

  /** A matrix that an expression makes out of a tensor. */
  expressed(
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
  tensor(name: string, rows: number, cols: number): GgufTensor {
    const tensor = this.#gguf.tensors.get(name);
    if (!tensor) throw missing(name, { rows, cols });
    if (!hasShape(tensor, rows, cols)) throw mismatch(name, { rows, cols }, tensor);
    this.#read.add(name);
    return tensor;
  }

  /** The matrices of all experts, in one tensor [cols, rows, count]. */
  stack(name: string, sizes: ExpertSizes & { readonly cols: number }): WeightId {
    const tensor = this.experts(name, sizes);
    const { count: experts, cols } = sizes;
    const rows = experts * sizes.rows;
    const source = this.#sourceOf(tensor, rows, cols);
    return this.#place(name, { ...tensor, rows, cols, experts, source });
  }

  experts(name: string, { count, rows, cols }: ExpertSizes & { readonly cols: number }): GgufTensor {
    const tensor = this.#gguf.tensors.get(name);
    if (!tensor) throw missing(name, { rows, cols, experts: count });
    const [c = 1, r = 1, e = 1] = tensor.shape;
    if (c !== cols || r !== rows || e !== count) throw mismatch(name, { rows, cols, experts: count }, tensor);
    this.#read.add(name);
    return tensor;
  }

  biases(name: string, { count, rows }: ExpertSizes): WeightId {
    const tensor = this.tensor(name, count, rows);
    const cols = count * rows;
    return this.#place(name, { ...tensor, rows: 1, cols, source: this.#sourceOf(tensor, 1, cols) });
  }

  /** A thin matrix of an adapter, in float32. */
  thin(name: string, rows: number, cols: number, source: SourceMatrix, experts?: number): WeightId {
    const bytes = 4 * rows * cols;
    return this.#place(name, { name, type: 'F32', rows, cols, offset: 0, bytes, source, experts });
  }

  weight(name: string, rows: number, cols: number, experts?: number): WeightId {
    const tensor = this.tensor(name, rows, cols);
    const source = this.#sourceOf(tensor, rows, cols);
    return this.#place(name, { ...tensor, rows, cols, experts, source });
  }

  /** All numbers of a tensor, whatever its shape, as a vector. */
  vector(name: string, cols: number): WeightId {
    const tensor = this.#gguf.tensors.get(name);
    if (!tensor) throw missing(name, { rows: 1, cols });
    if (tensor.shape.reduce((product, size) => product * size, 1) !== cols) {
      throw mismatch(name, { rows: 1, cols }, tensor);
    }
    this.#read.add(name);
    return this.#place(name, { ...tensor, rows: 1, cols, source: this.#sourceOf(tensor, 1, cols) });
  }

  /** Rows of a matrix, or columns of a vector, from `first` on. */
  part(tensor: GgufTensor, { rows, cols }: Size, first: number): WeightId {
    const { name, type, offset, part, shape } = tensor;
    const isVector = shape.length === 1;
    const key = `${name} from ${first} on`;
    const bytes = rows * rowBytes(type, cols);
    if (tensor.source) {
      const of = isVector ? this.matrix(tensor, shape[0]!, 1) : tensor.source;
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
    const id = this.list.push(tensor) - 1;
    this.#ids.set(key, id);
    return id;
  }
}

/** Ignores dimensions of 1 at the end of a shape. */
function hasShape({ shape }: GgufTensor, rows: number, cols: number): boolean {
  const [found = 1, ...rest] = shape;
  return found === cols && (rest[0] ?? 1) === rows && rest.slice(1).every((size) => size === 1);
}

export interface Size {
  readonly rows: number;
  readonly cols: number;
  readonly experts?: number;
}

export const CONVERT_AGAIN =
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
