/**
 * Writes small GGUF files for tests, also invalid ones: fields take any value, unchecked.
 * Layout: ggml docs/gguf.md.
 */
import { QUANT_FORMATS, rowBytes, type TensorType } from '../../kernels/quant-formats.ts';

/** Little-endian bytes, growing. */
export class ByteWriter {
  #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  number(type: NumberName, value: number | bigint): this {
    const [bytes, method] = NUMBERS[type];
    const view = new DataView(new ArrayBuffer(bytes));
    const wide = type === 'u64' || type === 'i64';
    (view[method] as (at: number, value: unknown, little: boolean) => void)(
      0,
      wide ? BigInt(value) : value,
      true,
    );
    return this.raw(new Uint8Array(view.buffer));
  }

  string(text: string): this {
    const bytes = Buffer.from(text);
    return this.number('u64', bytes.length).raw(bytes);
  }

  padTo(multiple: number): this {
    return this.raw(Array((multiple - (this.length % multiple)) % multiple).fill(0));
  }

  bytes(): Buffer {
    return Buffer.from(this.#bytes);
  }
}

const NUMBERS = {
  u8: [1, 'setUint8'],
  i8: [1, 'setInt8'],
  u16: [2, 'setUint16'],
  i16: [2, 'setInt16'],
  u32: [4, 'setUint32'],
  i32: [4, 'setInt32'],
  f32: [4, 'setFloat32'],
  u64: [8, 'setBigUint64'],
  i64: [8, 'setBigInt64'],
  f64: [8, 'setFloat64'],
} as const;
type NumberName = keyof typeof NUMBERS;

/** In the order of GGUF's type numbers. */
const TYPES = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const;
type TypeName = (typeof TYPES)[number];

export type FieldValue = number | bigint | boolean | string | readonly FieldValue[];
/** [type, value]; an array's type lists its levels: ['array', 'string'], ['array', 'array', 'u8']. */
export type Field = readonly [TypeName | readonly TypeName[], FieldValue];

export interface TensorSpec {
  readonly name: string;
  readonly type?: TensorType | number; // default F32; a number is written unchanged
  readonly shape: readonly (number | bigint)[];
  readonly offset?: number | bigint; // default: after the previous tensor
  readonly data?: Uint8Array; // default: zeros
}

export interface GgufSpec {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: number | bigint;
  readonly keyCount?: number | bigint;
  readonly alignment?: number; // of the written data; the caller writes the metadata key
  readonly metadata?: readonly (readonly [key: string, ...Field])[];
  readonly tensors?: readonly TensorSpec[];
}

export function writeGguf(spec: GgufSpec): Buffer {
  const { metadata = [], tensors = [], alignment = 32 } = spec;
  const out = new ByteWriter().raw(Buffer.from(spec.magic ?? 'GGUF')).number('u32', spec.version ?? 3);
  out.number('u64', spec.tensorCount ?? tensors.length).number('u64', spec.keyCount ?? metadata.length);
  for (const [key, type, value] of metadata) writeField(out.string(key), [type].flat(), value);
  const data = new ByteWriter();
  for (const tensor of tensors) {
    writeEntry(out, tensor, data.length);
    data.raw(tensor.data ?? new Uint8Array(dataBytes(tensor))).padTo(alignment);
  }
  return out.padTo(alignment).raw(data.bytes()).bytes();
}

function writeField(out: ByteWriter, types: readonly TypeName[], value: FieldValue): void {
  out.number('u32', TYPES.indexOf(types[0]!));
  writeValue(out, types, value);
}

function writeValue(out: ByteWriter, [type, ...inner]: readonly TypeName[], value: FieldValue): void {
  if (type === 'string') out.string(value as string);
  else if (type === 'bool') out.number('u8', Number(value));
  else if (type === 'array') {
    const elements = value as readonly FieldValue[];
    out.number('u32', TYPES.indexOf(inner[0]!)).number('u64', elements.length);
    for (const element of elements) writeValue(out, inner, element);
  } else out.number(type!, value as number | bigint);
}

function writeEntry(out: ByteWriter, { name, type = 'F32', shape, offset }: TensorSpec, end: number): void {
  out.string(name).number('u32', shape.length);
  for (const size of shape) out.number('u64', size);
  out.number('u32', typeof type === 'number' ? type : QUANT_FORMATS[type].id).number('u64', offset ?? end);
}

/** Zero for shapes and types that make no sense. */
function dataBytes({ type = 'F32', shape }: TensorSpec): number {
  const [cols = 0, ...rest] = shape.map(Number);
  const bytes = typeof type === 'number' ? 0 : rowBytes(type, cols) * rest.reduce((a, b) => a * b, 1);
  return bytes > 0 && bytes < 2 ** 20 ? bytes : 0;
}

/** A file with every type of metadata and tensors of three shapes, aligned to 64 bytes. */
export const EVERY_TYPE: GgufSpec = {
  alignment: 64,
  metadata: [
    ['general.architecture', 'string', 'test'],
    ['general.alignment', 'u32', 64],
    ['u8', 'u8', 255],
    ['i8', 'i8', -128],
    ['u16', 'u16', 65535],
    ['i16', 'i16', -32768],
    ['u32', 'u32', 4294967295],
    ['i32', 'i32', -2147483648],
    ['f32', 'f32', 0.15625],
    ['f64', 'f64', Math.PI],
    ['bool', 'bool', true],
    ['string', 'string', 'naïve 🐦'],
    ['u64', 'u64', 2 ** 53 - 1],
    ['u64.large', 'u64', 2n ** 64n - 1n],
    ['i64', 'i64', -5],
    ['array.u8', ['array', 'u8'], [1, 2, 3]],
    ['array.i8', ['array', 'i8'], [-1, 1]],
    ['array.u16', ['array', 'u16'], [1, 65535]],
    ['array.i16', ['array', 'i16'], [-300, 300]],
    ['array.u32', ['array', 'u32'], [1, 4294967295]],
    ['array.i32', ['array', 'i32'], [-70000, 70000]],
    ['array.f32', ['array', 'f32'], [0.5, -2]],
    ['array.f64', ['array', 'f64'], [Math.E, -0.1]],
    ['array.bool', ['array', 'bool'], [true, false]],
    ['array.u64', ['array', 'u64'], [7, 8]],
    ['array.i64', ['array', 'i64'], [-(2n ** 60n), 1n]],
    ['array.string', ['array', 'string'], ['', 'naïve 🐦', 'end']],
    ['array.empty', ['array', 'string'], []],
    ['array.array.u8', ['array', 'array', 'u8'], [[1, 2], []]],
    ['array.array.string', ['array', 'array', 'string'], [['a'], ['b', 'c']]],
  ],
  tensors: [
    { name: 'vector', shape: [5] },
    { name: 'weight', type: 'Q4_0', shape: [64, 3, 2], data: new Uint8Array(2 * 18 * 3 * 2).fill(0xab) },
    { name: 'matrix', type: 'F16', shape: [7, 3] },
  ],
};
