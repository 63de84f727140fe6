/** Dequantization against blocks made by hand, and bit for bit against gguf-py's values. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readGguf } from '../../core/gguf.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { DEQUANTIZED_TYPES, dequantize } from '../../kernels/reference/dequantize.ts';
import { describeShared } from '../shared.ts';

const ONE = [0x00, 0x3c]; // float16 1, little-endian
const MINUS_HALF = [0x00, 0xb8];

/** Codes 0 and 1 at weight 0 and 16, 15 and 8 at weight 1 and 17, else 0. */
const NIBBLES = [0x10, 0x8f, ...new Array(14).fill(0)];

function values(type: TensorType, ...bytes: number[]): number[] {
  return [...dequantize(type, Uint8Array.from(bytes))];
}

describe('dequantize', () => {
  it('reads plain floats', () => {
    expect(values('F32', 0x00, 0x00, 0xc0, 0x3f, 0x00, 0x00, 0x00, 0x80)).toEqual([1.5, -0]);
    expect(values('F16', ...MINUS_HALF, 0x01, 0x00)).toEqual([-0.5, 2 ** -24]);
    expect(values('BF16', 0xc0, 0x3f, 0x80, 0xff)).toEqual([1.5, -Infinity]);
  });

  it('reads Q4_0: d * (code - 8)', () => {
    const weights = values('Q4_0', ...MINUS_HALF, ...NIBBLES);
    expect(weights).toHaveLength(32);
    expect([weights[0], weights[1], weights[2], weights[16], weights[17]]).toEqual([4, -3.5, 4, 3.5, -0]);
  });

  it('reads Q4_1: d * code + m', () => {
    const weights = values('Q4_1', ...ONE, ...MINUS_HALF, ...NIBBLES);
    expect([weights[0], weights[1], weights[2], weights[16], weights[17]]).toEqual([
      -0.5, 14.5, -0.5, 0.5, 7.5,
    ]);
  });

  it('rounds the sum of Q4_1 to float32', () => {
    const [tiny, large] = [
      [0x01, 0x00],
      [0x00, 0x78],
    ]; // 2^-24 and 32768
    expect(values('Q4_1', ...tiny, ...large, 0x01, ...new Array(15).fill(0))[0]).toBe(32768);
  });

  it('reads Q8_0: d * code, signed', () => {
    const weights = values('Q8_0', ...MINUS_HALF, 0x80, 0x7f, ...new Array(30).fill(0));
    expect(weights.slice(0, 3)).toEqual([64, -63.5, -0]);
  });

  it('reads block after block', () => {
    const block = [...ONE, ...new Array(32).fill(3)];
    expect(values('Q8_0', ...block, ...block)).toEqual(new Array(64).fill(3));
  });

  it('names the types it knows where it is given another', () => {
    expect(() => values('Q6_K', ...new Array(210).fill(0))).toThrow(
      'Expected one of F32, F16, BF16, Q4_0, Q4_1, Q8_0, got Q6_K.',
    );
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
    const known = Object.entries(tensors).filter(([, { type }]) => DEQUANTIZED_TYPES.includes(type));
    it(`${file}.gguf: ${known.length} of ${Object.keys(tensors).length} tensors`, async () => {
      const gguf = await readGguf(path(`goldens/quantization/${file}.gguf`));
      const bytes = readFileSync(gguf.path);
      for (const [name, expected] of known) {
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
