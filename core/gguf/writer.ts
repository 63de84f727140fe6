/** Writes the header of a GGUF file, version 3. Layout: ggml docs/gguf.md. The data of tensors follows it, aligned. */
import { QUANT_FORMATS, rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { isStrings } from './metadata.ts';
import type { GgufStrings, GgufValue } from './types.ts';

export interface WrittenTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[]; // columns first
}

export interface GgufLayout {
  readonly header: Uint8Array; // up to the first tensor
  readonly offsets: readonly number[]; // of each tensor, from the start of the file
  readonly bytes: number; // of the whole file
}

const ALIGNMENT = 32;
const TYPES = { U32: 4, I32: 5, F32: 6, BOOL: 7, STRING: 8, ARRAY: 9, U64: 10, I64: 11, F64: 12 } as const;

/** Keys whose numbers are not whole, whatever they happen to be. */
const FLOATS = /epsilon|freq_base|scale|factor|beta|multiplier|softcap|temp$|top_p|min_p|penalty_repeat|log_/;

/** A value as the file has it: its type, then itself. */
export type EncodedValue = Uint8Array;

/** Places tensors in their order, each at a multiple of the alignment. */
export function layOut(
  metadata: ReadonlyMap<string, EncodedValue>,
  tensors: readonly WrittenTensor[],
): GgufLayout {
  const relative: number[] = [];
  let end = 0;
  for (const { type, shape } of tensors) {
    relative.push(end);
    const rows = shape.slice(1).reduce((product, size) => product * size, 1);
    end = aligned(end + rows * rowBytes(type, shape[0]!));
  }
  const bytes = new Bytes();
  bytes.text('GGUF');
  bytes.u32(3);
  bytes.u64(tensors.length);
  bytes.u64(metadata.size);
  for (const [key, value] of metadata) {
    bytes.string(key);
    bytes.raw(value);
  }
  for (const [i, { name, type, shape }] of tensors.entries()) {
    bytes.string(name);
    bytes.u32(shape.length);
    for (const size of shape) bytes.u64(size);
    bytes.u32(QUANT_FORMATS[type].id);
    bytes.u64(relative[i]!);
  }
  bytes.raw(new Uint8Array(aligned(bytes.length) - bytes.length));
  const header = bytes.end();
  return { header, offsets: relative.map((offset) => header.length + offset), bytes: header.length + end };
}

function aligned(bytes: number): number {
  return ALIGNMENT * Math.ceil(bytes / ALIGNMENT);
}

/** A value in the type that readers expect under its key: whole numbers are u32, or i32 below zero. */
export function encodedValue(key: string, value: GgufValue): EncodedValue {
  const bytes = new Bytes();
  if (typeof value === 'object') writeArray(bytes, value);
  else writeScalar(bytes, scalarType(key, value), value);
  return bytes.end();
}

function scalarType(key: string, value: number | bigint | boolean | string): number {
  if (typeof value === 'string') return TYPES.STRING;
  if (typeof value === 'boolean') return TYPES.BOOL;
  if (typeof value === 'bigint') return value < 0n ? TYPES.I64 : TYPES.U64;
  if (FLOATS.test(key) || !Number.isInteger(value)) return TYPES.F32;
  if (Math.abs(value) > 2 ** 31) return value < 0 ? TYPES.I64 : TYPES.U64;
  return value < 0 ? TYPES.I32 : TYPES.U32;
}

function writeScalar(bytes: Bytes, type: number, value: number | bigint | boolean | string): void {
  bytes.u32(type);
  if (type === TYPES.STRING) bytes.string(value as string);
  else if (type === TYPES.BOOL) bytes.raw(Uint8Array.of(value ? 1 : 0));
  else if (type === TYPES.F32) bytes.raw(new Uint8Array(Float32Array.of(value as number).buffer));
  else if (type === TYPES.I64 || type === TYPES.U64) bytes.raw(wide(BigInt(value)));
  else bytes.raw(new Uint8Array(Int32Array.of(value as number).buffer));
}

function wide(value: bigint): Uint8Array {
  return new Uint8Array(BigInt64Array.of(BigInt.asIntN(64, value)).buffer);
}

/** Element types of typed arrays. */
const ARRAYS = [
  [Uint8Array, 0],
  [Int8Array, 1],
  [Uint16Array, 2],
  [Int16Array, 3],
  [Uint32Array, 4],
  [Int32Array, 5],
  [Float32Array, 6],
  [Float64Array, 12],
] as const;

function writeArray(bytes: Bytes, value: object): void {
  bytes.u32(TYPES.ARRAY);
  if (isStrings(value as GgufStrings)) writeStrings(bytes, value as GgufStrings);
  else if (ArrayBuffer.isView(value)) {
    const type = ARRAYS.find(([kind]) => value instanceof kind)![1];
    bytes.u32(type);
    bytes.u64((value as unknown as ArrayLike<number>).length);
    bytes.raw(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else writeList(bytes, value as readonly (boolean | number)[]);
}

function writeList(bytes: Bytes, list: readonly (boolean | number)[]): void {
  const flags = typeof list[0] === 'boolean';
  bytes.u32(flags ? TYPES.BOOL : TYPES.F32);
  bytes.u64(list.length);
  if (flags) bytes.raw(Uint8Array.from(list, (flag) => (flag ? 1 : 0)));
  else bytes.raw(new Uint8Array(Float32Array.from(list as readonly number[]).buffer));
}

function writeStrings(bytes: Bytes, { length, bytes: all, offsets, lengths }: GgufStrings): void {
  bytes.u32(TYPES.STRING);
  bytes.u64(length);
  for (let i = 0; i < length; i++) {
    bytes.u64(lengths[i]!);
    bytes.raw(all.subarray(offsets[i]!, offsets[i]! + lengths[i]!));
  }
}

/** Bytes that grow by doubling. */
class Bytes {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: number): void {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  text(value: string): void {
    this.raw(new TextEncoder().encode(value));
  }

  string(value: string): void {
    const encoded = new TextEncoder().encode(value);
    this.u64(encoded.length);
    this.raw(encoded);
  }

  raw(value: Uint8Array): void {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
  }

  end(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }

  #grow(bytes: number): number {
    const at = this.length;
    this.length += bytes;
    if (this.length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
