/**
 * Numbers as weights of a tensor type: one formula a type, that of ggml's quantize_row_*_ref (ggml-quants.c), in its own
 * arithmetic: float32, so every result is rounded by Math.fround. What dequantize.ts reads, this writes.
 */
import { QUANT_FORMATS, type TensorType } from '../quant-formats.ts';

/** Writes x[i], x[i + 1], ... as the block at byte `at`. */
type Encode = (x: Float32Array, i: number, out: DataView, at: number) => void;

const { fround, trunc, abs, min } = Math;

const ENCODERS: Partial<Record<TensorType, Encode>> = {
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
    const { d, code } = signed(x, i, 8);
    out.setFloat16(at, d, true);
    for (let j = 0; j < 16; j++) out.setUint8(at + 2 + j, code(j) | (code(16 + j) << 4));
  },
  Q4_1(x, i, out, at) {
    const { d, m, code } = ranged(x, i, 15);
    out.setFloat16(at, d, true);
    out.setFloat16(at + 2, m, true);
    for (let j = 0; j < 16; j++) out.setUint8(at + 4 + j, code(j) | (code(16 + j) << 4));
  },
  Q5_0(x, i, out, at) {
    const { d, code } = signed(x, i, 16);
    out.setFloat16(at, d, true);
    fiveBits(code, out, at + 2);
  },
  Q5_1(x, i, out, at) {
    const { d, m, code } = ranged(x, i, 31);
    out.setFloat16(at, d, true);
    out.setFloat16(at + 2, m, true);
    fiveBits(code, out, at + 4);
  },
};

/** The tensor types `quantize` knows. */
export const QUANTIZED_TYPES = Object.keys(ENCODERS) as readonly TensorType[];

/**
 * Writes whole blocks of one of QUANTIZED_TYPES to `into`, from its start on. Throws RangeError for another type.
 */
export function quantize(type: TensorType, values: Float32Array, into: Uint8Array): void {
  const encode = ENCODERS[type];
  if (!encode) throw new RangeError(`Expected one of ${QUANTIZED_TYPES.join(', ')}, got ${type}.`);
  const { elements, bytes } = QUANT_FORMATS[type];
  const out = new DataView(into.buffer, into.byteOffset, into.byteLength);
  for (let i = 0, at = 0; i < values.length; i += elements, at += bytes) encode(values, i, out, at);
}

/** Codes around zero: the number furthest from it has code 0, so d has the other sign. NaN counts as furthest. */
function signed(x: Float32Array, i: number, half: 8 | 16): { d: number; code: (j: number) => number } {
  let furthest = 0;
  for (let j = 0; j < 32; j++) {
    const value = x[i + j]!;
    if (abs(value) > abs(furthest) || Number.isNaN(value)) furthest = value;
  }
  const d = fround(furthest / -half);
  const inverse = inverseOf(d);
  return { d, code: (j) => min(2 * half - 1, trunc(fround(fround(x[i + j]! * inverse) + half + 0.5))) };
}

/** Codes from the smallest number on. */
function ranged(
  x: Float32Array,
  i: number,
  most: 15 | 31,
): { d: number; m: number; code: (j: number) => number } {
  let [smallest, largest] = [x[i]!, x[i]!];
  for (let j = 1; j < 32; j++) {
    smallest = min(smallest, x[i + j]!);
    largest = Math.max(largest, x[i + j]!);
  }
  const d = fround(fround(largest - smallest) / most);
  const inverse = inverseOf(d);
  const code = (j: number) => min(most, trunc(fround(fround(fround(x[i + j]! - smallest) * inverse) + 0.5)));
  return { d, m: smallest, code };
}

/** 4 bytes of fifth bits in order, then 16 of the lower four. */
function fiveBits(code: (j: number) => number, out: DataView, at: number): void {
  let fifths = 0;
  for (let j = 0; j < 16; j++) {
    const [low, high] = [code(j), code(16 + j)];
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
