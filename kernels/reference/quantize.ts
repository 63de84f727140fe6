/**
 * Numbers as weights of a tensor type: one formula a type, that of ggml's quantize_row_*_ref (ggml-quants.c), in its own
 * arithmetic: float32, so every result is rounded by Math.fround. What dequantize.ts reads, this writes.
 */
import { QUANT_FORMATS, type TensorType } from '../quant-formats.ts';
import type { EncodeBlock } from './k-block.ts';
import { encodeQ4K, encodeQ5K } from './quantize-q4-k.ts';
import { encodeQ6K } from './quantize-q6-k.ts';

const { fround, trunc, abs, min } = Math;

const ENCODERS: Partial<Record<TensorType, EncodeBlock>> = {
  Q4_K: encodeQ4K,
  Q5_K: encodeQ5K,
  Q6_K: encodeQ6K,
  F32: (x, i, out, at) => out.setFloat32(at, x[i]!, true),
  F16: (x, i, out, at) => out.setFloat16(at, x[i]!, true),
  BF16: (x, i, out, at) => out.setUint16(at, bfloat16(x[i]!), true),

  Q8_0(x, i, out, at) {
    let largest = 0;
    for (let j = 0; j < 32; j++) largest = Math.max(largest, abs(x[i + j]!));
    const d = fround(largest / 127);
    const inverse = inverseOf(d);
    out.setFloat16(at, d, true);
    for (let j = 0; j < 32; j++) out.setInt8(at + 2 + j, round(fround(x[i + j]! * inverse)));
  },
  Q4_0(x, i, out, at) {
    out.setFloat16(at, signed(x, i, 8), true);
    nibbles(out, at + 2);
  },
  Q4_1(x, i, out, at) {
    out.setFloat16(at, ranged(x, i, 15), true);
    out.setFloat16(at + 2, smallest, true);
    nibbles(out, at + 4);
  },
  Q5_0(x, i, out, at) {
    out.setFloat16(at, signed(x, i, 16), true);
    fiveBits(out, at + 2);
  },
  Q5_1(x, i, out, at) {
    out.setFloat16(at, ranged(x, i, 31), true);
    out.setFloat16(at + 2, smallest, true);
    fiveBits(out, at + 4);
  },
};

/** The tensor types `quantize` knows. */
export const QUANTIZED_TYPES = Object.keys(ENCODERS) as readonly TensorType[];

/**
 * Writes whole blocks of one of QUANTIZED_TYPES to `into`, from its start on. Throws RangeError for another type.
 *
 * @param importance of each column of a row, for the K types; default: all alike
 */
export function quantize(
  type: TensorType,
  values: Float32Array,
  into: Uint8Array,
  importance?: Float32Array,
): void {
  const encode = ENCODERS[type];
  if (!encode) throw new RangeError(`Expected one of ${QUANTIZED_TYPES.join(', ')}, got ${type}.`);
  const { elements, bytes } = QUANT_FORMATS[type];
  const out = new DataView(into.buffer, into.byteOffset, into.byteLength);
  const cols = importance?.length ?? values.length;
  for (let i = 0, at = 0; i < values.length; i += elements, at += bytes) {
    encode(values, i, out, at, importance, i % cols);
  }
}

/** Codes of the block that is being written. */
const codes = new Uint8Array(32);
/** The number of code 0 of a block of `ranged`. */
let smallest = 0;

/**
 * Codes around zero: the number furthest from it has code 0, so the scale has the other sign. NaN counts as furthest.
 * Returns the scale.
 */
function signed(x: Float32Array, i: number, half: 8 | 16): number {
  let furthest = 0;
  for (let j = i; j < i + 32; j++) {
    const value = x[j]!;
    if (abs(value) > abs(furthest) || Number.isNaN(value)) furthest = value;
  }
  const d = fround(furthest / -half);
  const inverse = inverseOf(d);
  const middle = half + 0.5;
  for (let j = 0; j < 32; j++) {
    codes[j] = min(2 * half - 1, trunc(fround(fround(x[i + j]! * inverse) + middle)));
  }
  return d;
}

/** Codes from the smallest number on. Returns the scale. */
function ranged(x: Float32Array, i: number, most: 15 | 31): number {
  let largest = x[i]!;
  smallest = largest;
  for (let j = i + 1; j < i + 32; j++) {
    smallest = min(smallest, x[j]!);
    largest = Math.max(largest, x[j]!);
  }
  const d = fround(fround(largest - smallest) / most);
  const inverse = inverseOf(d);
  const from = smallest;
  for (let j = 0; j < 32; j++) {
    codes[j] = min(most, trunc(fround(fround(fround(x[i + j]! - from) * inverse) + 0.5)));
  }
  return d;
}

/** 16 bytes, each of two codes 16 apart. */
function nibbles(out: DataView, at: number): void {
  for (let j = 0; j < 16; j += 4) {
    let word = 0;
    for (let k = 0; k < 4; k++) word |= (codes[j + k]! | (codes[16 + j + k]! << 4)) << (8 * k);
    out.setInt32(at + j, word, true);
  }
}

/** 4 bytes of fifth bits in order, then 16 of the lower four. */
function fiveBits(out: DataView, at: number): void {
  let fifths = 0;
  for (let j = 0; j < 16; j++) {
    const [low, high] = [codes[j]!, codes[16 + j]!];
    out.setUint8(at + 4 + j, (low & 15) | ((high & 15) << 4));
    fifths |= ((low >> 4) << j) | ((high >> 4) << (16 + j));
  }
  out.setUint32(at, fifths >>> 0, true);
}

function inverseOf(d: number): number {
  return d === 0 ? 0 : fround(1 / d);
}

/** Halves away from zero. */
function round(x: number): number {
  return trunc(x + (x < 0 ? -0.5 : 0.5));
}

/** The upper half of the float32, rounded to even; what is no number stays none. */
function bfloat16(x: number): number {
  BITS.setFloat32(0, x);
  const bits = BITS.getUint32(0);
  if (Number.isNaN(x)) return (bits >>> 16) | 64;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

const BITS = new DataView(new ArrayBuffer(4));
