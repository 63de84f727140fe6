import { statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gguf as readWithOracle } from '@huggingface/gguf';
import { describe, expect, it } from 'vitest';
import { type GgufStrings, type GgufValue, readGguf } from '../../core/gguf/index.ts';
import {
  isStrings,
  optionalBoolean,
  optionalNumber,
  optionalNumbers,
  optionalString,
  optionalStrings,
  requireNumber,
  requireString,
} from '../../core/gguf/metadata.ts';
import { QUANT_FORMATS } from '../../kernels/quant-formats.ts';
import { emptyFolder } from '../cli/percept.ts';
import { describeShared } from '../shared.ts';
import { errorOf, read, saved } from './gguf-files.ts';
import { EVERY_TYPE, type GgufSpec, writeGguf } from './gguf-writer.ts';

/** Values as plain numbers, strings and arrays, 64-bit ones below 2^53 as numbers, to compare two readers. */
function plain(value: GgufValue): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value !== 'object') return value;
  if (isStrings(value)) return Array.from({ length: value.length }, (_, i) => value.at(i));
  return Array.from(value as ArrayLike<GgufValue>, plain);
}

describe('the file', () => {
  it('is named by a path, or by a URL of the kind file:', async () => {
    const path = saved(writeGguf(EVERY_TYPE));
    expect((await readGguf(pathToFileURL(path))).path).toBe(path);
    await expect(readGguf(new URL('https://example.org/x.gguf'))).rejects.toMatchObject({
      kind: 'usage',
      message: 'Expected the path of a model file, got https://example.org/x.gguf.',
    });
  });
});

describe('values', () => {
  it('reads every type of metadata', async () => {
    const { metadata } = await read(EVERY_TYPE);
    const values = Object.fromEntries([...metadata].map(([key, value]) => [key, plain(value)]));
    expect(values).toEqual(
      Object.fromEntries(EVERY_TYPE.metadata!.map(([key, , value]) => [key, plain(value)])),
    );
  });

  it('packs numeric arrays and keeps strings undecoded', async () => {
    const { metadata } = await read(EVERY_TYPE);
    expect(metadata.get('array.i16')).toEqual(new Int16Array([-300, 300]));
    expect(metadata.get('array.f32')).toEqual(new Float32Array([0.5, -2]));
    expect(metadata.get('array.u64')).toEqual(new Float64Array([7, 8]));
    expect(metadata.get('array.i64')).toEqual([-(2n ** 60n), 1n]);
    const strings = metadata.get('array.string') as GgufStrings;
    const start = strings.offsets[1]!;
    expect(Buffer.from(strings.bytes.subarray(start, start + strings.lengths[1]!)).toString()).toBe(
      'naïve 🐦',
    );
    expect(strings.longest).toBe(Math.max(...strings.lengths));
  });

  it('keeps a byte order mark, which may be a token', async () => {
    const { metadata } = await read({ metadata: [['bom', ['array', 'string'], ['\ufeff']]] });
    expect((metadata.get('bom') as GgufStrings).at(0)).toBe('\ufeff');
  });

  it('reads a header larger than its first window', async () => {
    const long = 'x'.repeat(5 << 20);
    const { metadata } = await read({
      metadata: [
        ['before', ['array', 'string'], ['a', 'bc']],
        ['long', 'string', long],
        ['after', ['array', 'string'], ['def']],
      ],
    });
    expect(metadata.get('long')).toBe(long);
    expect((metadata.get('before') as GgufStrings).at(1)).toBe('bc');
    expect((metadata.get('after') as GgufStrings).at(0)).toBe('def');
  });

  it('reads version 2', async () => {
    expect((await read({ ...EVERY_TYPE, version: 2 })).version).toBe(2);
  });
});

describe('tensors', () => {
  it('have name, type, shape, place and size', async () => {
    const bytes = writeGguf(EVERY_TYPE);
    const { tensors, fileBytes } = await readGguf(saved(bytes));
    expect(fileBytes).toBe(bytes.length);
    const weight = tensors.get('weight')!;
    expect(weight).toMatchObject({ type: 'Q4_0', shape: [64, 3, 2], bytes: 2 * 18 * 3 * 2 });
    expect(weight.offset % 64).toBe(0);
    expect(bytes.subarray(weight.offset, weight.offset + weight.bytes)).toEqual(
      Buffer.alloc(weight.bytes, 0xab),
    );
  });

  it('accept any type with a name', async () => {
    const types = Object.keys(QUANT_FORMATS) as (keyof typeof QUANT_FORMATS)[];
    const { tensors } = await read({ tensors: types.map((type) => ({ name: type, type, shape: [256, 2] })) });
    expect([...tensors.values()].map((tensor) => tensor.type)).toEqual(types);
  });

  it('may be empty or scalars, which converters leave as marks', async () => {
    const { tensors } = await read({
      tensors: [
        { name: 'weight', shape: [8] },
        { name: 'empty', shape: [32, 0], offset: 0 },
        { name: 'scalar', shape: [], data: new Uint8Array(4) },
      ],
    });
    expect(tensors.get('empty')).toMatchObject({ shape: [32, 0], bytes: 0 });
    expect(tensors.get('scalar')).toMatchObject({ shape: [1], bytes: 4 });
  });

  it('are optional', async () => {
    const path = saved(writeGguf({ metadata: [['a', 'u8', 1]] }));
    truncateSync(path, 24 + 8 + 1 + 4 + 1); // no padding to where the data would start
    expect((await readGguf(path)).tensors.size).toBe(0);
  });
});

describe('against @huggingface/gguf', () => {
  it('agrees on every type', async () => {
    await agree(saved(writeGguf(EVERY_TYPE)));
  });
  describeShared('stories260K', (path) => {
    it('agrees', () => agree(path('models/stories260K.gguf')));
  });

  async function agree(path: string): Promise<void> {
    const ours = await readGguf(path);
    const oracle = await readWithOracle(path, { allowLocalFile: true });
    const { version, tensor_count, kv_count, ...metadata } = oracle.metadata as unknown as Record<
      string,
      GgufValue
    >;
    expect([ours.version, ours.tensors.size, ours.metadata.size]).toEqual(
      [version, tensor_count, kv_count].map(Number),
    );
    expect(Object.fromEntries([...ours.metadata].map(([key, value]) => [key, plain(value)]))).toEqual(
      Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, plain(value)])),
    );
    const tensors = [...ours.tensors.values()].map(({ name, type, shape, offset }) => [
      name,
      QUANT_FORMATS[type].id,
      shape,
      offset,
    ]);
    const start = Number(oracle.tensorDataOffset);
    expect(tensors).toEqual(
      oracle.tensorInfos.map(({ name, dtype, shape, offset }) => [
        name,
        dtype,
        shape.map(Number),
        start + Number(offset),
      ]),
    );
  }
});

describe('typed metadata', () => {
  it('returns values of the expected type, and undefined for absent ones', async () => {
    const { metadata } = await read(EVERY_TYPE);
    expect(requireNumber(metadata, 'u16')).toBe(65535);
    expect(requireString(metadata, 'string')).toBe('naïve 🐦');
    expect(optionalNumber(metadata, 'absent')).toBeUndefined();
    expect(optionalString(metadata, 'absent')).toBeUndefined();
    expect(optionalBoolean(metadata, 'bool')).toBe(true);
    expect(optionalStrings(metadata, 'array.string')?.at(0)).toBe('');
    expect(optionalNumbers(metadata, 'array.u64')).toEqual(new Float64Array([7, 8]));
  });

  it('names key and types in errors', async () => {
    const { metadata } = await read(EVERY_TYPE);
    expect(() => requireNumber(metadata, 'absent')).toThrow('lacks the metadata key "absent", a number');
    expect(() => requireString(metadata, 'u8')).toThrow(
      'a string under the metadata key "u8", got the number 255',
    );
    expect(() => optionalNumber(metadata, 'u64.large')).toThrow('beyond 2^53');
    expect(() => optionalBoolean(metadata, 'array.bool')).toThrow('got an array of 2 booleans');
    expect(() => optionalNumbers(metadata, 'array.string')).toThrow('got an array of 3 strings');
    expect(() => optionalStrings(metadata, 'array.f32')).toThrow('got an array of 2 numbers');
    expect(() => optionalNumbers(metadata, 'array.array.u8')).toThrow('got an array of 2 arrays');
    expect(() => optionalNumbers(metadata, 'array.i64')).toThrow('an array of 2 integers, some beyond 2^53');
    expect(() => optionalString(metadata, 'absent')).not.toThrow();
  });
});

describe('a split model', () => {
  const part = (number: number, of: number, ...names: string[]): GgufSpec => ({
    metadata: [
      ['split.no', 'u16', number - 1],
      ['split.count', 'u16', of],
      ['split.tensors.count', 'i32', 3],
    ],
    tensors: names.map((name) => ({ name, shape: [8 * number] })),
  });
  const save = (parts: Record<string, GgufSpec>): string => {
    const folder = emptyFolder();
    for (const [name, spec] of Object.entries(parts)) writeFileSync(join(folder, name), writeGguf(spec));
    return join(folder, Object.keys(parts)[0]!);
  };

  it('has the metadata of the first part, and the tensors of all with their files', async () => {
    const path = save({
      'm-00001-of-00002.gguf': part(1, 2, 'a'),
      'm-00002-of-00002.gguf': part(2, 2, 'b', 'c'),
    });
    const { tensors, fileBytes } = await readGguf(path);
    expect([...tensors.values()].map(({ name, shape, part }) => [name, shape[0], part])).toEqual([
      ['a', 8, undefined],
      ['b', 16, path.replace('00001-of', '00002-of')],
      ['c', 16, path.replace('00001-of', '00002-of')],
    ]);
    expect(fileBytes).toBe(statSync(path).size + statSync(path.replace('00001-of', '00002-of')).size);
  });

  it.each([0, 1])('is one file if it counts %i parts, under any name', async (count) => {
    const { tensors } = await read(part(1, count, 'a', 'b', 'c'));
    expect([...tensors.keys()]).toEqual(['a', 'b', 'c']);
  });

  it.each([
    [
      'a part is missing',
      { 'n-00001-of-00003.gguf': part(1, 3, 'a') },
      /A part of the model is missing.*00002-of/,
    ],
    ['it is another part', { 'n-00002-of-00003.gguf': part(2, 3, 'a') }, /one of 3 parts .* not the first/],
    ['its name says nothing', { 'n.gguf': part(1, 3, 'a') }, /one of 3 parts .* not the first/],
    [
      'a part is of another place',
      { 'o-00001-of-00002.gguf': part(1, 2, 'a', 'b'), 'o-00002-of-00002.gguf': part(1, 2, 'c') },
      /do not belong together: expected part 2/,
    ],
    [
      'a tensor occurs twice',
      { 'p-00001-of-00002.gguf': part(1, 2, 'a', 'b'), 'p-00002-of-00002.gguf': part(2, 2, 'a') },
      /expected a tensor "a" once/,
    ],
    [
      'a tensor is missing',
      { 'q-00001-of-00002.gguf': part(1, 2, 'a'), 'q-00002-of-00002.gguf': part(2, 2, 'b') },
      /expected 3 tensors in all parts, not 2/,
    ],
  ])('is refused if %s', async (_, parts, message) => {
    expect((await errorOf(save(parts))).message).toMatch(message);
  });
});
