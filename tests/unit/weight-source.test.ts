/** Sources of weights against plain arithmetic on whole matrices: values, ranges of rows, and what makes no sense. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { SourceMatrix, WeightDesc, WeightSource } from '../../backends/backend.ts';
import { givenWeight, readRows, readWeight } from '../../backends/program-weights.ts';
import { WeightFiles } from '../../backends/weight-files.ts';
import { rowsOf } from '../../backends/weight-rows.ts';
import { shapeOf } from '../../backends/weight-source.ts';
import { randomMatrix } from '../../bench/conformance/matrices.ts';
import { UserError } from '../../errors.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';
import { quantize } from '../../kernels/reference/quantize.ts';
import { decode, type SourceType, sourceFormat } from '../../kernels/source-formats.ts';
import { seeded } from '../random.ts';

const folder = mkdtempSync(join(tmpdir(), 'percept-sources-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PATH = join(folder, 'tensors');
const random = seeded(5);
const DATA = Uint8Array.from({ length: 100_000 }, () => random(256) & 0x3b); // no float in it is huge or none in any type
writeFileSync(PATH, DATA);

type Matrix = SourceMatrix;
type Kind<Op extends Matrix['op']> = Extract<Matrix, { op: Op }>;

/** In the file, or in memory. */
function range(type: SourceType, rows: number, cols: number, offset = 128, inFile = true): Kind<'range'> {
  const at = inFile ? { path: PATH, offset } : { bytes: DATA.subarray(offset) };
  return { op: 'range', at, type, rows, cols };
}

const rowSlice = (of: Matrix, first: number, count: number, every?: number): Matrix => {
  return { op: 'slice', of, axis: 'rows', first, count, every };
};
const colSlice = (of: Matrix, first: number, count: number, every?: number): Matrix => {
  return { op: 'slice', of, axis: 'cols', first, count, every };
};
const transpose = (of: Matrix): Matrix => ({ op: 'transpose', of });
const reshape = (of: Matrix, rows: number, cols: number): Matrix => ({ op: 'reshape', of, rows, cols });
const stack = (...of: Matrix[]): Matrix => ({ op: 'stack', of });
const convert = (of: Matrix, type: TensorType): Matrix => ({ op: 'convert', of, type });

/** The numbers of a matrix, row by row: each op as its formula, on all of them at once. */
function plain(matrix: Matrix): number[][] {
  switch (matrix.op) {
    case 'range': {
      const { type, rows, cols, at } = matrix;
      const { elements, bytes } = sourceFormat(type);
      const start = 'path' in at ? at.offset : at.bytes.byteOffset;
      const length = (rows * cols * bytes) / elements;
      return inRows([...decode(type, DATA.slice(start, start + length))], cols);
    }
    case 'reshape':
      return inRows(plain(matrix.of).flat(), matrix.cols);
    case 'slice': {
      const { axis, first, count, every = 1 } = matrix;
      const taken = <T>(all: T[]) => Array.from({ length: count }, (_, i) => all[first + i * every]!);
      return axis === 'rows' ? taken(plain(matrix.of)) : plain(matrix.of).map(taken);
    }
    case 'stack':
      return matrix.of.flatMap(plain);
    case 'swap': {
      const { first, second } = matrix;
      const rows = plain(matrix.of);
      return rows.map((_, r) => {
        const place = r % (first * second);
        return rows[r - place + (place % first) * second + Math.floor(place / first)]!;
      });
    }
    case 'transpose': {
      const rows = plain(matrix.of);
      return rows[0]!.map((_, c) => rows.map((row) => row[c]!));
    }
    case 'map':
      return plain(matrix.of).map((row, r) =>
        row.map((x, c) => {
          if (matrix.fn === 'negate-exp') return Math.fround(-Math.exp(x));
          const { by } = matrix;
          const y =
            typeof by === 'number'
              ? Math.fround(by)
              : plain(by.of)[Math.floor(r / by.rows)]![Math.floor(c / by.cols)]!;
          return Math.fround(matrix.fn === 'add' ? x + y : x * y);
        }),
      );
    case 'convert':
      if (shapeOf(matrix.of, 'w').type === matrix.type) return plain(matrix.of);
      return plain(matrix.of).map((row) => {
        const { type } = matrix;
        const bytes = new Uint8Array((row.length * sourceFormat(type).bytes) / sourceFormat(type).elements);
        quantize(type, Float32Array.from(row), bytes);
        return [...dequantize(type, bytes)];
      });
    case 'mxfp4': {
      const [codes, scales] = [matrix.codes, matrix.scales].map((part) => rowsOfBytes(part as Kind<'range'>));
      return codes!.map((row, r) =>
        row.flatMap((byte, i) => {
          const scale = 2 ** (scales![r]![i >> 4]! - 127);
          return [byte & 15, byte >> 4].map((code) => Math.fround(scale * E2M1[code]!));
        }),
      );
    }
  }
}

const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6];

function rowsOfBytes(matrix: Kind<'range'>): number[][] {
  return plain({ ...matrix, type: 'U8' });
}

function inRows(values: readonly number[], cols: number): number[][] {
  return Array.from({ length: values.length / cols }, (_, r) => values.slice(r * cols, (r + 1) * cols));
}

function descOf(source: Matrix): WeightDesc {
  const { type, rows, cols } = shapeOf(source, 'w');
  return { name: 'w', type: type as TensorType, rows, cols };
}

async function readNumbers(source: Matrix, first: number, count: number): Promise<number[][]> {
  using files = new WeightFiles();
  const desc = descOf(source);
  const bytes = Uint8Array.from(await readRows(files, givenWeight(desc, source), first, count));
  return inRows([...decode(desc.type, bytes)], desc.cols);
}

const FLOATS = range('F32', 24, 40);
const F8 = range('F8_E4M3', 20, 50, 9000);

/** Each as checkpoints have it. */
const EXPRESSIONS: [what: string, source: Matrix][] = [
  ['the matrix as it lies', range('Q8_0', 20, 64)],
  ['rows of a fused q | k | v', rowSlice(range('BF16', 48, 32), 16, 8)],
  ['columns', colSlice(FLOATS, 7, 20)],
  ['columns in whole blocks', colSlice(range('Q4_K', 6, 1024), 256, 512)],
  ['every other row of gate and up', rowSlice(range('F16', 30, 32), 1, 15, 2)],
  ['every third column', colSlice(FLOATS, 2, 12, 3)],
  [
    'heads of q out of [heads, 3, D] rows',
    reshape(rowSlice(reshape(range('F32', 48, 20), 12, 80), 0, 4, 3), 16, 20),
  ],
  ['their bias', reshape(rowSlice(reshape(range('F32', 1, 48), 12, 4), 1, 4, 3), 1, 16)],
  ['rows of another length', reshape(FLOATS, 15, 64)],
  ['a part of such rows', colSlice(reshape(FLOATS, 15, 64), 9, 31)],
  [
    'experts of their own',
    stack(range('Q4_0', 3, 64), range('Q4_0', 5, 64, 4000), range('Q4_0', 3, 64, 8000)),
  ],
  ['a transposed matrix', transpose(FLOATS)],
  ['transposed experts', stack(...[0, 1, 2].map((e) => transpose(rowSlice(FLOATS, 8 * e, 8))))],
  ['halves of heads in turn', { op: 'swap', of: FLOATS, first: 2, second: 6 }],
  ['a convolution [C, 1, K]', transpose(range('BF16', 96, 4))],
  ['a norm stored less one', { op: 'map', of: range('BF16', 1, 64), fn: 'add', by: 1 }],
  ['decays stored as logarithms', { op: 'map', of: range('F8_E4M3', 1, 32), fn: 'negate-exp' }],
  ['F8 with one scale', { op: 'map', of: F8, fn: 'multiply', by: spread(1, 1, 20, 50) }],
  ['F8 with a scale a row', { op: 'map', of: F8, fn: 'multiply', by: spread(20, 1, 1, 50) }],
  ['F8 with scales of blocks', { op: 'map', of: F8, fn: 'multiply', by: spread(3, 4, 8, 16) }],
  ['floats quantized', convert(range('BF16', 9, 64), 'Q4_1')],
  ['columns of what is quantized', colSlice(convert(range('Q6_K', 3, 512), 'Q8_0'), 96, 64)],
  [
    'columns of numbers out of blocks',
    colSlice({ op: 'map', of: range('Q8_0', 5, 96), fn: 'add', by: 2 }, 5, 50),
  ],
  ['the type it has already', convert(range('Q4_K', 4, 256), 'Q4_K')],
  ['MXFP4 in two tensors', { op: 'mxfp4', codes: range('U8', 6, 48), scales: range('U8', 6, 3, 900) }],
];

function spread(rows: number, cols: number, blockRows: number, blockCols: number) {
  return { of: range('BF16', rows, cols, 40_000), rows: blockRows, cols: blockCols };
}

describe('rows of', () => {
  it.each(EXPRESSIONS)('%s', async (_, source) => {
    const { rows } = descOf(source);
    const expected = plain(source);
    expect(expected).toHaveLength(rows);
    expect(await readNumbers(source, 0, rows)).toEqual(expected);
    for (let first = 0; first < rows; first++) {
      for (const count of [1, 2, 5, rows - first]) {
        if (first + count > rows) continue;
        expect(await readNumbers(source, first, count)).toEqual(expected.slice(first, first + count));
      }
    }
  });

  it('expressions of expressions', async () => {
    for (let seed = 0; seed < 120; seed++) {
      const source = convert(randomExpression(seeded(seed), 4), 'F32');
      const { rows } = descOf(source);
      const pick = seeded(seed + 1000);
      const first = pick(rows);
      const count = 1 + pick(rows - first);
      const expected = plain(source).slice(first, first + count);
      expect(await readNumbers(source, first, count), JSON.stringify(source)).toEqual(expected);
    }
  });

  it('a weight whose source is only a place', async () => {
    const { desc, bytes } = randomMatrix('Q4_1', 7, 96);
    const path = join(folder, 'place');
    writeFileSync(path, Buffer.concat([new Uint8Array(40), bytes]));
    expect(Buffer.compare(await readWeight(desc, { path, offset: 40 }), bytes)).toBe(0);
    expect(await readWeight(desc, { bytes })).toEqual(bytes);
    expect((await readWeight(desc, { bytes })).buffer).toBe(bytes.buffer); // no copy
  });
});

function randomExpression(pick: (below: number) => number, depth: number): Matrix {
  const inFile = pick(2) === 0;
  const type = (['F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2'] as const)[pick(5)]!;
  if (depth === 0) return range(type, 1 + pick(9), 1 + pick(40), 4 * pick(2000), inFile);
  const of = randomExpression(pick, depth - 1);
  const { rows, cols } = shapeOf(of, 'w');
  const slice = (axis: 'rows' | 'cols', size: number): Matrix => {
    const [first, every] = [pick(size), 1 + pick(3)];
    return { op: 'slice', of, axis, first, count: 1 + pick(Math.ceil((size - first) / every)), every };
  };
  const divisors = Array.from({ length: rows * cols }, (_, i) => i + 1).filter(
    (d) => (rows * cols) % d === 0,
  );
  const other = divisors[pick(divisors.length)]!;
  const [down, across] = [1 + pick(rows), 1 + pick(cols)];
  const [scaleRows, scaleCols] = [Math.ceil(rows / down), Math.ceil(cols / across)];
  const by = { of: range('F16', scaleRows, scaleCols, 50_000, inFile), rows: down, cols: across };
  return [
    () => slice('rows', rows),
    () => slice('cols', cols),
    () => reshape(of, other, (rows * cols) / other),
    () => transpose(of),
    () => stack(of, rowSlice(of, 0, 1 + pick(rows))),
    (): Matrix => ({ op: 'map', of, fn: 'multiply', by }),
    (): Matrix => ({ op: 'map', of, fn: 'add', by: pick(7) - 3 }),
    () => convert(of, (['F32', 'F16', 'BF16'] as const)[pick(3)]!),
  ][pick(8)]!();
}

describe('what is read', () => {
  const readsOf = (source: Matrix, first: number, count: number) => {
    const { type, cols } = descOf(source);
    const into = new Uint8Array((count * cols * sourceFormat(type).bytes) / sourceFormat(type).elements);
    return [...rowsOf(source, 'w', first, count, into)].map(({ offset, into: { length } }) => ({
      offset,
      length,
    }));
  };
  const huge = (type: SourceType, rows: number, cols: number): Matrix => {
    return { op: 'range', at: { path: 'nowhere', offset: 0 }, type, rows, cols };
  };

  it('are the bytes of the rows, in one piece where they lie so', () => {
    const fused = rowSlice(huge('Q4_0', 30_000, 4096), 10_000, 4096);
    const pitch = (4096 / 32) * 18;
    expect(readsOf(fused, 100, 64)).toEqual([{ offset: 10_100 * pitch, length: 64 * pitch }]);
    const experts = stack(huge('F16', 1000, 64), huge('F16', 1000, 64));
    expect(readsOf(experts, 990, 20)).toEqual([
      { offset: 990 * 128, length: 10 * 128 },
      { offset: 0, length: 10 * 128 },
    ]);
  });

  it('takes no whole matrix to transpose a part of it', () => {
    const reads = readsOf(transpose(huge('F32', 8192, 65_536)), 500, 16);
    expect(reads).toHaveLength(8192);
    expect(reads[1]).toEqual({ offset: 65_536 * 4 + 500 * 4, length: 64 });
    const narrow = readsOf(transpose(huge('F32', 65_536, 100)), 50, 4);
    expect(narrow.length).toBeLessThan(200); // rows near each other, with what is between them
    for (const { length } of narrow) expect(length).toBeLessThanOrEqual(256 * 1024);
  });
});

const NAMED = { name: 'blk.0.attn_q.weight', type: 'F32', rows: 24, cols: 40 } as const;

describe('a source that makes no sense is told with the name of the weight:', () => {
  it.each<[what: string, source: WeightSource, message: string]>([
    ['another shape', transpose(FLOATS), 'Expected F32 [24, 40] for blk.0.attn_q.weight, got F32 [40, 24].'],
    [
      'another type',
      range('F16', 24, 40),
      'Expected F32 [24, 40] for blk.0.attn_q.weight, got F16 [24, 40].',
    ],
    ['a type nobody knows', range('F4' as SourceType, 24, 40), 'got F4.'],
    ['no rows', range('F32', 0, 40), 'got F32 [0, 40].'],
    ['half a row', range('F32', 1.5, 40), 'got F32 [1.5, 40].'],
    ['no whole block', range('Q8_0', 4, 40), 'Expected rows and columns of whole blocks'],
    ['more than can be counted', range('F32', 2 ** 30, 2 ** 30), 'Expected rows and columns of whole blocks'],
    ['an offset below the file', { path: PATH, offset: -4 }, 'Expected an offset within a file'],
    ['an offset beyond numbers', { path: PATH, offset: 2 ** 53 }, 'Expected an offset within a file'],
    ['an offset that is none', { path: PATH, offset: Number.NaN }, 'Expected an offset within a file'],
    ['a slice beyond the end', rowSlice(FLOATS, 20, 5), 'got 5 rows from 20 on.'],
    ['a slice before the beginning', rowSlice(FLOATS, -1, 5), 'got 5 rows from -1 on.'],
    ['steps beyond the end', colSlice(FLOATS, 0, 21, 2), 'got 21 cols from 0 on, each 2th.'],
    [
      'a slice within blocks',
      colSlice(range('Q8_0', 4, 64), 16, 32),
      'Expected a slice of whole blocks within',
    ],
    ['steps of blocks', colSlice(range('Q8_0', 4, 128), 0, 2, 64), 'Expected a slice of whole blocks within'],
    [
      'another number of weights',
      reshape(FLOATS, 24, 41),
      'Expected 960 weights for blk.0.attn_q.weight, got 24 rows',
    ],
    [
      'rows within blocks',
      reshape(range('Q8_0', 4, 64), 16, 16),
      'Expected rows and columns of whole blocks',
    ],
    ['nothing stacked', stack(), 'Expected matrices to stack'],
    [
      'other columns stacked',
      stack(FLOATS, range('F32', 24, 41)),
      'Expected rows like those of F32 [24, 40]',
    ],
    ['other types stacked', stack(FLOATS, range('F16', 24, 40)), 'got F16 [24, 40].'],
    ['blocks transposed', transpose(range('Q4_0', 32, 32)), 'Expected a type without blocks to transpose'],
    [
      'too few scales',
      { op: 'map', of: F8, fn: 'multiply', by: spread(2, 4, 8, 16) },
      'a number for each 8 x 16 of F8_E4M3 [20, 50]',
    ],
    [
      'scales of nothing',
      { op: 'map', of: F8, fn: 'multiply', by: spread(2, 4, 0, 16) },
      'a number for each 0 x 16',
    ],
    ['numbers of an unread type', convert(range('IQ2_XXS', 2, 256), 'F32'), 'got IQ2_XXS.'],
    ['a type nobody writes', convert(range('F32', 2, 256), 'Q3_K'), 'got Q3_K.'],
    [
      'codes without scales',
      { op: 'mxfp4', codes: range('U8', 6, 48), scales: range('U8', 6, 2) },
      'Expected U8 codes and a scale for each 16 of them',
    ],
    [
      'codes of another type',
      { op: 'mxfp4', codes: range('F16', 6, 48), scales: range('U8', 6, 3) },
      'Expected U8 codes',
    ],
  ])('%s', (_, source, message) => {
    const give = () => givenWeight(NAMED, source);
    expect(give).toThrow(message);
    expect(give).toThrow(UserError);
    expect(give).toThrow('blk.0.attn_q.weight');
  });

  it('a file that ends before the weight does', async () => {
    const cut: Matrix = stack(range('F32', 12, 40), range('F32', 12, 40, DATA.length - 1919));
    for (const source of [cut, { path: PATH, offset: DATA.length - 3839 }]) {
      const reading = readWeight(NAMED, source);
      await expect(reading).rejects.toThrow(UserError);
      await expect(reading).rejects.toThrow('the file ended inside blk.0.attn_q.weight');
    }
  });

  it('memory that ends before the weight does', async () => {
    const reading = readWeight(NAMED, { bytes: new Uint8Array(3839) });
    await expect(reading).rejects.toThrow('Expected 3840 bytes of blk.0.attn_q.weight, got 3839.');
    await expect(reading).rejects.toThrow(UserError);
  });

  it('a file that claims more than there is, before room is made for it', async () => {
    const desc = { name: 'w', type: 'F32', rows: 2 ** 24, cols: 2 ** 24 } as const;
    await expect(readWeight(desc, { path: PATH, offset: 0 })).rejects.toThrow('the file ended inside w');
  });

  it('a file that is not there, or no file', async () => {
    for (const path of [join(folder, 'absent'), folder]) {
      const reading = readWeight(NAMED, { path, offset: 0 });
      await expect(reading).rejects.toThrow(UserError);
      await expect(reading).rejects.toThrow(path);
    }
  });
});
