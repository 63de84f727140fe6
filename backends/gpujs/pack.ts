/** Repacks weights of a file into packed blocks (kernels/gpujs/packed-block.ts). */
import { blockLayout, GROUP, type PackedBlock, packedLength } from '../../kernels/gpujs/packed-block.ts';
import { type Codes, newCodes, PART, unpackBlocks } from '../../kernels/quant-codes.ts';
import { rowBytes, type TensorType } from '../../kernels/quant-formats.ts';

const FLOAT = { weights: 1, bits: 0, signed: false, minimum: false } as const;

/**
 * Packed blocks of each type, with 32 or 16 weights a scale. Codes of 2 and 3 bits are stored in 4 bits, codes of 5 bits
 * in 6, levels of a table in 6 or 8.
 */
export const PACKED_BLOCKS: Partial<Record<TensorType, PackedBlock>> = {
  F32: FLOAT,
  F16: FLOAT,
  BF16: FLOAT,
  Q4_0: { weights: 32, bits: 4, signed: true, minimum: false },
  Q4_1: { weights: 32, bits: 4, signed: false, minimum: true },
  Q5_0: { weights: 32, bits: 6, signed: true, minimum: false },
  Q5_1: { weights: 32, bits: 6, signed: false, minimum: true },
  Q8_0: { weights: 32, bits: 8, signed: true, minimum: false },
  IQ4_NL: { weights: 32, bits: 8, signed: true, minimum: false },
  MXFP4: { weights: 32, bits: 6, signed: true, minimum: false },
  Q2_K: { weights: 16, bits: 4, signed: false, minimum: true },
  Q3_K: { weights: 16, bits: 4, signed: true, minimum: false },
  Q4_K: { weights: 32, bits: 4, signed: false, minimum: true },
  Q5_K: { weights: 32, bits: 6, signed: false, minimum: true },
  Q6_K: { weights: 16, bits: 6, signed: true, minimum: false },
  IQ4_XS: { weights: 32, bits: 8, signed: true, minimum: false },
  TQ1_0: { weights: 32, bits: 4, signed: true, minimum: false },
  TQ2_0: { weights: 32, bits: 4, signed: true, minimum: false },
};

export interface PackedShape {
  readonly type: TensorType;
  readonly rows: number;
  readonly cols: number;
}

/** Packs a whole matrix. `out` must hold packedLength zeros. */
export function packMatrix({ type, rows, cols }: PackedShape, bytes: Uint8Array, out: Float32Array): void {
  const packRow = rowPacker(type, cols);
  const groupLength = packedLength(PACKED_BLOCKS[type]!, GROUP, cols);
  const length = rowBytes(type, cols);
  for (let row = 0; row < rows; row++) {
    const lane = row % GROUP;
    const at = ((row - lane) / GROUP) * groupLength + lane;
    packRow(bytes.subarray(row * length, (row + 1) * length), out, at, GROUP);
  }
}

/** Packs one row, its floats side by side. */
export function packRow({ type, cols }: Pick<PackedShape, 'type' | 'cols'>, bytes: Uint8Array): Float32Array {
  const block = PACKED_BLOCKS[type]!;
  const out = new Float32Array((cols / block.weights) * blockLayout(block).floats);
  rowPacker(type, cols)(bytes, out, 0, 1);
  return out;
}

/** Writes a row's floats to out[at], out[at + stride], ... */
type PackRow = (bytes: Uint8Array, out: Float32Array, at: number, stride: number) => void;

function rowPacker(type: TensorType, cols: number): PackRow {
  const block = PACKED_BLOCKS[type]!;
  if (block.bits === 0) return (bytes, out, at, stride) => packFloats(type, bytes, out, at, stride);
  const codes = newCodes(cols);
  return (bytes, out, at, stride) => {
    unpackBlocks(type, bytes, codes);
    packCodes(block, codes, out, at, stride);
  };
}

function packCodes(block: PackedBlock, row: Codes, out: Float32Array, at: number, stride: number): void {
  const { weights, bits, minimum, perWord } = blockLayout(block);
  const { codes, scales, minimums } = row;
  const mask = (1 << bits) - 1;
  for (let start = 0; start < codes.length; start += weights) {
    out[at] = scales[start / PART]!;
    at += stride;
    if (minimum) {
      out[at] = minimums[start / PART]!;
      at += stride;
    }
    for (let i = start; i < start + weights; ) {
      const end = Math.min(i + perWord, start + weights);
      let word = 0;
      for (let shift = 0; i < end; i++, shift += bits) word |= (codes[i]! & mask) << shift;
      out[at] = word;
      at += stride;
    }
  }
}

function packFloats(
  type: TensorType,
  bytes: Uint8Array,
  out: Float32Array,
  at: number,
  stride: number,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = type === 'F32' ? 4 : 2;
  for (let from = 0; from < bytes.length; from += size, at += stride) {
    if (type === 'F32') out[at] = view.getFloat32(from, true);
    else if (type === 'F16') out[at] = view.getFloat16(from, true);
    else {
      BITS.setUint32(0, view.getUint16(from, true) << 16);
      out[at] = BITS.getFloat32(0);
    }
  }
}

const BITS = new DataView(new ArrayBuffer(4));
