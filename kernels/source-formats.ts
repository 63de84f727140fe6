/**
 * The types that checkpoints store weights in: those of GGUF, and some that only other formats have, named as safetensors
 * names them.
 *
 * F8_E4M3, F8_E5M2: floats of 8 bits (OCP 8-bit Floating Point 1.0). F8_E8M0: 2^(x - 127), scales of the OCP Microscaling
 * specification 1.0. U8: whole numbers, or codes packed by a format's own rule.
 */
import { QUANT_FORMATS, type TensorType } from './quant-formats.ts';
import { DEQUANTIZED_TYPES, dequantize } from './reference/dequantize.ts';

const BYTE = { elements: 1, bytes: 1 } as const;
const FORMATS = { ...QUANT_FORMATS, F8_E4M3: BYTE, F8_E5M2: BYTE, F8_E8M0: BYTE, U8: BYTE } as const;

export type SourceType = keyof typeof FORMATS;

export const SOURCE_TYPES = Object.keys(FORMATS) as readonly SourceType[];

/** Weights in a block, and its bytes. */
export function sourceFormat(type: SourceType): { readonly elements: number; readonly bytes: number } {
  return FORMATS[type];
}

type ByteType = Exclude<SourceType, TensorType>;

/** A byte as a number. */
const BYTES: Readonly<Record<ByteType, (byte: number) => number>> = {
  F8_E4M3: e4m3,
  F8_E5M2: (byte) => new Float16Array(Uint16Array.of(byte << 8).buffer)[0]!,
  F8_E8M0: (byte) => (byte === 255 ? Number.NaN : 2 ** (byte - 127)),
  U8: (byte) => byte,
};

/** Sign, 4 bits of exponent, 3 of mantissa; the largest code is no number, and there is no infinity. */
function e4m3(byte: number): number {
  const [sign, exponent, mantissa] = [byte >> 7 ? -1 : 1, (byte >> 3) & 15, byte & 7];
  if (exponent === 15 && mantissa === 7) return Number.NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10));
}

/** The types `decode` knows. */
export const DECODED_TYPES: readonly SourceType[] = [
  ...DEQUANTIZED_TYPES,
  ...(Object.keys(BYTES) as ByteType[]),
];

/** All float16 numbers, made when they are first needed: a table is several times faster than conversion. */
let halves: Float32Array | undefined;
function halfFloats(): Float32Array {
  halves ??= Float32Array.from(new Float16Array(Uint16Array.from({ length: 65_536 }, (_, i) => i).buffer));
  return halves;
}

/** The numbers in whole blocks of one of DECODED_TYPES; of F32 a view of `bytes`, which begin at a word of their buffer. */
export function decode(type: SourceType, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = bytes;
  if (type === 'F32') return new Float32Array(buffer, byteOffset, length / 4);
  if (type === 'F16' || type === 'BF16') {
    const table = type === 'F16' ? halfFloats() : undefined;
    const halves = new Uint16Array(buffer, byteOffset, length / 2);
    const values = new Float32Array(halves.length);
    const bits = new Uint32Array(values.buffer);
    if (table) for (let i = 0; i < halves.length; i++) values[i] = table[halves[i]!]!;
    else for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
    return values;
  }
  if (!isByteType(type)) return dequantize(type, bytes) as Float32Array<ArrayBuffer>;
  const table = Float32Array.from({ length: 256 }, (_, byte) => BYTES[type](byte));
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = table[bytes[i]!]!;
  return values;
}

function isByteType(type: SourceType): type is ByteType {
  return type in BYTES;
}
