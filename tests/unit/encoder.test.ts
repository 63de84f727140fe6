/** The encoder in WebAssembly against the reference. */
import { describe, expect, it } from 'vitest';
import { convert } from '../../backends/encoder.ts';
import { QUANT_FORMATS, rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';
import { QUANTIZED_TYPES, quantize } from '../../kernels/reference/quantize.ts';
import { decode } from '../../kernels/source-formats.ts';

const FROM = ['F32', 'F16', 'BF16'] as const;
const isK = (type: TensorType) => QUANT_FORMATS[type].elements === 256;

/** Numbers around zero, `count` of them, from a fixed seed: sums of four of a uniform distribution. */
function numbers(count: number, seed = 1): Float32Array {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return Float32Array.from({ length: count }, () => (next() + next() + next() + next()) * 0.1);
}

function stored(type: TensorType, values: Float32Array) {
  const bytes = new Uint8Array(rowBytes(type, values.length));
  quantize(type, values, bytes);
  return bytes;
}

function converted(from: (typeof FROM)[number], to: TensorType, bytes: Uint8Array<ArrayBuffer>) {
  const numbers = decode(from, bytes);
  const [into, reference] = [0, 1].map(() => new Uint8Array(rowBytes(to, numbers.length)));
  convert({ from, to }, bytes, into!);
  quantize(to, numbers, reference!);
  return { into: into!, reference: reference!, numbers };
}

function errorOf(type: TensorType, bytes: Uint8Array, values: Float32Array, counts?: Float32Array): number {
  return dequantize(type, Uint8Array.from(bytes)).reduce(
    (sum, x, i) => sum + (x - values[i]!) ** 2 * (counts ? counts[i % counts.length]! : 1),
    0,
  );
}

describe.each(FROM)('weights from %s', (from) => {
  it.each(QUANTIZED_TYPES.filter((type) => !isK(type)))('to %s have the reference’s bytes', (to) => {
    // 16,384 numbers are a call of the kernel; the last 32 are left to the reference.
    const values = numbers(16384 + 256 + 32);
    values.fill(0, 64, 96);
    values.fill(-0.25, 96, 128);
    values.set([1, -1, 0.5, -0.5, -0], 128); // equally far from zero
    for (let i = 160; i < 192; i++) values[i] = (i - 176) / 2; // codes halfway between two
    const { into, reference } = converted(from, to, stored(from, values));
    expect(Buffer.compare(into, reference)).toBe(0);
  });

  it.each(QUANTIZED_TYPES.filter(isK))('to %s err as much, but for choices between equals', (to) => {
    const { into, reference, numbers: values } = converted(from, to, stored(from, numbers(16384 + 512)));
    expect(errorOf(to, into, values) / errorOf(to, reference, values)).toBeCloseTo(1, 2);
  });

  it.each(QUANTIZED_TYPES)('to %s are the reference’s if one is no number, tiny or huge', (to) => {
    for (const odd of [Number.NaN, Infinity, -Infinity, 2 ** 70, 1e-45, 2 ** -130]) {
      const values = new Float32Array(512);
      values[300] = odd;
      const { into, reference } = converted(from, to, stored(from, values));
      expect(dequantize(to, into), String(odd)).toEqual(dequantize(to, reference));
    }
  });
});

it.each(QUANTIZED_TYPES.filter(isK))('%s loses less where the importance is', (type) => {
  const [rows, cols] = [20, 1024];
  const values = numbers(rows * cols, 7);
  const importance = numbers(cols, 3).map((x) => x ** 4 * 1e4);
  const error = (weights: Float32Array | undefined, write: typeof convert) => {
    const bytes = new Uint8Array(rowBytes(type, values.length));
    write(
      { from: 'F32', to: type, importance: weights },
      new Uint8Array(values.buffer as ArrayBuffer),
      bytes,
    );
    return errorOf(type, bytes, values, importance);
  };
  const weighted = error(importance, convert);
  expect(weighted).toBeLessThan(0.95 * error(undefined, convert));
  const reference = error(importance, (_, __, into) => quantize(type, values, into, importance));
  expect(weighted / reference).toBeCloseTo(1, 2);
});
