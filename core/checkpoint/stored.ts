/**
 * Tensors of a checkpoint on their way to GGUF's layout: each function returns another expression over the same bytes.
 * Shapes are as safetensors has them, rows first.
 */
import type { SourceMatrix } from '../../backends/backend.ts';
import type { SourceType } from '../../kernels/source-formats.ts';
import type { StoredTensor } from './safetensors.ts';

export interface Stored {
  readonly source: SourceMatrix;
  readonly type: SourceType;
  readonly shape: readonly number[];
}

export function stored({ path, offset, type, shape }: StoredTensor): Stored {
  const [rows, cols] = matrixOf(shape);
  return { type, shape, source: { op: 'range', at: { path, offset }, type, rows, cols } };
}

/** Numbers that no file has. */
export function numbers(values: readonly number[]): Stored {
  const bytes = new Uint8Array(new Float32Array(values).buffer);
  const source = { op: 'range', at: { bytes }, type: 'F32', rows: 1, cols: values.length } as const;
  return { type: 'F32', shape: [values.length], source };
}

export function matrixOf(shape: readonly number[]): [rows: number, cols: number] {
  return [productOf(shape.slice(0, -1)), shape.at(-1) ?? 1];
}

/** The same numbers in another shape. */
export function reshaped(x: Stored, ...shape: readonly number[]): Stored {
  const [rows, cols] = matrixOf(shape);
  return { ...x, shape, source: { op: 'reshape', of: x.source, rows, cols } };
}

/** `count` rows from `first` on. */
export function rowsOf(x: Stored, first: number, count: number): Stored {
  const source = { op: 'slice', of: x.source, axis: 'rows', first, count } as const;
  return { ...x, shape: [count, ...x.shape.slice(1)], source };
}

/** Runs of rows, one tensor for each of `sizes`. */
export function split(x: Stored, ...sizes: readonly number[]): Stored[] {
  const firsts = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  if (x.shape.length > 1) return sizes.map((size, i) => rowsOf(x, firsts[i]!, size));
  return sizes.map((size, i) => reshaped(rowsOf(reshaped(x, x.shape[0]!, 1), firsts[i]!, size), size));
}

/** Each run of first * second rows, or numbers of a vector, [first, second], as [second, first]. */
export function swapped(x: Stored, first: number, second: number): Stored {
  const [rows, cols] = x.shape.length > 1 ? matrixOf(x.shape) : [x.shape[0]!, 1];
  const unit = reshaped(x, rows, cols);
  const source = { op: 'swap', of: unit.source, first, second } as const;
  return reshaped({ ...unit, source }, ...x.shape);
}

/** The same of heads of `length` rows each. */
export function headsSwapped(x: Stored, first: number, second: number, length: number): Stored {
  const [rows, cols] = x.shape.length > 1 ? matrixOf(x.shape) : [x.shape[0]!, 1];
  const unit = reshaped(x, rows / length, length * cols);
  const source = { op: 'swap', of: unit.source, first, second } as const;
  return reshaped({ ...unit, source }, ...x.shape);
}

/** The columns of each row [first, second, ..] as [second, first, ..]. */
export function columnsSwapped(x: Stored, first: number, second: number): Stored {
  const [rows, cols] = matrixOf(x.shape);
  const unit = reshaped(x, rows * first * second, cols / first / second);
  const source = { op: 'swap', of: unit.source, first, second } as const;
  return reshaped({ ...unit, source }, ...x.shape);
}

/** The last two dimensions exchanged. */
export function transposed(x: Stored): Stored {
  const [rows = 1, cols = 1] = x.shape.slice(-2);
  const outer = x.shape.slice(0, -2);
  const count = productOf(outer);
  const all = reshaped(x, count * rows, cols).source;
  const one = (i: number): SourceMatrix => ({
    op: 'transpose',
    of: count === 1 ? all : { op: 'slice', of: all, axis: 'rows', first: i * rows, count: rows },
  });
  const parts = Array.from({ length: count }, (_, i) => one(i));
  const source = parts.length === 1 ? parts[0]! : ({ op: 'stack', of: parts } as const);
  return { ...x, shape: [...outer, cols, rows], source };
}

/** Tensors of one shape, one after the other in a new first dimension. */
export function stacked(parts: readonly Stored[]): Stored {
  const [first] = parts;
  return {
    ...first!,
    shape: [parts.length, ...first!.shape],
    source: { op: 'stack', of: parts.map(({ source }) => source) },
  };
}

export function added(x: Stored, by: number): Stored {
  return { ...x, type: 'F32', source: { op: 'map', of: x.source, fn: 'add', by } };
}

export function scaled(x: Stored, by: number): Stored {
  if (by === 1) return x;
  return { ...x, type: 'F32', source: { op: 'map', of: x.source, fn: 'multiply', by } };
}

/** -exp(x), as decays are stored. */
export function decays(x: Stored): Stored {
  return { ...x, type: 'F32', source: { op: 'map', of: x.source, fn: 'negate-exp' } };
}

/**
 * Numbers times those of scales, each of which applies to a block of rows and columns, to a row, or to all.
 *
 * @param block rows and columns, if the config says so
 */
export function withScales(x: Stored, scales: Stored, block?: readonly number[]): Stored {
  const [rows, cols] = matrixOf(x.shape);
  const [down, across] = matrixOf(scales.shape.length > 1 ? scales.shape : [productOf(scales.shape), 1]);
  const of = reshaped(scales, down, across).source;
  const blocks = down > 1 && across > 1 ? block : undefined;
  const [high = Math.ceil(rows / down), wide = Math.ceil(cols / across)] = blocks ?? [];
  const by = { of, rows: high, cols: wide };
  return { ...x, type: 'F32', source: { op: 'map', of: x.source, fn: 'multiply', by } };
}

export function inFloat32(x: Stored): Stored {
  if (x.type === 'F32') return x;
  return { ...x, type: 'F32', source: { op: 'convert', of: x.source, type: 'F32' } };
}

export function productOf(sizes: readonly number[]): number {
  return sizes.reduce((product, size) => product * size, 1);
}

/** One tensor after the other, in their first dimension. */
export function joined(...parts: readonly Stored[]): Stored {
  const [first] = parts;
  const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  return {
    ...first!,
    shape: [rows, ...first!.shape.slice(1)],
    source: { op: 'stack', of: parts.map(({ source }) => source) },
  };
}

/** The parts of each of `heads` equal runs of rows, part by part. */
export function headsSplit(x: Stored, heads: number, ...sizes: readonly number[]): Stored[] {
  const [, cols] = matrixOf(x.shape);
  const run = sizes.reduce((sum, size) => sum + size, 0);
  const all = reshaped(x, heads, run * cols).source;
  const firsts = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  return sizes.map((size, i) => {
    const source = {
      op: 'slice',
      of: all,
      axis: 'cols',
      first: firsts[i]! * cols,
      count: size * cols,
    } as const;
    return reshaped({ ...x, shape: [heads, size * cols], source }, heads * size, cols);
  });
}

/** Of a stack of matrices, or of vectors, every other row or number, from `first` on. */
export function everyOther(x: Stored, first: 0 | 1): Stored {
  const [outer = 1, rows = 1, ...rest] = x.shape;
  const cols = rest.length > 0 ? productOf(rest) : 1;
  const all = reshaped(x, outer * rows, cols).source;
  const count = (outer * rows) / 2;
  const source = { op: 'slice', of: all, axis: 'rows', first, count, every: 2 } as const;
  return reshaped({ ...x, shape: [count, cols], source }, outer, rows / 2, ...rest);
}

/** The first and the second half of the rows of each matrix of a stack. */
export function halves(x: Stored): [Stored, Stored] {
  const [outer = 1, rows = 1, cols = 1] = x.shape;
  const parts = headsSplit(reshaped(x, outer * rows, cols), outer, rows / 2, rows / 2);
  const [first, second] = parts.map((part) => reshaped(part, outer, rows / 2, cols));
  return [first!, second!];
}
