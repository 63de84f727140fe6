/**
 * Evaluates rows of a weight from its source.
 *
 * An expression evaluates a region by evaluating regions of its operands, down to ranges of files. So rows read only their
 * own bytes of the file, and threads evaluate rows of one weight independently. Memory is bounded by the region and
 * BAND_BYTES. Regions consist of whole blocks of their type. Structure (reshape, slice, stack, swap, transpose) moves blocks
 * unchanged; only map and convert decode numbers, as float32.
 */
import { decode, sourceFormat } from '../kernels/source-formats.ts';
import type { ByteRange, SourceMatrix, Spread } from './backend.ts';
import { convert } from './encoder.ts';
import { bytesIn, checkedShape, type MatrixOf, shapeOf } from './weight-source.ts';

/** A read of bytes of a file to `into`. */
export interface FileRead {
  readonly path: string;
  readonly offset: number;
  readonly into: Uint8Array;
}

/** Yields reads. It is resumed when their bytes are in place. */
export type FileReads<T = void> = Generator<FileRead, T, void>;

/** A part of a matrix. Its columns begin and end at block boundaries. */
interface Region {
  readonly row: number;
  readonly rows: number;
  readonly col: number;
  readonly cols: number;
}

/** Most bytes held beside a region, unless one row has more. */
const BAND_BYTES = 256 * 1024;
/** Rows up to this many bytes apart are read in one call, with the bytes between them: a call costs as much. */
const NEAR_BYTES = 4096;

/** Writes `count` rows from `first` on to `into`, as its reads are done. */
export function rowsOf(
  matrix: SourceMatrix,
  name: string,
  first: number,
  count: number,
  into: Uint8Array,
): FileReads {
  const { cols } = shapeOf(matrix, name);
  return evaluate(matrix, { row: first, rows: count, col: 0, cols }, into);
}

/** `into` has exactly the bytes of the region. */
function evaluate(matrix: SourceMatrix, at: Region, into: Uint8Array): FileReads {
  switch (matrix.op) {
    case 'range':
      return readRange(matrix, at, into);
    case 'reshape':
      return readReshaped(matrix, at, into);
    case 'slice':
      return matrix.axis === 'rows' ? readRowSlice(matrix, at, into) : readColumnSlice(matrix, at, into);
    case 'stack':
      return readStack(matrix, at, into);
    case 'swap':
      return readSwapped(matrix, at, into);
    case 'transpose':
      return readTransposed(matrix, at, into);
    case 'map':
      return readMapped(matrix, at, into);
    case 'convert':
      return readConverted(matrix, at, into);
    case 'mxfp4':
      return readPaired(matrix, at, into);
  }
}

function* take(at: ByteRange, offset: number, into: Uint8Array): FileReads {
  if ('bytes' in at) into.set(at.bytes.subarray(offset, offset + into.length));
  else yield { path: at.path, offset: at.offset + offset, into };
}

function* readRange({ at: place, type, cols }: MatrixOf<'range'>, at: Region, into: Uint8Array): FileReads {
  const pitch = bytesIn(type, cols);
  const width = bytesIn(type, at.cols);
  const start = at.row * pitch + bytesIn(type, at.col);
  if (width === pitch || at.rows === 1) yield* take(place, start, into);
  else if ('bytes' in place || pitch > NEAR_BYTES) {
    for (let row = 0; row < at.rows; row++) yield* take(place, start + row * pitch, rowIn(into, row, width));
  } else {
    for (const { row, rows } of bands(at.rows, pitch)) {
      const band = new Uint8Array((rows - 1) * pitch + width);
      yield* take(place, start + row * pitch, band);
      for (let r = 0; r < rows; r++) into.set(band.subarray(r * pitch, r * pitch + width), (row + r) * width);
    }
  }
}

/** A row of the region is one run of weights. Rows of full width together are one run. */
function* readReshaped({ of, cols }: MatrixOf<'reshape'>, at: Region, into: Uint8Array): FileReads {
  const [runs, length] = at.cols === cols ? [1, at.rows * cols] : [at.rows, at.cols];
  const bytes = into.length / runs;
  for (let run = 0; run < runs; run++) {
    yield* readRun(of, (at.row + run) * cols + at.col, length, rowIn(into, run, bytes));
  }
}

/** Reads `count` weights from weight `start` on: the rest of a row, whole rows, then the beginning of a row. */
function* readRun(of: SourceMatrix, start: number, count: number, into: Uint8Array): FileReads {
  const { type, cols } = checkedShape(of);
  for (let done = 0, at = 0; done < count; ) {
    const row = Math.floor((start + done) / cols);
    const col = (start + done) % cols;
    const rows = col === 0 ? Math.max(1, Math.floor((count - done) / cols)) : 1;
    const width = Math.min(cols - col, count - done);
    const bytes = rows * bytesIn(type, width);
    yield* evaluate(of, { row, rows, col, cols: width }, into.subarray(at, at + bytes));
    done += rows * width;
    at += bytes;
  }
}

function* readRowSlice({ of, first, every = 1 }: MatrixOf<'slice'>, at: Region, into: Uint8Array): FileReads {
  if (every === 1) return yield* evaluate(of, { ...at, row: first + at.row }, into);
  const width = into.length / at.rows;
  for (let r = 0; r < at.rows; r++) {
    const row = first + (at.row + r) * every;
    yield* evaluate(of, { ...at, row, rows: 1 }, rowIn(into, r, width));
  }
}

function* readColumnSlice(
  { of, first, every = 1 }: MatrixOf<'slice'>,
  at: Region,
  into: Uint8Array,
): FileReads {
  const col = first + at.col * every;
  if (every === 1) return yield* evaluate(of, { ...at, col }, into);
  const { bytes } = sourceFormat(checkedShape(of).type);
  const span = (at.cols - 1) * every + 1;
  for (const { row, rows } of bands(at.rows, span * bytes)) {
    const band = new Uint8Array(rows * span * bytes);
    yield* evaluate(of, { row: at.row + row, rows, col, cols: span }, band);
    for (let r = 0, to = row * at.cols * bytes; r < rows; r++) {
      for (let c = 0; c < at.cols; c++, to += bytes) {
        const from = (r * span + c * every) * bytes;
        for (let b = 0; b < bytes; b++) into[to + b] = band[from + b]!;
      }
    }
  }
}

function* readStack({ of }: MatrixOf<'stack'>, at: Region, into: Uint8Array): FileReads {
  const width = into.length / at.rows;
  let first = 0;
  for (const part of of) {
    const end = first + checkedShape(part).rows;
    const [from, to] = [Math.max(at.row, first), Math.min(at.row + at.rows, end)];
    if (from < to) {
      const bytes = into.subarray((from - at.row) * width, (to - at.row) * width);
      yield* evaluate(part, { ...at, row: from - first, rows: to - from }, bytes);
    }
    first = end;
  }
}

/** Row i of second and j of first was row j of first and i of second. */
function* readSwapped({ of, first, second }: MatrixOf<'swap'>, at: Region, into: Uint8Array): FileReads {
  const width = into.length / at.rows;
  const run = first * second;
  for (let r = 0; r < at.rows; r++) {
    const place = (at.row + r) % run;
    const row = at.row + r - place + (place % first) * second + Math.floor(place / first);
    yield* evaluate(of, { ...at, row, rows: 1 }, rowIn(into, r, width));
  }
}

/** Reads bands of rows of `of` and writes them as columns. */
function* readTransposed({ of }: MatrixOf<'transpose'>, at: Region, into: Uint8Array): FileReads {
  const { bytes } = sourceFormat(checkedShape(of).type);
  const pitch = at.cols * bytes;
  for (const { row, rows } of bands(at.cols, at.rows * bytes)) {
    const band = new Uint8Array(rows * at.rows * bytes);
    yield* evaluate(of, { row: at.col + row, rows, col: at.row, cols: at.rows }, band);
    for (let r = 0, from = 0; r < rows; r++) {
      for (let to = (row + r) * bytes; to < into.length; to += pitch, from += bytes) {
        for (let b = 0; b < bytes; b++) into[to + b] = band[from + b]!;
      }
    }
  }
}

function* readMapped(matrix: MatrixOf<'map'>, at: Region, into: Uint8Array): FileReads {
  const x = yield* numbersOf(matrix.of, at);
  if (matrix.fn === 'negate-exp') for (const [i, value] of x.entries()) x[i] = -Math.exp(value);
  else {
    const { fn, by } = matrix;
    const other = typeof by === 'number' ? () => Math.fround(by) : yield* spreadOver(by, at);
    for (let r = 0, i = 0; r < at.rows; r++) {
      for (let c = 0; c < at.cols; c++, i++) x[i] = fn === 'add' ? x[i]! + other(r, c) : x[i]! * other(r, c);
    }
  }
  into.set(new Uint8Array(x.buffer, x.byteOffset, x.byteLength));
}

/** A function from a place in the region to the number spread over it. */
function* spreadOver({ of, rows, cols }: Spread, at: Region): FileReads<(r: number, c: number) => number> {
  const [row, col] = [Math.floor(at.row / rows), Math.floor(at.col / cols)];
  const width = Math.ceil((at.col + at.cols) / cols) - col;
  const values = yield* numbersOf(of, {
    ...{ row, rows: Math.ceil((at.row + at.rows) / rows) - row },
    ...{ col, cols: width },
  });
  return (r, c) =>
    values[(Math.floor((at.row + r) / rows) - row) * width + Math.floor((at.col + c) / cols) - col]!;
}

function* readConverted({ of, type }: MatrixOf<'convert'>, at: Region, into: Uint8Array): FileReads {
  const { type: from } = checkedShape(of);
  if (from === type) return yield* evaluate(of, at, into);
  if (sourceFormat(from).elements > 1) {
    const numbers = yield* numbersOf(of, at);
    return convert({ from: 'F32', to: type }, new Uint8Array(numbers.buffer), into);
  }
  const bytes = new Uint8Array(at.rows * bytesIn(from, at.cols));
  yield* evaluate(of, at, bytes);
  convert({ from, to: type }, bytes, into);
}

/** The numbers of a region. Its columns need not be whole blocks. */
function* numbersOf(matrix: SourceMatrix, at: Region): FileReads<Float32Array<ArrayBuffer>> {
  const { type } = checkedShape(matrix);
  const { elements } = sourceFormat(type);
  const col = elements * Math.floor(at.col / elements);
  const cols = elements * Math.ceil((at.col + at.cols) / elements) - col;
  const bytes = new Uint8Array(at.rows * bytesIn(type, cols));
  yield* evaluate(matrix, { ...at, col, cols }, bytes);
  const values = decode(type, bytes);
  if (cols === at.cols) return values;
  const cut = new Float32Array(at.rows * at.cols);
  for (let r = 0; r < at.rows; r++) {
    const start = r * cols + at.col - col;
    cut.set(values.subarray(start, start + at.cols), r * at.cols);
  }
  return cut;
}

/** Writes blocks of ggml: the exponent, then 16 bytes, each with codes k and k + 16. */
function* readPaired({ codes, scales }: MatrixOf<'mxfp4'>, at: Region, into: Uint8Array): FileReads {
  const pairs = new Uint8Array((at.rows * at.cols) / 2);
  const exponents = new Uint8Array(pairs.length / 16);
  yield* evaluate(codes, { ...at, col: at.col / 2, cols: at.cols / 2 }, pairs);
  yield* evaluate(scales, { ...at, col: at.col / 32, cols: at.cols / 32 }, exponents);
  const code = (block: number, k: number) => (pairs[16 * block + (k >> 1)]! >> (4 * (k & 1))) & 15;
  for (let block = 0; block < exponents.length; block++) {
    into[17 * block] = exponents[block]!;
    for (let k = 0; k < 16; k++) into[17 * block + 1 + k] = code(block, k) | (code(block, k + 16) << 4);
  }
}

/** Runs of rows of at most BAND_BYTES, or of one row. */
function* bands(count: number, bytesPerRow: number): Generator<{ row: number; rows: number }> {
  const step = Math.max(1, Math.floor(BAND_BYTES / bytesPerRow));
  for (let row = 0; row < count; row += step) yield { row, rows: Math.min(step, count - row) };
}

function rowIn(into: Uint8Array, row: number, bytes: number): Uint8Array {
  return into.subarray(row * bytes, (row + 1) * bytes);
}
