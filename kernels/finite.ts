/**
 * Finds NaN and Infinity in weights: floats, or scales of blocks, whose exponent has all bits set. A scale in float16 times
 * a code does not exceed float32, so a block is as finite as its scales. MXFP4 has larger scales (WORDS).
 */
import { QUANT_FORMATS, type TensorType } from './quant-formats.ts';

/** The words with exponents: one in each block. */
export interface ExponentWords {
  readonly offset: number; // bytes, in a block
  readonly exponents: number; // bits of the exponents in a word of 1, 2 or 4 bytes, the fewest in which they fit
}

const HALF = 0x7c00;
const HALVES = 0x7c007c00;
/**
 * The high bits of the exponent of MXFP4 are all set from 252 on. From 253 on, 2^(exponent - 127) times the codes 4 and 6
 * exceeds float32, and 255 is NaN (OCP Microscaling Formats 1.0, E8M0).
 */
const E8M0 = 0xfc;

/** A word is a float, two of them, a scale, or a scale and a minimum (dequantize.ts has the layouts). Absent: no floats. */
const WORDS: Partial<Record<TensorType, ExponentWords>> = {
  F32: { offset: 0, exponents: 0x7f800000 },
  F16: { offset: 0, exponents: HALVES },
  BF16: { offset: 0, exponents: 0x7f807f80 },
  Q4_0: { offset: 0, exponents: HALF },
  Q4_1: { offset: 0, exponents: HALVES },
  Q5_0: { offset: 0, exponents: HALF },
  Q5_1: { offset: 0, exponents: HALVES },
  Q8_0: { offset: 0, exponents: HALF },
  Q2_K: { offset: 80, exponents: HALVES },
  Q3_K: { offset: 108, exponents: HALF },
  Q4_K: { offset: 0, exponents: HALVES },
  Q5_K: { offset: 0, exponents: HALVES },
  Q6_K: { offset: 208, exponents: HALF },
  IQ4_NL: { offset: 0, exponents: HALF },
  MXFP4: { offset: 0, exponents: E8M0 },
  IQ4_XS: { offset: 0, exponents: HALF },
  TQ1_0: { offset: 52, exponents: HALF },
  TQ2_0: { offset: 64, exponents: HALF },
};

/** Where the exponents of a type are, and the bytes from word to word; undefined for a type without floats. */
export function exponentWords(type: TensorType): (ExponentWords & { readonly step: number }) | undefined {
  const words = WORDS[type];
  return words && { ...words, step: Math.max(4, QUANT_FORMATS[type].bytes) };
}

/** Whether all weights of whole blocks are finite. Types without floats always are. */
export function allFinite(type: TensorType, bytes: Uint8Array): boolean {
  const words = exponentWords(type);
  if (!words) return true;
  const { offset, step, exponents } = words;
  const { buffer, byteOffset, length } = aligned(bytes);
  const array =
    exponents <= 0xff
      ? new Uint8Array(buffer, byteOffset, length)
      : exponents <= 0xffff
        ? new Uint16Array(buffer, byteOffset, length / 2)
        : new Int32Array(buffer, byteOffset, length / 4);
  const size = array.BYTES_PER_ELEMENT;
  return !anyFull(array, offset / size, step / size, exponents);
}

/**
 * Whether one of the exponents has all its bits set, in every `step`th word from `first` on. Adding the lowest bit of an
 * exponent then carries into the bit above it.
 */
function anyFull(
  words: Int32Array | Uint16Array | Uint8Array,
  first: number,
  step: number,
  exponents: number,
): boolean {
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
