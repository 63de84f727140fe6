/**
 * Finds NaN and Infinity in weights: floats, or scales of blocks, whose exponent has all bits set. Codes are always
 * finite, so a block is as finite as its scales.
 */
import { QUANT_FORMATS, type TensorType } from './quant-formats.ts';

/** Exponent bits of the floats in a word, and the lowest of each: their sum reaches the bit above if all are set. */
const FLOATS: Partial<Record<TensorType, readonly [exponents: number, lowest: number, above: number]>> = {
  F32: [0x7f800000, 0x00800000, 0x80000000],
  F16: [0x7c007c00, 0x04000400, 0x80008000],
  BF16: [0x7f807f80, 0x00800080, 0x80008000],
};

/** Float16 scales of a block: the offset of the first in bytes, and how many follow each other (dequantize.ts). */
const SCALES: Partial<Record<TensorType, readonly [offset: number, count: number]>> = {
  Q4_0: [0, 1],
  Q4_1: [0, 2],
  Q5_0: [0, 1],
  Q5_1: [0, 2],
  Q8_0: [0, 1],
  IQ4_NL: [0, 1],
  Q2_K: [80, 2],
  Q3_K: [108, 1],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208, 1],
  IQ4_XS: [0, 1],
  TQ1_0: [52, 1],
  TQ2_0: [64, 1],
};

/** Whether all weights of whole blocks are finite. Types without floats always are. */
export function allFinite(type: TensorType, bytes: Uint8Array): boolean {
  const { buffer, byteOffset, length } = aligned(bytes);
  const floats = FLOATS[type];
  let seen = 0;
  if (floats) {
    const [exponents, lowest, above] = floats;
    const words = new Int32Array(buffer, byteOffset, length >> 2);
    for (let i = 0; i < words.length; i++) seen |= (words[i]! & exponents) + lowest;
    return (seen & above) === 0;
  }
  const halves = new Uint16Array(buffer, byteOffset, length >> 1);
  const [offset, count] = SCALES[type] ?? [0, 0];
  const step = QUANT_FORMATS[type].bytes >> 1;
  for (let first = offset >> 1; first < offset / 2 + count; first++) {
    for (let i = first; i < halves.length; i += step) seen |= (halves[i]! & 0x7c00) + 0x0400;
  }
  return (seen & 0x8000) === 0;
}

/** The bytes, copied unless they begin and end at a word of their buffer. */
function aligned(bytes: Uint8Array): Uint8Array {
  if (bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0) return bytes;
  const whole = new Uint8Array(4 * Math.ceil(bytes.length / 4));
  whole.set(bytes);
  return whole;
}
