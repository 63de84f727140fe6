/**
 * Unpacks quantized weights into integer codes with scales: weight i of a row is code * scale + minimum, with one scale
 * and one minimum for every PART weights. Exact in float32 for every type. dequantize.ts has the formulas one weight
 * at a time; this file unpacks whole rows, fast enough to load a model.
 */
import { QUANT_FORMATS, type TensorType } from './quant-formats.ts';

export const PART = 16;

/** Buffers for the weights of whole blocks. */
export interface Codes {
  readonly codes: Int8Array; // one a weight
  readonly scales: Float32Array; // one a part
  readonly minimums: Float32Array; // one a part
}

/** Unpacks the block at byte `at` into `out`, starting at weight `i`. */
type Unpack = (bytes: DataView, at: number, out: Codes, i: number) => void;

const UNPACKERS: Partial<Record<TensorType, Unpack>> = {
  Q4_0(bytes, at, out, i) {
    nibbles(bytes, at + 2, out.codes, i, -8);
    fill(out, i, 2, bytes.getFloat16(at, true));
  },
  Q4_1(bytes, at, out, i) {
    nibbles(bytes, at + 4, out.codes, i, 0);
    fill(out, i, 2, bytes.getFloat16(at, true), bytes.getFloat16(at + 2, true));
  },
  Q5_0(bytes, at, out, i) {
    nibbles(bytes, at + 6, out.codes, i, -16);
    fifthBits(bytes.getUint32(at + 2, true), out.codes, i);
    fill(out, i, 2, bytes.getFloat16(at, true));
  },
  Q5_1(bytes, at, out, i) {
    nibbles(bytes, at + 8, out.codes, i, 0);
    fifthBits(bytes.getUint32(at + 4, true), out.codes, i);
    fill(out, i, 2, bytes.getFloat16(at, true), bytes.getFloat16(at + 2, true));
  },
  Q8_0(bytes, at, out, i) {
    for (let j = 0; j < 32; j++) out.codes[i + j] = bytes.getInt8(at + 2 + j);
    fill(out, i, 2, bytes.getFloat16(at, true));
  },
  IQ4_NL(bytes, at, out, i) {
    levels(bytes, at + 2, out.codes, i, IQ4_LEVELS);
    fill(out, i, 2, bytes.getFloat16(at, true));
  },
  MXFP4(bytes, at, out, i) {
    levels(bytes, at + 1, out.codes, i, E2M1_DOUBLED);
    fill(out, i, 2, 2 ** (bytes.getUint8(at) - 128));
  },
  Q2_K(bytes, at, out, i) {
    const [d, m] = [bytes.getFloat16(at + 80, true), bytes.getFloat16(at + 82, true)];
    bitPlanes(bytes, at + 16, out.codes, i, { bits: 2, width: 32, add: 0 });
    for (let part = 0; part < 16; part++) {
      const byte = bytes.getUint8(at + part);
      fill(out, i + PART * part, 1, d * (byte & 15), -m * (byte >> 4));
    }
  },
  Q3_K(bytes, at, out, i) {
    const d = bytes.getFloat16(at + 108, true);
    bitPlanes(bytes, at + 32, out.codes, i, { bits: 2, width: 32, add: -4 });
    for (let j = 0; j < 256; j++) {
      out.codes[i + j]! += ((bytes.getUint8(at + (j & 31)) >> (j >> 5)) & 1) << 2;
    }
    for (let part = 0; part < 16; part++) {
      const low = (bytes.getUint8(at + 96 + (part & 7)) >> (4 * (part >> 3))) & 15;
      const high = (bytes.getUint8(at + 104 + (part & 3)) >> (2 * (part >> 2))) & 3;
      fill(out, i + PART * part, 1, d * ((low | (high << 4)) - 32));
    }
  },
  Q4_K(bytes, at, out, i) {
    bitPlanes(bytes, at + 16, out.codes, i, { bits: 4, width: 32, add: 0 });
    sixBitScales(bytes, at, out, i);
  },
  Q5_K(bytes, at, out, i) {
    bitPlanes(bytes, at + 48, out.codes, i, { bits: 4, width: 32, add: 0 });
    for (let j = 0; j < 256; j++) {
      out.codes[i + j]! += ((bytes.getUint8(at + 16 + (j & 31)) >> (j >> 5)) & 1) << 4;
    }
    sixBitScales(bytes, at, out, i);
  },
  Q6_K(bytes, at, out, i) {
    const d = bytes.getFloat16(at + 208, true);
    bitPlanes(bytes, at, out.codes, i, { bits: 4, width: 64, add: -32 });
    for (let j = 0; j < 256; j++) {
      const upper = bytes.getUint8(at + 128 + ((j >> 7) << 5) + (j & 31)) >> (2 * ((j >> 5) & 3));
      out.codes[i + j]! += (upper & 3) << 4;
    }
    for (let part = 0; part < 16; part++) fill(out, i + PART * part, 1, d * bytes.getInt8(at + 192 + part));
  },
  IQ4_XS(bytes, at, out, i) {
    const d = bytes.getFloat16(at, true);
    const upper = bytes.getUint16(at + 2, true);
    for (let part = 0; part < 8; part++) {
      levels(bytes, at + 8 + 16 * part, out.codes, i + 32 * part, IQ4_LEVELS);
      const low = (bytes.getUint8(at + 4 + (part >> 1)) >> (4 * (part & 1))) & 15;
      fill(out, i + 32 * part, 2, d * ((low | (((upper >> (2 * part)) & 3) << 4)) - 32));
    }
  },
  TQ1_0(bytes, at, out, i) {
    for (let j = 0; j < 256; j++) out.codes[i + j] = trit(bytes, at, j) - 1;
    fill(out, i, 16, bytes.getFloat16(at + 52, true));
  },
  TQ2_0(bytes, at, out, i) {
    bitPlanes(bytes, at, out.codes, i, { bits: 2, width: 32, add: -1 });
    fill(out, i, 16, bytes.getFloat16(at + 64, true));
  },
};

/** The tensor types `unpackBlocks` supports. */
export const CODED_TYPES = Object.keys(UNPACKERS) as readonly TensorType[];

/**
 * Unpacks `bytes` into `out`, from its start on. `bytes` holds whole blocks of one of CODED_TYPES; another type throws
 * RangeError.
 */
export function unpackBlocks(type: TensorType, bytes: Uint8Array, out: Codes): void {
  const block = UNPACKERS[type];
  if (!block) throw new RangeError(`Expected one of ${CODED_TYPES.join(', ')}, got ${type}.`);
  const { elements, bytes: blockBytes } = QUANT_FORMATS[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0, i = 0; at < bytes.byteLength; at += blockBytes, i += elements) block(view, at, out, i);
}

/** Buffers for `count` weights. */
export function newCodes(count: number): Codes {
  const parts = count / PART;
  return { codes: new Int8Array(count), scales: new Float32Array(parts), minimums: new Float32Array(parts) };
}

function fill(out: Codes, i: number, parts: number, scale: number, minimum = 0): void {
  const first = i / PART;
  for (let part = first; part < first + parts; part++) {
    out.scales[part] = scale;
    out.minimums[part] = minimum;
  }
}

/** 32 codes of 4 bits: the low half of byte j holds code j, the high half code 16 + j. */
function nibbles(bytes: DataView, at: number, codes: Int8Array, i: number, add: number): void {
  for (let j = 0; j < 16; j++) {
    const byte = bytes.getUint8(at + j);
    codes[i + j] = (byte & 15) + add;
    codes[i + 16 + j] = (byte >> 4) + add;
  }
}

function levels(bytes: DataView, at: number, codes: Int8Array, i: number, level: Int8Array): void {
  for (let j = 0; j < 16; j++) {
    const byte = bytes.getUint8(at + j);
    codes[i + j] = level[byte & 15]!;
    codes[i + 16 + j] = level[byte >> 4]!;
  }
}

function fifthBits(bits: number, codes: Int8Array, i: number): void {
  for (let j = 0; j < 32; j++) codes[i + j]! += ((bits >>> j) & 1) << 4;
}

/** 256 codes in runs of `width` bytes: byte j of a run holds codes j, j + width, ... of the run, lowest bits first. */
function bitPlanes(
  bytes: DataView,
  at: number,
  codes: Int8Array,
  i: number,
  { bits, width, add }: { bits: 2 | 4; width: number; add: number },
): void {
  const mask = (1 << bits) - 1;
  const run = (width * 8) / bits;
  for (let start = 0; start < 256; start += run, at += width) {
    for (let j = 0; j < width; j++) {
      const byte = bytes.getUint8(at + j);
      for (let plane = 0; plane * bits < 8; plane++) {
        codes[i + start + plane * width + j] = ((byte >> (bits * plane)) & mask) + add;
      }
    }
  }
}

/** Scales and minimums of Q4_K and Q5_K: 8 parts of 32 weights; 6 bits each, times d and m of the block. */
function sixBitScales(bytes: DataView, at: number, out: Codes, i: number): void {
  const [d, m] = [bytes.getFloat16(at, true), bytes.getFloat16(at + 2, true)];
  for (let part = 0; part < 8; part++) {
    const { scale, minimum } = sixBits(bytes, at + 4, part);
    fill(out, i + 32 * part, 2, d * scale, -m * minimum);
  }
}

/**
 * Scale and minimum of part 0 to 7, from 12 bytes. Parts 0 to 3 use the low six bits of bytes 0 to 3 and 4 to 7.
 * Parts 4 to 7 keep their high two bits above those, and their low four bits in bytes 8 to 11.
 */
export function sixBits(bytes: DataView, at: number, part: number): { scale: number; minimum: number } {
  const [a, b] = [bytes.getUint8(at + (part & 3)), bytes.getUint8(at + 4 + (part & 3))];
  if (part < 4) return { scale: a & 63, minimum: b & 63 };
  const rest = bytes.getUint8(at + 4 + part);
  return { scale: (rest & 15) | ((a >> 6) << 4), minimum: (rest >> 4) | ((b >> 6) << 4) };
}

/** TQ1_0's digit j, 0 to 2: see dequantize.ts. */
function trit(bytes: DataView, at: number, j: number): number {
  const [start, width] = j < 160 ? [0, 32] : j < 240 ? [160, 16] : [240, 4];
  const byte = bytes.getUint8(at + start / 5 + ((j - start) % width));
  return ((((byte * 3 ** Math.floor((j - start) / width)) & 255) * 3) >> 8) as number;
}

/** The levels of IQ4_NL and IQ4_XS (ggml's kvalues_iq4nl). */
const IQ4_LEVELS = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

/** FP4 of the OCP Microscaling specification 1.0, doubled to make every level an integer. */
const E2M1_DOUBLED = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
