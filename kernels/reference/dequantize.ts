/**
 * Weights as numbers, for each tensor type that is computed.
 *
 * Block layouts are ggml's (ggml-common.h): d and m are float16, and byte j of 4-bit codes holds weight j in
 * its low half and weight j + 16 in its high half. Results equal gguf-py's `dequantize`, which calculates in
 * float32: the products are exact there, and only the sum of Q4_1 rounds, here when it is stored.
 */
import { QUANT_FORMATS, type TensorType } from '../quant-formats.ts';

/** Writes the weights of the block at byte `at` to out[i], out[i + 1], ... */
type DequantizeBlock = (bytes: DataView, at: number, out: Float32Array, i: number) => void;

const BLOCKS: Partial<Record<TensorType, DequantizeBlock>> = {
  F32(bytes, at, out, i) {
    out[i] = bytes.getFloat32(at, true);
  },
  F16(bytes, at, out, i) {
    out[i] = bytes.getFloat16(at, true);
  },
  // The upper half of a float32.
  BF16(bytes, at, out, i) {
    BITS.setUint32(0, bytes.getUint16(at, true) << 16);
    out[i] = BITS.getFloat32(0);
  },
  // f16 d, 16 bytes of codes 0..15: d * (code - 8)
  Q4_0(bytes, at, out, i) {
    const d = bytes.getFloat16(at, true);
    for (let j = 0; j < 16; j++) {
      const codes = bytes.getUint8(at + 2 + j);
      out[i + j] = d * ((codes & 15) - 8);
      out[i + j + 16] = d * ((codes >> 4) - 8);
    }
  },
  // f16 d, f16 m, 16 bytes of codes 0..15: d * code + m
  Q4_1(bytes, at, out, i) {
    const d = bytes.getFloat16(at, true);
    const m = bytes.getFloat16(at + 2, true);
    for (let j = 0; j < 16; j++) {
      const codes = bytes.getUint8(at + 4 + j);
      out[i + j] = d * (codes & 15) + m;
      out[i + j + 16] = d * (codes >> 4) + m;
    }
  },
  // f16 d, 32 int8 codes: d * code
  Q8_0(bytes, at, out, i) {
    const d = bytes.getFloat16(at, true);
    for (let j = 0; j < 32; j++) out[i + j] = d * bytes.getInt8(at + 2 + j);
  },
};

const BITS = new DataView(new ArrayBuffer(4));

/** The tensor types `dequantize` knows. */
export const DEQUANTIZED_TYPES = Object.keys(BLOCKS) as readonly TensorType[];

/**
 * The weights in `bytes`, a whole number of blocks of one of `DEQUANTIZED_TYPES`. Throws RangeError for
 * another type.
 */
export function dequantize(type: TensorType, bytes: Uint8Array): Float32Array {
  const block = BLOCKS[type];
  if (!block) throw new RangeError(`Expected one of ${DEQUANTIZED_TYPES.join(', ')}, got ${type}.`);
  const format = QUANT_FORMATS[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks = bytes.byteLength / format.bytes;
  const out = new Float32Array(blocks * format.elements);
  for (let b = 0; b < blocks; b++) block(view, b * format.bytes, out, b * format.elements);
  return out;
}
