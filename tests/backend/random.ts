/** Seeded weights of every computed tensor type, for tests that need no trained ones. */
import type { WeightDesc } from '../../backends/backend.ts';
import { QUANT_FORMATS, rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';

export interface Matrix {
  readonly desc: WeightDesc;
  readonly bytes: Uint8Array;
  readonly values: Float32Array; // [rows, cols], dequantized
}

/** Numbers from 0 to 1 (Steele et al., SplitMix; the 32-bit mixer mulberry32). */
function randomNumbers(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let z = Math.imul(seed ^ (seed >>> 15), seed | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Where the float16 numbers of a block stand, and how large they are; all other bytes are codes. */
const HALVES: Partial<Record<TensorType, readonly { at: number; size: number }[]>> = {
  Q4_0: [{ at: 0, size: 0.1 }],
  Q4_1: [
    { at: 0, size: 0.1 },
    { at: 2, size: -0.8 },
  ],
  Q8_0: [{ at: 0, size: 0.01 }],
};

/** A matrix of values around -1 to 1 times `size`. */
export function randomMatrix(type: TensorType, rows: number, cols: number, size = 1): Matrix {
  const desc = { name: `${type} [${rows}, ${cols}]`, type, rows, cols };
  const random = randomNumbers(rows * 65_537 + cols);
  const bytes = new Uint8Array(rows * rowBytes(type, cols));
  const view = new DataView(bytes.buffer);
  const format = QUANT_FORMATS[type];
  for (let at = 0; at < bytes.length; at += format.bytes) {
    const value = size * (2 * random() - 1);
    if (type === 'F32') view.setFloat32(at, value, true);
    else if (type === 'F16') view.setFloat16(at, value, true);
    else if (type === 'BF16')
      view.setUint16(at, new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16, true);
    else {
      for (let i = 0; i < format.bytes; i++) bytes[at + i] = 256 * random();
      for (const half of HALVES[type]!)
        view.setFloat16(at + half.at, size * half.size * (0.5 + random()), true);
    }
  }
  return { desc, bytes, values: dequantize(type, bytes) };
}
