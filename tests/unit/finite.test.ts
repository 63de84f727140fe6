/** NaN and Infinity in weights: in every float and scale that dequantize reads, and nowhere else. */
import { describe, expect, it } from 'vitest';
import { compileKernels, instantiate } from '../../backends/cpu/wasm-module.ts';
import { allFinite, exponentWords } from '../../kernels/finite.ts';
import { QUANT_FORMATS, type TensorType } from '../../kernels/quant-formats.ts';
import { DEQUANTIZED_TYPES, dequantize } from '../../kernels/reference/dequantize.ts';

const finite = (type: TensorType, bytes: Uint8Array<ArrayBuffer>) =>
  dequantize(type, bytes).every(Number.isFinite);

const memory = new WebAssembly.Memory({ initial: 1, maximum: 2 ** 16, shared: true });
const kernels = instantiate((await compileKernels()).module, memory);

/** As the threads of the CPU backend call it, between bytes that are not finite. */
function allFiniteByKernel(type: TensorType, bytes: Uint8Array): boolean {
  const from = 2 ** 15;
  const all = new Uint8Array(memory.buffer, from - 64, bytes.length + 128).fill(0xff);
  all.set(bytes, 64);
  const words = exponentWords(type);
  if (!words) return true;
  const { offset, step, exponents } = words;
  return kernels.allFinite(from + offset, bytes.length - offset, step, exponents) === 1;
}

/** Of three blocks of 0.5 and 6 times 2^(exponent - 127); the middle one has the exponent. */
function mxfp4(exponent: number): Uint8Array<ArrayBuffer> {
  const { bytes: size } = QUANT_FORMATS.MXFP4;
  const bytes = new Uint8Array(3 * size).fill(0x71);
  for (const at of [0, 1, 2]) bytes[at * size] = 127;
  bytes[size] = exponent;
  return bytes;
}

describe.each([
  ['kernels/finite.ts', allFinite],
  ['the kernel', allFiniteByKernel],
])('%s', (_, allFinite) => {
  it.each([0, 1, 127, 251, 253, 254, 255])(
    'MXFP4 with the exponent %i is as finite as its numbers',
    (exponent) => {
      expect(allFinite('MXFP4', mxfp4(exponent))).toBe(finite('MXFP4', mxfp4(exponent)));
    },
  );

  describe.each(DEQUANTIZED_TYPES)('%s', (type) => {
    const size = QUANT_FORMATS[type].bytes;

    it.each([
      ['NaN', 0x7e],
      ['Infinity', 0x7c],
      ['-Infinity', 0xfc],
    ])('is as finite as its numbers with %s at any place', (_, high) => {
      const blocks = Math.max(3, Math.ceil(81 / size)); // floats: two turns of 32 bytes, a word, and a part of one
      for (let at = 0; at + 1 < blocks * size; at++) {
        const bytes = new Uint8Array(4 * Math.ceil((blocks * size) / 4)).subarray(0, blocks * size);
        bytes.fill(0x11); // no code or scale is zero
        const isHalf = type !== 'F32' && type !== 'BF16';
        bytes.set(isHalf ? [0, high] : [high & 1 ? 0xc0 : 0x80, (high & 0x80) | 0x7f], at);
        const expected =
          type === 'MXFP4' ? bytes.every((byte, i) => i % size > 0 || byte < 252) : finite(type, bytes);
        expect([at, allFinite(type, bytes)]).toEqual([at, expected]);
      }
    });

    it('is finite with the largest codes', () => {
      const bytes = new Uint8Array(4 * size).fill(0x7b);
      expect(allFinite(type, bytes)).toBe(true);
      expect(allFinite(type, bytes.subarray(0, size))).toBe(true);
      expect(allFinite(type, new Uint8Array(4 * size + 1).fill(0x7b).subarray(1))).toBe(true);
    });
  });
});
