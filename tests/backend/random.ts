/** Seeded weights of every computed tensor type, for tests that need no trained ones. */
import type { WeightDesc } from '../../backends/backend.ts';
import { Random } from '../../core/sampler/random.ts';
import { QUANT_FORMATS, rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';

export interface Matrix {
  readonly desc: WeightDesc;
  readonly bytes: Uint8Array;
  readonly values: Float32Array; // [rows, cols], dequantized
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

/** A matrix of values around -1 to 1 times `size`, always the same one for its type and shape. */
export function randomMatrix(type: TensorType, rows: number, cols: number, size = 1): Matrix {
  const desc = { name: `${type} [${rows}, ${cols}]`, type, rows, cols };
  const random = new Random(rows * 65_537 + cols);
  const bytes = new Uint8Array(rows * rowBytes(type, cols));
  const block = QUANT_FORMATS[type].bytes;
  for (let at = 0; at < bytes.length; at += block) {
    writeBlock(type, new DataView(bytes.buffer, at, block), size, random);
  }
  return { desc, bytes, values: dequantize(type, bytes) };
}

function writeBlock(type: TensorType, block: DataView, size: number, random: Random): void {
  const value = size * (2 * random.uniform() - 1);
  if (type === 'F32') block.setFloat32(0, value, true);
  else if (type === 'F16') block.setFloat16(0, value, true);
  else if (type === 'BF16') block.setUint16(0, upperHalf(value), true);
  else {
    for (let i = 0; i < block.byteLength; i++) block.setUint8(i, random.bits32());
    for (const half of HALVES[type]!) {
      block.setFloat16(half.at, size * half.size * (0.5 + random.uniform()), true);
    }
  }
}

/** The upper 16 bits of a float32. */
function upperHalf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
}
