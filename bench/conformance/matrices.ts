/** Seeded random weights of every computed tensor type, for checks without trained weights. */
import type { WeightDesc } from '../../backends/backend.ts';
import { Random } from '../../core/sampler/random.ts';
import { QUANT_FORMATS, rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';

/** Generated at the first read, so a table of many matrices costs nothing. */
export interface Matrix {
  readonly desc: WeightDesc;
  readonly bytes: Uint8Array;
  readonly values: Float32Array; // [rows, cols], dequantized
}

class LazyMatrix implements Matrix {
  readonly desc: WeightDesc;
  readonly #make: () => Uint8Array;
  #bytes: Uint8Array | undefined;
  #values: Float32Array | undefined;

  constructor(desc: WeightDesc, make: () => Uint8Array) {
    this.desc = desc;
    this.#make = make;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= this.#make();
    return this.#bytes;
  }

  get values(): Float32Array {
    this.#values ??= dequantize(this.desc.type, this.bytes);
    return this.#values;
  }
}

/** Offsets and sizes of the float16 numbers in a block; all other bytes are codes. */
const HALVES: Partial<Record<TensorType, readonly { at: number; size: number }[]>> = {
  Q4_0: [{ at: 0, size: 0.1 }],
  Q4_1: [
    { at: 0, size: 0.1 },
    { at: 2, size: -0.8 },
  ],
  Q5_0: [{ at: 0, size: 0.06 }],
  Q5_1: [
    { at: 0, size: 0.06 },
    { at: 2, size: -0.9 },
  ],
  Q8_0: [{ at: 0, size: 0.01 }],
  IQ4_NL: [{ at: 0, size: 0.01 }],
  Q2_K: [
    { at: 80, size: 0.04 },
    { at: 82, size: 0.06 },
  ],
  Q3_K: [{ at: 108, size: 0.01 }],
  Q4_K: [
    { at: 0, size: 0.002 },
    { at: 2, size: 0.015 },
  ],
  Q5_K: [
    { at: 0, size: 0.001 },
    { at: 2, size: 0.015 },
  ],
  Q6_K: [{ at: 208, size: 0.0005 }],
  IQ4_XS: [{ at: 0, size: 0.0005 }],
  TQ1_0: [{ at: 52, size: 1 }],
  TQ2_0: [{ at: 64, size: 1 }],
  MXFP4: [], // has an exponent instead
};

/** A matrix of values around -1 to 1 times `size`; type, shape, size and seed determine the values. */
export function randomMatrix(type: TensorType, rows: number, cols: number, size = 1, seed = ''): Matrix {
  return new LazyMatrix({ name: `${type} [${rows}, ${cols}]`, type, rows, cols }, () => {
    const random = seeded(`${type} ${rows} ${cols} ${size}${seed}`);
    const bytes = new Uint8Array(rows * rowBytes(type, cols));
    const block = QUANT_FORMATS[type].bytes;
    for (let at = 0; at < bytes.length; at += block) {
      writeBlock(type, new DataView(bytes.buffer, at, block), size, random);
    }
    return bytes;
  });
}

/** An F32 matrix of values between 0 and `size`. */
export function oneSignMatrix(rows: number, cols: number, size: number, seed = ''): Matrix {
  const desc = { name: `of one sign [${rows}, ${cols}]`, type: 'F32', rows, cols } as const;
  return new LazyMatrix(desc, () => {
    const random = seeded(`of one sign ${rows} ${cols} ${size}${seed}`);
    const values = Float32Array.from({ length: rows * cols }, () => size * random.uniform());
    return new Uint8Array(values.buffer);
  });
}

/** A vector of F32. */
export function floatVector(values: readonly number[]): Matrix {
  const desc = { name: `F32 [${values.length}]`, type: 'F32', rows: 1, cols: values.length } as const;
  return new LazyMatrix(desc, () => new Uint8Array(Float32Array.from(values).buffer));
}

/** The rows as matrices of equal size, one for each expert. */
export function ofExperts(matrix: Matrix, experts: number): Matrix {
  return new LazyMatrix({ ...matrix.desc, experts }, () => matrix.bytes);
}

/** Rows of picks: `count` different experts, then their weights. */
export function picksMatrix(rows: number, experts: number, count: number): Matrix {
  const desc = { name: `picks of ${experts}`, type: 'F32', rows, cols: 2 * count } as const;
  return new LazyMatrix(desc, () => {
    const random = seeded(`picks ${rows} ${experts} ${count}`);
    const row = () => {
      const picked = new Set<number>();
      while (picked.size < count) picked.add(random.bits32() % experts);
      return [...picked, ...Array.from(picked, () => random.uniform())];
    };
    return new Uint8Array(Float32Array.from(Array.from({ length: rows }, row).flat()).buffer);
  });
}

/** The same values in F32: a cache of the original type holds them exactly, and every backend reads F32 tables. */
export function inFloats(matrix: Matrix): Matrix {
  const desc = { ...matrix.desc, name: `${matrix.desc.name} in F32`, type: 'F32' } as const;
  return new LazyMatrix(desc, () => new Uint8Array(matrix.values.buffer));
}

/**
 * An F32 matrix of integers times `size` that 8-bit caches hold exactly. The first of every `block` columns in a head
 * of D is `peak`, the largest magnitude, so that rounding to 8 bits maps every number to itself as a code.
 */
export function codedMatrix(
  rows: number,
  cols: number,
  { D, block, peak, size }: { D: number; block: number; peak: number; size: number },
): Matrix {
  return new LazyMatrix({ name: `coded [${rows}, ${cols}]`, type: 'F32', rows, cols }, () => {
    const random = seeded(`${rows} ${cols} ${block} ${peak}`);
    const values = Float32Array.from({ length: rows * cols }, (_, i) => {
      const code = Math.round(250 * random.uniform() - 125);
      return size * (((i % cols) % D) % block === 0 ? peak : code);
    });
    return new Uint8Array(values.buffer);
  });
}

/** A random stream for each name. */
function seeded(name: string): Random {
  let seed = 0x811c9dc5; // FNV-1a
  for (const char of name) seed = Math.imul(seed ^ char.codePointAt(0)!, 0x01000193);
  return new Random(seed >>> 0);
}

function writeBlock(type: TensorType, block: DataView, size: number, random: Random): void {
  const value = size * (2 * random.uniform() - 1);
  if (type === 'F32') block.setFloat32(0, value, true);
  else if (type === 'F16') block.setFloat16(0, value, true);
  else if (type === 'BF16') block.setUint16(0, upperHalf(value), true);
  else {
    for (let i = 0; i < block.byteLength; i++) block.setUint8(i, random.bits32());
    for (const half of HALVES[type]!) {
      block.setFloat16(half.at, size * half.size * (0.5 + random.uniform()), true);
    }
    if (type === 'MXFP4') block.setUint8(0, 122 + (random.bits32() & 3)); // 2^-5 to 2^-2, times up to 6
  }
}

/** The high 16 bits of a float32. */
function upperHalf(value: number): number {
  BITS.setFloat32(0, value);
  return BITS.getUint16(0);
}

const BITS = new DataView(new ArrayBuffer(4));
