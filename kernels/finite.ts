/**
 * Finds NaN and Infinity in weights: floats, or scales of blocks, whose exponent has all bits set. Codes are always
 * finite, so a block is as finite as its scales.
 */
import { QUANT_FORMATS, type TensorType } from './quant-formats.ts';

interface Places {
  readonly offset?: number; // bytes, in a block; default 0
  readonly exponents: number; // bits of the exponents in a word there
}

const HALF = 0x7c00;
const HALVES = 0x7c007c00;

/** Floats, and pairs of float16 scales: a word in each block of a multiple of 4 bytes (dequantize.ts has the layouts). */
const WORDS: Partial<Record<TensorType, Places>> = {
  F32: { exponents: 0x7f800000 },
  F16: { exponents: HALVES },
  BF16: { exponents: 0x7f807f80 },
  Q4_1: { exponents: HALVES },
  Q5_1: { exponents: HALVES },
  Q2_K: { offset: 80, exponents: HALVES },
  Q4_K: { exponents: HALVES },
  Q5_K: { exponents: HALVES },
};

/** Offsets of single float16 scales in blocks. */
const SCALES: Partial<Record<TensorType, number>> = {
  Q4_0: 0,
  Q5_0: 0,
  Q8_0: 0,
  IQ4_NL: 0,
  Q3_K: 108,
  Q6_K: 208,
  IQ4_XS: 0,
  TQ1_0: 52,
  TQ2_0: 64,
};

/** Whether all weights of whole blocks are finite. Types without floats always are. */
export function allFinite(type: TensorType, bytes: Uint8Array): boolean {
  const { buffer, byteOffset, length } = aligned(bytes);
  const size = QUANT_FORMATS[type].bytes;
  const words = WORDS[type];
  if (words) {
    const array = new Int32Array(buffer, byteOffset, length >> 2);
    return !anyFull(array, (words.offset ?? 0) >> 2, Math.max(1, size >> 2), words.exponents);
  }
  const offset = SCALES[type];
  if (offset === undefined) return true;
  return !anyFull(new Uint16Array(buffer, byteOffset, length >> 1), offset >> 1, size >> 1, HALF);
}

/**
 * Whether one of the exponents has all its bits set, in every `step`th word from `first` on. Adding the lowest bit of an
 * exponent then carries into the bit above it.
 */
function anyFull(words: Int32Array | Uint16Array, first: number, step: number, exponents: number): boolean {
  const lowest = exponents & ~(exponents << 1);
  const above = (exponents << 1) & ~exponents;
  let seen = 0;
  let i = first;
  for (const last = words.length - 3 * step; i < last; i += 4 * step) {
    seen |=
      ((words[i]! & exponents) + lowest) |
      ((words[i + step]! & exponents) + lowest) |
      ((words[i + 2 * step]! & exponents) + lowest) |
      ((words[i + 3 * step]! & exponents) + lowest);
  }
  for (; i < words.length; i += step) seen |= (words[i]! & exponents) + lowest;
  return (seen & above) !== 0;
}

/** The bytes, copied unless they begin and end at a word of their buffer. */
function aligned(bytes: Uint8Array): Uint8Array {
  if (bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0) return bytes;
  const whole = new Uint8Array(4 * Math.ceil(bytes.length / 4));
  whole.set(bytes);
  return whole;
}
