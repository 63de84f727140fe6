/**
 * Checks the source of a weight when it is added. Every expression has a type and a shape, and they must fit together.
 * Sources are made from the headers of files, so no size in them is trusted. weight-files.ts checks that the bytes exist
 * before it reads the first one.
 */
import { UserError } from '../errors.ts';
import { QUANTIZED_TYPES } from '../kernels/reference/quantize.ts';
import { DECODED_TYPES, SOURCE_TYPES, type SourceType, sourceFormat } from '../kernels/source-formats.ts';
import type { ByteRange, SourceMatrix, WeightDesc, WeightSource } from './backend.ts';

export type MatrixOf<Kind extends SourceMatrix['op']> = Extract<SourceMatrix, { op: Kind }>;

export interface SourceShape {
  readonly type: SourceType;
  readonly rows: number;
  readonly cols: number;
}

/** The source as an expression. Throws UserError, with the weight's name, unless it makes the described matrix. */
export function checkedSource(desc: WeightDesc, source: WeightSource): SourceMatrix {
  const { name, type, rows, cols } = desc;
  if (!('op' in source)) {
    const whole = { op: 'range', at: source, type, rows, cols } as const;
    shapeOf(whole, name);
    return whole;
  }
  const shape = shapeOf(source, name);
  if (shape.type === type && shape.rows === rows && shape.cols === cols) return source;
  throw wrong(name, described(desc), described(shape));
}

/** Shapes of checked expressions, which do not change. */
const shapes = new WeakMap<SourceMatrix, SourceShape>();

/** The shape of a checked expression. */
export function checkedShape(matrix: SourceMatrix): SourceShape {
  return shapes.get(matrix)!;
}

/** The shape of an expression. Throws UserError if its parts do not fit together, before anything is read. */
export function shapeOf(matrix: SourceMatrix, name: string): SourceShape {
  const known = shapes.get(matrix);
  if (known) return known;
  const shape = findShape(matrix, name);
  const { type, rows, cols } = shape;
  const counts = [rows, cols].every((count) => Number.isSafeInteger(count) && count > 0);
  const bytes = rows * bytesIn(type, cols);
  if (!counts || !Number.isSafeInteger(bytes))
    throw wrong(name, `rows and columns of whole blocks`, described(shape));
  if (matrix.op === 'range') checkOffset(matrix.at, bytes, name);
  shapes.set(matrix, shape);
  return shape;
}

function findShape(matrix: SourceMatrix, name: string): SourceShape {
  switch (matrix.op) {
    case 'range':
      checkType(matrix.type, SOURCE_TYPES, name);
      return matrix;
    case 'reshape':
      return reshaped(matrix, shapeOf(matrix.of, name), name);
    case 'slice':
      return sliced(matrix, shapeOf(matrix.of, name), name);
    case 'stack':
      return stacked(
        matrix.of.map((part) => shapeOf(part, name)),
        name,
      );
    case 'swap':
      return swapped(matrix, shapeOf(matrix.of, name), name);
    case 'transpose': {
      const { type, rows, cols } = shapeOf(matrix.of, name);
      if (sourceFormat(type).elements > 1) throw wrong(name, 'a type without blocks to transpose', type);
      return { type, rows: cols, cols: rows };
    }
    case 'map':
      return mapped(matrix, shapeOf(matrix.of, name), name);
    case 'convert': {
      const shape = shapeOf(matrix.of, name);
      if (shape.type !== matrix.type) {
        checkType(shape.type, DECODED_TYPES, name);
        checkType(matrix.type, QUANTIZED_TYPES, name);
      }
      return { ...shape, type: matrix.type };
    }
    case 'mxfp4':
      return paired(shapeOf(matrix.codes, name), shapeOf(matrix.scales, name), name);
  }
}

function checkOffset(at: ByteRange, bytes: number, name: string): void {
  if ('bytes' in at) return;
  const { offset } = at;
  if (!(Number.isSafeInteger(offset) && offset >= 0 && Number.isSafeInteger(offset + bytes)))
    throw wrong(name, 'an offset within a file', String(offset));
}

function reshaped({ rows, cols }: MatrixOf<'reshape'>, of: SourceShape, name: string): SourceShape {
  if (rows * cols === of.rows * of.cols) return { type: of.type, rows, cols };
  throw wrong(name, `${of.rows * of.cols} weights`, `${rows} rows of ${cols}`);
}

function sliced(
  { axis, first, count, every = 1 }: MatrixOf<'slice'>,
  of: SourceShape,
  name: string,
): SourceShape {
  const end = first + (count - 1) * every + 1;
  const { elements } = sourceFormat(of.type);
  const whole = axis === 'rows' || (first % elements === 0 && (elements === 1 || every === 1));
  const integers = [first, count, every].every(Number.isSafeInteger);
  if (integers && whole && first >= 0 && every >= 1 && end <= of[axis]) return { ...of, [axis]: count };
  const which = every === 1 ? '' : `, each ${every}th`;
  throw wrong(
    name,
    `a slice of whole blocks within ${described(of)}`,
    `${count} ${axis} from ${first} on${which}`,
  );
}

function swapped({ first, second }: MatrixOf<'swap'>, of: SourceShape, name: string): SourceShape {
  const sized = [first, second].every((size) => Number.isSafeInteger(size) && size > 0);
  if (sized && of.rows % (first * second) === 0) return of;
  throw wrong(name, `rows in runs of ${first} times ${second}`, described(of));
}

function stacked(parts: readonly SourceShape[], name: string): SourceShape {
  const [first] = parts;
  if (!first) throw wrong(name, 'matrices to stack', 'none');
  const other = parts.find(({ type, cols }) => type !== first.type || cols !== first.cols);
  if (other) throw wrong(name, `rows like those of ${described(first)}`, described(other));
  return { ...first, rows: parts.reduce((sum, { rows }) => sum + rows, 0) };
}

function mapped(matrix: MatrixOf<'map'>, of: SourceShape, name: string): SourceShape {
  checkType(of.type, DECODED_TYPES, name);
  const { rows, cols } = of;
  if ('by' in matrix && typeof matrix.by !== 'number') {
    const { by } = matrix;
    const blocks = shapeOf(by.of, name);
    checkType(blocks.type, DECODED_TYPES, name);
    const sized = [by.rows, by.cols].every((size) => Number.isSafeInteger(size) && size > 0);
    const [down, across] = [Math.ceil(rows / by.rows), Math.ceil(cols / by.cols)];
    if (!sized || blocks.rows !== down || blocks.cols !== across) {
      const expected = `a number for each ${by.rows} x ${by.cols} of ${described(of)}`;
      throw wrong(name, expected, described(blocks));
    }
  }
  return { type: 'F32', rows, cols };
}

function paired(codes: SourceShape, scales: SourceShape, name: string): SourceShape {
  const bytes = (type: SourceType) => type === 'U8' || type === 'F8_E8M0';
  const fit = codes.rows === scales.rows && codes.cols === 16 * scales.cols;
  if (bytes(codes.type) && bytes(scales.type) && fit)
    return { type: 'MXFP4', rows: codes.rows, cols: 2 * codes.cols };
  throw wrong(
    name,
    'U8 codes and a scale for each 16 of them',
    `${described(codes)} and ${described(scales)}`,
  );
}

function checkType(type: SourceType, known: readonly SourceType[], name: string): void {
  if (!known.includes(type)) throw wrong(name, `one of ${known.join(', ')}`, type);
}

function described({ type, rows, cols }: SourceShape): string {
  return `${type} [${rows}, ${cols}]`;
}

function wrong(name: string, expected: string, got: string): UserError {
  return new UserError(
    `Expected ${expected} for ${name}, got ${got}.`,
    'The model is damaged, or its format is not supported yet: get it again, or get another file of it.',
  );
}

/** Bytes of `cols` weights in a row. NaN if they are not whole blocks. */
export function bytesIn(type: SourceType, cols: number): number {
  const { elements, bytes } = sourceFormat(type);
  return cols % elements === 0 ? (cols / elements) * bytes : Number.NaN;
}

/** All ranges in an expression, with the bytes that each must have. */
export function* rangesOf(matrix: SourceMatrix, name: string): Generator<{ at: ByteRange; bytes: number }> {
  if (matrix.op === 'range') {
    const { type, rows, cols } = shapeOf(matrix, name);
    yield { at: matrix.at, bytes: rows * bytesIn(type, cols) };
  } else if (matrix.op === 'stack') for (const part of matrix.of) yield* rangesOf(part, name);
  else if (matrix.op === 'mxfp4') {
    yield* rangesOf(matrix.codes, name);
    yield* rangesOf(matrix.scales, name);
  } else {
    yield* rangesOf(matrix.of, name);
    if (matrix.op === 'map' && 'by' in matrix && typeof matrix.by !== 'number')
      yield* rangesOf(matrix.by.of, name);
  }
}
