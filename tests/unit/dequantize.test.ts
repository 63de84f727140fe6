/** Dequantization against gguf-py, bit for bit: blocks made by a formula, and whole files. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readGguf } from '../../core/gguf/index.ts';
import { QUANT_FORMATS, type TensorType } from '../../kernels/quant-formats.ts';
import { DEQUANTIZED_TYPES, dequantize } from '../../kernels/reference/dequantize.ts';
import { describeShared } from '../shared.ts';

/** gguf-py's values for 256 weights in blocks of each type. */
interface Blocks {
  readonly type: TensorType;
  readonly fixed: string; // "at:hex ...": bytes set in every block, float16 1 (003c) and -0.5 (00b8) mostly
  readonly every17th: readonly number[]; // weights 0, 17, ..., 255: one of each 16
  readonly moment: number; // sum of i * weight i, exact
}

/**
 * Made with gguf-py 0.19: python3 THIS.py TYPE FIXED
 *
 *   import sys, numpy as np, gguf
 *   name, *fixed = sys.argv[1:]
 *   elements, size = gguf.GGML_QUANT_SIZES[type := gguf.GGMLQuantizationType[name]]
 *   k = np.arange(256 // elements * size)
 *   blocks = (k * k * 5 + k * 37 + 11).astype(np.uint8).reshape(-1, size)
 *   for at, b in (f.split(':') for f in fixed):
 *     blocks[:, int(at) : int(at) + len(b) // 2] = list(bytes.fromhex(b))
 *   w = gguf.quants.dequantize(blocks, type).astype(float).ravel()
 *   print(w[::17].tolist(), w @ np.arange(256))
 */
const GGUF_PY: readonly Blocks[] = [
  {
    type: 'Q4_0',
    fixed: '0:00b8',
    every17th: [-0.5, -1, -2.5, -1.5, 3.5, 1.5, 1.5, -1, -0.5, -0.5, -2.5, 3, 3.5, 2, 1.5, 3.5],
    moment: 2826,
  },
  {
    type: 'Q4_1',
    fixed: '0:003c 2:00b8',
    every17th: [14.5, 3.5, 0.5, 1.5, 10.5, -0.5, 12.5, 11.5, 6.5, 5.5, 8.5, 14.5, 2.5, 5.5, 4.5, 11.5],
    moment: 237784,
  },
  {
    type: 'Q5_0',
    fixed: '0:00b8',
    every17th: [-6.5, -0, 5.5, 6, 1.5, -0.5, 5.5, -2.5, -6.5, 7, -2.5, 5, 1.5, -1.5, 5.5, -3.5],
    moment: -11882,
  },
  {
    type: 'Q5_1',
    fixed: '0:003c 2:00b8',
    every17th: [18.5, 13.5, 24.5, -0.5, 22.5, 7.5, 28.5, 6.5, 26.5, 27.5, 0.5, 22.5, 30.5, 25.5, 4.5, 1.5],
    moment: 523120,
  },
  {
    type: 'Q8_0',
    fixed: '0:00b8',
    every17th: [
      -52.5, 20.5, 33.5, -9.5, 39.5, 8.5, -34.5, -53.5, -60.5, 60.5, -38.5, -33.5, 31.5, 48.5, 21.5, 50.5,
    ],
    moment: -19776,
  },
  {
    type: 'IQ4_NL',
    fixed: '0:00b8',
    every17th: [-6.5, -12.5, -34.5, -19, 52, 17.5, 17.5, -12.5, -6.5, -6.5, -34.5, 41.5, 52, 24.5, 17.5, 52],
    moment: 10075.5,
  },
  {
    type: 'MXFP4',
    fixed: '0:80',
    every17th: [6, 8, -12, -3, 3, 1, 1, 0, -1, 2, -3, -6, 12, -1, -6, 0],
    moment: -3121,
  },
  {
    type: 'Q2_K',
    fixed: '80:003c 82:00b8',
    every17th: [33, 6.5, 21, 12, 52, 4, 30.5, 3, 12.5, 20, 3.5, 52.5, 4.5, 28.5, 7, 15.5],
    moment: 569776,
  },
  {
    type: 'Q3_K',
    fixed: '108:00b8',
    every17th: [-40.5, 5.5, -7, -11.5, 0, 25.5, 19, 38, 3, 9.5, 0, 6, -6, 14, -0, -60],
    moment: 25589.5,
  },
  {
    type: 'Q4_K',
    fixed: '0:003c 2:00b8',
    every17th: [
      542.5, 260.5, 37.5, 22.5, 459.5, 53.5, 67.5, 67.5, 177.5, 727.5, 125.5, 50.5, 274, 348, 83.5, 39.5,
    ],
    moment: 7430728,
  },
  {
    type: 'Q5_K',
    fixed: '0:003c 2:00b8',
    every17th: [
      1294.5, 1012.5, 23.5, 44.5, 923.5, 53.5, 121.5, 37.5, 177.5, 727.5, 175.5, 200.5, 866, 348, 281.5,
      281.5,
    ],
    moment: 13561752,
  },
  {
    type: 'Q6_K',
    fixed: '208:00b8',
    every17th: [
      715.5, 643.5, -184.5, -112.5, 567, 1714.5, 976.5, 1038.5, -484.5, 67.5, 759.5, -976.5, -1261.5, 1573,
      182, -481,
    ],
    moment: 1221904,
  },
  {
    type: 'IQ4_XS',
    fixed: '0:00b8',
    every17th: [-32.5, 44.5, 728, 581, 5, 52, -210, 150, -551, -1290.5, 45.5, 185.5, -169.5, 52.5, -0, -0],
    moment: -931492.5,
  },
  {
    type: 'TQ1_0',
    fixed: '52:00b8',
    every17th: [0.5, 0.5, 0.5, -0, -0, 0.5, -0, -0.5, -0, -0.5, -0, 0.5, -0.5, -0, -0, -0.5],
    moment: 588,
  },
  {
    type: 'TQ2_0',
    fixed: '64:00b8',
    every17th: [-1, -0, -0.5, -0, -0.5, -1, -0.5, -0.5, -1, -0, 0.5, -1, -1, 0.5, 0.5, -0.5],
    moment: -7735,
  },
];

function blocksOf(type: TensorType, fixed: string): Uint8Array {
  const { elements, bytes: size } = QUANT_FORMATS[type];
  const blocks = Uint8Array.from({ length: (256 / elements) * size }, (_, k) => k * k * 5 + k * 37 + 11);
  for (const [at, hex] of fixed.split(' ').map((field) => field.split(':'))) {
    for (let block = 0; block < blocks.length; block += size) {
      blocks.set(Buffer.from(hex!, 'hex'), block + Number(at));
    }
  }
  return blocks;
}

function values(type: TensorType, ...bytes: number[]): number[] {
  return [...dequantize(type, Uint8Array.from(bytes))];
}

describe('dequantize', () => {
  it('reads plain floats', () => {
    expect(values('F32', 0x00, 0x00, 0xc0, 0x3f, 0x00, 0x00, 0x00, 0x80)).toEqual([1.5, -0]);
    expect(values('F16', 0x00, 0xb8, 0x01, 0x00)).toEqual([-0.5, 2 ** -24]);
    expect(values('BF16', 0xc0, 0x3f, 0x80, 0xff)).toEqual([1.5, -Infinity]);
  });

  it.each(GGUF_PY)('reads $type', ({ type, fixed, every17th, moment }) => {
    const weights = dequantize(type, blocksOf(type, fixed));
    expect(weights).toHaveLength(256);
    expect([...weights.filter((_, i) => i % 17 === 0)]).toEqual(every17th);
    expect(weights.reduce((sum, weight, i) => sum + i * weight, 0)).toBe(moment);
  });

  it('rounds the sum of Q4_1 to float32', () => {
    const [tiny, large] = [
      [0x01, 0x00],
      [0x00, 0x78],
    ]; // 2^-24 and 32768
    expect(values('Q4_1', ...tiny, ...large, 0x01, ...new Array(15).fill(0))[0]).toBe(32768);
  });

  it('reads the exponents of MXFP4 from subnormal to infinite, and code 8 as 0', () => {
    const ends = (exponent: number) => values('MXFP4', exponent, 0x97, 0x18, ...new Array(14).fill(0));
    const picked = (exponent: number) => [0, 16, 1, 17].map((i) => ends(exponent)[i]); // codes 7, 9, 8, 1
    expect(picked(0)).toEqual([6 * 2 ** -127, -(2 ** -128), 0, 2 ** -128]);
    expect(picked(127)).toEqual([6, -0.5, 0, 0.5]);
    expect(picked(255)).toEqual([Infinity, -(2 ** 127), 0, 2 ** 127]);
  });

  it('is tested with every type that it supports', () => {
    const tested = ['F32', 'F16', 'BF16', ...GGUF_PY.map(({ type }) => type)];
    expect(new Set(tested)).toEqual(new Set(DEQUANTIZED_TYPES));
  });

  it('lists its types if it is given another', () => {
    const message = `Expected one of ${DEQUANTIZED_TYPES.join(', ')}, got IQ2_XXS.`;
    expect(() => values('IQ2_XXS', ...new Array(66).fill(0))).toThrow(message);
  });
});

interface GoldenTensor {
  readonly type: TensorType;
  readonly first: readonly number[]; // 32 weights
  readonly sum: number;
  readonly abs_sum: number;
}

describeShared('dequantize equals gguf-py', (path) => {
  const golden = JSON.parse(readFileSync(path('goldens/quantization/golden.json'), 'utf8'));
  const files = Object.entries<{ tensors: Record<string, GoldenTensor> }>(golden.types);
  for (const [file, { tensors }] of files) {
    it(`${file}.gguf`, async () => {
      const gguf = await readGguf(path(`goldens/quantization/${file}.gguf`));
      const bytes = readFileSync(gguf.path);
      for (const [name, expected] of Object.entries(tensors)) {
        const tensor = gguf.tensors.get(name)!;
        const weights = dequantize(tensor.type, bytes.subarray(tensor.offset, tensor.offset + tensor.bytes));
        expect([...weights.subarray(0, 32)], name).toEqual(expected.first);
        // The sums of numpy and of a plain loop differ in their last digits.
        expect(
          weights.reduce((sum, value) => sum + value, 0),
          name,
        ).toBeCloseTo(expected.sum, 8);
        expect(
          weights.reduce((sum, value) => sum + Math.abs(value), 0),
          name,
        ).toBeCloseTo(expected.abs_sum, 8);
      }
    });
  }
});
