/**
 * Weights as numbers, for each tensor type that is computed: one formula a type.
 *
 * Block layouts are ggml's (ggml-common.h, ggml-quants.c), as gguf-py 0.19 reads them in quants.py. d and m
 * are float16; scales and codes are integers. Results equal gguf-py's `dequantize`, which calculates in
 * float32: every product is exact in float32 and every sum in float64, so only storing a weight rounds it.
 */
import { QUANT_FORMATS, type TensorType } from '../quant-formats.ts';

/** Weight i of the block at byte `at`. */
type Decode = (bytes: DataView, at: number, i: number) => number;

const DECODERS: Partial<Record<TensorType, Decode>> = {
  F32: (bytes, at) => bytes.getFloat32(at, true),
  F16: float16,
  BF16: bfloat16,

  // ----- 32 weights: d (MXFP4: its exponent, a byte), m if any, fifth bits if any, codes

  Q4_0: (bytes, at, i) => float16(bytes, at) * (code(bytes, at + 2, i, 4, 16) - 8),
  Q4_1: (bytes, at, i) => float16(bytes, at) * code(bytes, at + 4, i, 4, 16) + float16(bytes, at + 2),
  Q5_0: (bytes, at, i) => float16(bytes, at) * (code5(bytes, at + 2, i) - 16),
  Q5_1: (bytes, at, i) => float16(bytes, at) * code5(bytes, at + 4, i) + float16(bytes, at + 2),
  Q8_0: (bytes, at, i) => float16(bytes, at) * bytes.getInt8(at + 2 + i),
  IQ4_NL: (bytes, at, i) => float16(bytes, at) * IQ4_LEVELS[code(bytes, at + 2, i, 4, 16)]!,
  MXFP4: (bytes, at, i) => 2 ** (bytes.getUint8(at) - 127) * E2M1[code(bytes, at + 1, i, 4, 16)]!,

  // ----- 256 weights in parts of 16 or 32, each with its own scale, and min if any

  // 16 bytes of scale | min << 4, 64 of codes, d, m
  Q2_K(bytes, at, i) {
    const part = bytes.getUint8(at + (i >> 4));
    const d = float16(bytes, at + 80) * (part & 15);
    const m = float16(bytes, at + 82) * (part >> 4);
    return d * code(bytes, at + 16, i, 2, 32) - m;
  },
  // 32 bytes of the codes' third bits, 64 of their low two; 8 of the scales' low four, 4 of their high two; d
  Q3_K(bytes, at, i) {
    const part = i >> 4;
    const scale = code(bytes, at + 96, part, 4, 8) | (code(bytes, at + 104, part, 2, 4) << 4);
    const q = code(bytes, at + 32, i, 2, 32) | (code(bytes, at, i, 1, 32) << 2);
    return float16(bytes, at + 108) * (scale - 32) * (q - 4);
  },
  // d, m, 12 bytes of scales and mins, 128 of codes
  Q4_K: (bytes, at, i) => scaled(bytes, at, i >> 5, code(bytes, at + 16, i, 4, 32)),
  // d, m, 12 bytes of scales and mins, 32 of the codes' fifth bits, 128 of their low four
  Q5_K(bytes, at, i) {
    const q = code(bytes, at + 48, i, 4, 32) | (code(bytes, at + 16, i, 1, 32) << 4);
    return scaled(bytes, at, i >> 5, q);
  },
  // 128 bytes of the codes' low four bits, 64 of their high two, 16 int8 scales, d
  Q6_K(bytes, at, i) {
    const scale = bytes.getInt8(at + 192 + (i >> 4));
    const q = code(bytes, at, i, 4, 64) | (code(bytes, at + 128, i, 2, 32) << 4);
    return float16(bytes, at + 208) * scale * (q - 32);
  },
  // d, 2 bytes of the scales' high two bits, 4 of their low four, 128 of codes
  IQ4_XS(bytes, at, i) {
    const part = i >> 5;
    const scale = code(bytes, at + 4, part, 4, 1) | (code(bytes, at + 2, part, 2, 1) << 4);
    return float16(bytes, at) * (scale - 32) * IQ4_LEVELS[code(bytes, at + 8, i, 4, 16)]!;
  },

  // ----- 256 weights of -d, 0 or d: codes, d

  TQ1_0: (bytes, at, i) => float16(bytes, at + 52) * (trit(bytes, at, i) - 1),
  TQ2_0: (bytes, at, i) => float16(bytes, at + 64) * (code(bytes, at, i, 2, 32) - 1),
};

/** The tensor types `dequantize` supports. */
export const DEQUANTIZED_TYPES = Object.keys(DECODERS) as readonly TensorType[];

/** Dequantizes `bytes`, whole blocks of one of `DEQUANTIZED_TYPES`. Another type throws RangeError. */
export function dequantize(type: TensorType, bytes: Uint8Array): Float32Array {
  const decode = DECODERS[type];
  if (!decode) throw new RangeError(`Expected one of ${DEQUANTIZED_TYPES.join(', ')}, got ${type}.`);
  const { elements, bytes: blockBytes } = QUANT_FORMATS[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array((bytes.byteLength / blockBytes) * elements);
  let n = 0;
  for (let at = 0; at < bytes.byteLength; at += blockBytes) {
    for (let i = 0; i < elements; i++) out[n++] = decode(view, at, i);
  }
  return out;
}

// ----- integers

/**
 * Code i of the codes packed from byte `at` on. Each has 1, 2 or 4 bits. They lie in runs of `width` bytes: byte j of
 * a run holds codes j, j + width, j + 2 width, ... of the run, lowest bits first.
 */
function code(bytes: DataView, at: number, i: number, bits: number, width: number): number {
  const perByte = 8 / bits;
  const row = Math.floor(i / width);
  const byte = bytes.getUint8(at + Math.floor(row / perByte) * width + (i % width));
  return (byte >> (bits * (row % perByte))) & ((1 << bits) - 1);
}

/** 5-bit code i of 32: 4 bytes of fifth bits in order, then 16 bytes of the low four. */
function code5(bytes: DataView, at: number, i: number): number {
  return code(bytes, at + 4, i, 4, 16) | (code(bytes, at, i, 1, 1) << 4);
}

/** Q4_K and Q5_K: weight of code q in part p (0..7), from d and m of the block and scale and min of the part. */
function scaled(bytes: DataView, at: number, p: number, q: number): number {
  const d = float16(bytes, at) * sixBits(bytes, at + 4, p, 0);
  const m = float16(bytes, at + 2) * sixBits(bytes, at + 4, p, 4);
  return d * q - m;
}

/**
 * Scale (`side` 0) or min (`side` 4) of part p in 0..7, from 12 bytes. Parts 0 to 3 use the low six bits of bytes
 * 0 to 3 (scales) and 4 to 7 (mins). Parts 4 to 7 keep their high two bits above those, and their low four bits in
 * bytes 8 to 11: scales in the low half, mins in the high half.
 */
function sixBits(bytes: DataView, at: number, p: number, side: 0 | 4): number {
  const byte = bytes.getUint8(at + side + (p & 3));
  if (p < 4) return byte & 63;
  return ((bytes.getUint8(at + 4 + p) >> side) & 15) | ((byte >> 6) << 4);
}

/**
 * Digit i of TQ1_0, 0 to 2: runs of 32 and 16 bytes with five digits a byte, then of 4 bytes with four. A byte is a
 * fraction with these base-3 digits, in 256ths, rounded up: multiplied by 3, it carries out its first digit.
 */
function trit(bytes: DataView, at: number, i: number): number {
  const [start, width] = i < 160 ? [0, 32] : i < 240 ? [160, 16] : [240, 4];
  const byte = bytes.getUint8(at + start / 5 + ((i - start) % width));
  const rest = (byte * 3 ** Math.floor((i - start) / width)) & 255;
  return (rest * 3) >> 8;
}

// ----- floats

function float16(bytes: DataView, at: number): number {
  return bytes.getFloat16(at, true);
}

/** A bfloat16 is the high half of a float32. */
function bfloat16(bytes: DataView, at: number): number {
  BITS.setUint32(0, bytes.getUint16(at, true) << 16);
  return BITS.getFloat32(0);
}

const BITS = new DataView(new ArrayBuffer(4));

/** The levels of IQ4_NL and IQ4_XS (ggml's kvalues_iq4nl). */
const IQ4_LEVELS = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** FP4 of the OCP Microscaling specification 1.0, but code 8 is 0 as in ggml, not -0. */
const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6];
