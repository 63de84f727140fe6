/** Packed weights of the gpu.js backend equal those of the file, bit for bit. */
import { describe, expect, it } from 'vitest';
import { PACKED_BLOCKS, packMatrix, packRow } from '../../backends/gpujs/pack.ts';
import { type Matrix, randomMatrix } from '../../bench/conformance/matrices.ts';
import { blockLayout, GROUP, packedLength } from '../../kernels/gpujs/packed-block.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { DEQUANTIZED_TYPES } from '../../kernels/reference/dequantize.ts';

const ROWS = 35; // two groups, and three rows of a third
const COLS = 512;

/** Weight k of a row whose floats are out[at], out[at + stride], ...: the definition of packed-block.ts. */
function weightAt(type: TensorType, out: Float32Array, at: number, stride: number, k: number): number {
  const { weights, bits, signed, minimum, header, perWord, floats } = blockLayout(PACKED_BLOCKS[type]!);
  const start = at + Math.floor(k / weights) * floats * stride;
  if (bits === 0) return out[start]!;
  const i = k % weights;
  const word = out[start + (header + Math.floor(i / perWord)) * stride]!;
  const code = Math.floor(word / 2 ** (bits * (i % perWord))) % 2 ** bits;
  const value = signed && code >= 2 ** (bits - 1) ? code - 2 ** bits : code;
  return Math.fround(value * out[start]! + (minimum ? out[start + stride]! : 0));
}

function packed({ desc, bytes }: Matrix): Float32Array {
  const out = new Float32Array(packedLength(PACKED_BLOCKS[desc.type]!, desc.rows, desc.cols));
  packMatrix(desc, bytes, out);
  return out;
}

it('packs every tensor type that the reference computes', () => {
  expect(Object.keys(PACKED_BLOCKS).sort()).toEqual([...DEQUANTIZED_TYPES].sort());
});

describe.each(DEQUANTIZED_TYPES)('%s', (type) => {
  const matrix = randomMatrix(type, ROWS, COLS);
  const expected = (row: number) =>
    [...matrix.values.subarray(row * COLS, (row + 1) * COLS)].map((x) => x + 0);

  it('keeps the weights of a matrix in groups of rows', () => {
    const out = packed(matrix);
    const groupLength = out.length / Math.ceil(ROWS / GROUP);
    for (let row = 0; row < ROWS; row++) {
      const at = Math.floor(row / GROUP) * groupLength + (row % GROUP);
      const got = Array.from({ length: COLS }, (_, k) => weightAt(type, out, at, GROUP, k) + 0);
      expect(got, `row ${row}`).toEqual(expected(row));
    }
  });

  it('pads the last group with zeros', () => {
    const out = packed(matrix);
    const last = out.subarray((out.length / 3) * 2);
    expect(last.filter((_, i) => i % GROUP >= ROWS % GROUP).every((value) => value === 0)).toBe(true);
  });

  it('keeps the weights of one row side by side', () => {
    const length = matrix.bytes.length / ROWS;
    const out = packRow(matrix.desc, matrix.bytes.subarray(length, 2 * length));
    const got = Array.from({ length: COLS }, (_, k) => weightAt(type, out, 0, 1, k) + 0);
    expect(got).toEqual(expected(1));
  });

  it.skipIf(PACKED_BLOCKS[type]!.bits === 0)('has words that a float32 holds exactly', () => {
    const { header, floats } = blockLayout(PACKED_BLOCKS[type]!);
    const words = packed(matrix).filter((_, i) => Math.floor(i / GROUP) % floats >= header);
    expect(words.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 24)).toBe(true);
  });
});
