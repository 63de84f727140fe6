import type { Header } from './header.ts';
import type { GgufArray, GgufStrings, GgufValue } from './types.ts';

/** Bounds the recursion: the format allows arrays of arrays, but they are rare. */
const MAX_DEPTH = 4;

interface NumberType {
  readonly bytes: number;
  read(view: DataView, at: number): number;
  pack(buffer: ArrayBuffer): ArrayLike<number>; // without copying
}

/** GGUF's value type numbers (ggml docs/gguf.md); here those of plain numbers, with their readers. */
const NUMBERS: Readonly<Record<number, NumberType>> = {
  0: { bytes: 1, read: (view, at) => view.getUint8(at), pack: (buffer) => new Uint8Array(buffer) },
  1: { bytes: 1, read: (view, at) => view.getInt8(at), pack: (buffer) => new Int8Array(buffer) },
  2: { bytes: 2, read: (view, at) => view.getUint16(at, true), pack: (buffer) => new Uint16Array(buffer) },
  3: { bytes: 2, read: (view, at) => view.getInt16(at, true), pack: (buffer) => new Int16Array(buffer) },
  4: { bytes: 4, read: (view, at) => view.getUint32(at, true), pack: (buffer) => new Uint32Array(buffer) },
  5: { bytes: 4, read: (view, at) => view.getInt32(at, true), pack: (buffer) => new Int32Array(buffer) },
  6: { bytes: 4, read: (view, at) => view.getFloat32(at, true), pack: (buffer) => new Float32Array(buffer) },
  12: { bytes: 8, read: (view, at) => view.getFloat64(at, true), pack: (buffer) => new Float64Array(buffer) },
};
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;
const U64 = 10;
const I64 = 11;

/** Reads one metadata value: its type number, then the value. */
export function readValue(header: Header): GgufValue {
  return readTyped(header, header.u32(), 0);
}

function readTyped(header: Header, type: number, depth: number): GgufValue {
  const number = NUMBERS[type];
  if (number) {
    const at = header.advance(number.bytes);
    return number.read(header.view, at);
  }
  if (type === BOOL) return readBoolean(header);
  if (type === STRING) return header.string();
  if (type === ARRAY) return readArray(header, depth);
  if (type === U64 || type === I64) return readIntegers(header, type, 1)[0]!;
  return header.fail('a value type from 0 to 12', `${type}`);
}

function readBoolean(header: Header): boolean {
  const at = header.advance(1);
  const byte = header.bytes[at]!;
  return byte <= 1 ? byte === 1 : header.fail('a boolean, 0 or 1', `${byte}`);
}

function readArray(header: Header, depth: number): GgufArray {
  const type = header.u32();
  const number = NUMBERS[type];
  if (number) {
    const length = header.count('array elements', number.bytes) * number.bytes;
    return number.pack(copy(header, length));
  }
  if (type === STRING) return readStrings(header);
  if (type === U64 || type === I64) return readIntegers(header, type, header.count('array elements', 8));
  if (type === ARRAY && depth === MAX_DEPTH) {
    header.fail(`arrays nested at most ${MAX_DEPTH} deep`, 'one more level', { fault: 'unsupported' });
  }
  const count = header.itemCount('array elements', type === ARRAY ? 12 : 1);
  return Array.from({ length: count }, () => readTyped(header, type, depth + 1));
}

/** 64-bit integers as numbers if all are below 2^53 in magnitude, else as bigints. */
function readIntegers(header: Header, type: number, count: number): Float64Array | bigint[] {
  const buffer = copy(header, count * 8);
  const integers = type === U64 ? new BigUint64Array(buffer) : new BigInt64Array(buffer);
  const numbers = Float64Array.from(integers, Number);
  if (numbers.every(Number.isSafeInteger)) return numbers;
  header.addItems(count);
  return [...integers];
}

function readStrings(header: Header): GgufStrings {
  const count = header.count('strings', 8);
  const offsets = new Uint32Array(count);
  const lengths = new Uint32Array(count);
  let longest = 0;
  for (let i = 0; i < count; i++) {
    const length = header.count('characters', 1);
    if (length > longest) longest = length;
    lengths[i] = length;
    offsets[i] = header.advance(length);
  }
  return new HeaderStrings(header, offsets, lengths, longest);
}

/** Copies the next `length` bytes, aligned for any number type. */
function copy(header: Header, length: number): ArrayBuffer {
  const at = header.advance(length);
  return header.bytes.buffer.slice(at, at + length);
}

/** Strings inside the header; offsets are relative to its start. */
class HeaderStrings implements GgufStrings {
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly longest: number;
  readonly #header: Header;

  constructor(header: Header, offsets: Uint32Array, lengths: Uint32Array, longest: number) {
    this.#header = header;
    this.offsets = offsets;
    this.lengths = lengths;
    this.longest = longest;
  }

  get length(): number {
    return this.offsets.length;
  }

  get bytes(): Uint8Array {
    return this.#header.bytes;
  }

  at(i: number): string {
    const start = this.offsets[i]!;
    return this.#header.bytes.toString('utf8', start, start + this.lengths[i]!);
  }
}
