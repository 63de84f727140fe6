import { statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HeaderError } from '../../core/gguf/index.ts';
import { emptyFolder } from '../cli/percept.ts';
import { errorOf, saved } from './gguf-files.ts';
import { ByteWriter, EVERY_TYPE, type GgufSpec, writeGguf } from './gguf-writer.ts';

async function faultOf(path: string): Promise<string> {
  const error = await errorOf(path);
  expect(error).toBeInstanceOf(HeaderError);
  return (error as HeaderError).fault;
}

describe('the fault of a header', () => {
  const tensor = { name: 't', shape: [32] };
  it.each<[string, GgufSpec | Buffer, string]>([
    ['an empty file', Buffer.alloc(0), 'cut'],
    ['a file that ends in its header', writeGguf(EVERY_TYPE).subarray(0, 300), 'cut'],
    ['a file that ends in its data', writeGguf({ tensors: [tensor] }).subarray(0, -1), 'cut'],
    ['a count beyond the file', { keyCount: 2n ** 60n }, 'cut'],
    ['another format', Buffer.from('<html>'), 'wrong'],
    ['a version that never was', { version: 0 }, 'wrong'],
    ['text for a version', { version: 0x46554747 }, 'wrong'],
    ['a name twice', { tensors: [tensor, tensor] }, 'wrong'],
    ['the first version', { version: 1 }, 'unsupported'],
    ['a coming version', { version: 4 }, 'unsupported'],
    ['a big-endian file', { version: 0x03000000 }, 'unsupported'],
    ['an unknown tensor type', { tensors: [{ ...tensor, type: 31 }] }, 'unsupported'],
  ])('tells %s', async (_, file, fault) => {
    const bytes = Buffer.isBuffer(file) ? file : writeGguf(file);
    expect(await faultOf(saved(bytes))).toBe(fault);
  });

  it('tells a header that is too large from a count beyond the file', async () => {
    const head = (count: bigint) =>
      writeGguf({ metadata: [['a', ['array', 'u8'], []]] }).fill(
        new Uint8Array(new BigUint64Array([count]).buffer),
        24 + 8 + 1 + 4 + 4,
        24 + 8 + 1 + 4 + 4 + 8,
      );
    for (const [count, fault] of [
      [2n ** 27n, 'unsupported'],
      [2n ** 40n, 'cut'],
    ] as const) {
      const path = saved(head(count));
      truncateSync(path, 2 ** 28); // zeros, which take no disk
      expect(await faultOf(path)).toBe(fault);
    }
  });
});

describe('files that are not models', () => {
  it('missing', async () => {
    const error = await errorOf(join(emptyFolder(), 'absent.gguf'));
    expect(error.kind).toBe('model-not-found');
    expect(error.message).toContain('absent.gguf');
  });
  it('a folder', async () => {
    expect((await errorOf(emptyFolder())).message).toContain('not a regular file');
  });
  it('below a file', async () => {
    expect((await errorOf(join(saved(Buffer.from('x')), 'model.gguf'))).message).toContain('ENOTDIR');
  });

  const lookalikes: [looks: string, start: string | Uint8Array][] = [
    ['an empty file', ''],
    ['3 bytes left', 'GGU'],
    ['bytes 61626364', 'abcdefgh'],
    ['safetensors', Uint8Array.of(80, 0, 0, 0, 0, 0, 0, 0, ...Buffer.from('{"a":{}}'))],
    ['zip archive', 'PK\x03\x04...........'],
    ['web page', '<!doctype html><title>Sign in</title>'],
    ['web page', '\n<html lang="en">'],
    ['git-lfs pointer', 'version https://git-lfs.example/spec/v1\noid sha256:0\n'],
    ['older than GGUF', 'tjgg............'],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0)],
    ['JSON', '{"error":"Access denied"}'],
    ['zeros', Buffer.alloc(1000)],
  ];
  it.each(lookalikes)('looks like %s', async (looks, start) => {
    const error = await errorOf(saved(Buffer.from(start)));
    expect(error.message).toContain(looks);
    expect(error.hint).not.toBe('');
  });
});

describe('damaged files', () => {
  const tensor = (fields: object = {}) => ({ tensors: [{ name: 't', shape: [32], ...fields }] });
  const key = (...field: NonNullable<GgufSpec['metadata']>[number]) => ({ metadata: [field] });
  const head = (keys: number, type: number) =>
    new ByteWriter()
      .raw(Buffer.from('GGUF'))
      .number('u32', 3)
      .number('u64', 0)
      .number('u64', keys)
      .string('k')
      .number('u32', type);
  const nested = (depth: number) => {
    const out = head(1, 9);
    for (let i = 0; i < depth; i++) out.number('u32', 9).number('u64', 1);
    return out.number('u32', 0).number('u64', 1).number('u8', 1).raw(Array(64).fill(0)).bytes();
  };

  const cases: [name: string, message: string, file: GgufSpec | Uint8Array][] = [
    ['version 1', 'version 1', { version: 1 }],
    ['version 0', 'version 0', { version: 0 }],
    ['version 4', 'version 4', { version: 4 }],
    ['big-endian', 'big-endian', { version: 0x03000000 }],
    ['header cut', '8 more bytes, got the 4 bytes left', writeGguf({}).subarray(0, 12)],
    ['tensor count', 'a count of 18446744073709552000', { tensorCount: 2n ** 64n - 1n }],
    ['key count', 'a count of 1099511627776', { keyCount: 2n ** 40n }],
    ['one key too many', 'metadata key ""', { keyCount: 2, ...key('a', 'u8', 1) }],
    [
      'key length',
      'a count of 4294967295',
      new ByteWriter()
        .raw(head(1, 0).bytes().subarray(0, 24))
        .number('u64', 2 ** 32 - 1)
        .raw(Array(64).fill(0))
        .bytes(),
    ],
    [
      'string length',
      'characters that fit',
      head(1, 8)
        .number('u64', 2n ** 63n)
        .bytes(),
    ],
    [
      'array count',
      'array elements that fit',
      head(1, 9)
        .number('u32', 6)
        .number('u64', 2n ** 31n)
        .bytes(),
    ],
    [
      'string array count',
      'strings that fit',
      head(1, 9)
        .number('u32', 8)
        .number('u64', 2n ** 61n)
        .bytes(),
    ],
    [
      'boolean array count',
      'array elements that fit',
      head(1, 9).number('u32', 7).number('u64', 1000).bytes(),
    ],
    ['value type', 'a value type from 0 to 12, got 13', head(1, 13).raw(Array(64).fill(0)).bytes()],
    [
      'element type',
      'a value type from 0 to 12, got 99',
      head(1, 9).number('u32', 99).number('u64', 1).raw([0, 0]).bytes(),
    ],
    ['boolean', 'a boolean, 0 or 1, got 2', head(1, 7).number('u8', 2).raw([0, 0]).bytes()],
    ['nesting', 'arrays nested at most', nested(9)],
    [
      'duplicate key',
      'key "a"',
      {
        metadata: [
          ['a', 'u8', 1],
          ['a', 'u8', 2],
        ],
      },
    ],
    ['key without a name', 'a name of 1 to 65535 characters, got 0', key('', 'u8', 1)],
    ['key too long', 'a name of 1 to 65535 characters, got 70000', key('k'.repeat(70_000), 'u8', 1)],
    ['too many booleans', 'at most 131072', key('a', ['array', 'bool'], Array(140_000).fill(true))],
    ['alignment 0', 'a power of two', key('general.alignment', 'u32', 0)],
    ['alignment 48', 'a power of two', key('general.alignment', 'u32', 48)],
    ['alignment 2^31', 'a power of two', key('general.alignment', 'u32', 2 ** 31)],
    [
      'alignment text',
      'a number under the metadata key "general.alignment"',
      key('general.alignment', 'string', 'x'),
    ],
    [
      'duplicate tensor',
      'tensor "t"',
      {
        tensors: [
          { name: 't', shape: [8] },
          { name: 't', shape: [8] },
        ],
      },
    ],
    ['5 dimensions', 'at most 4 dimensions, got 5', tensor({ shape: [1, 1, 1, 1, 1] })],
    ['dimensions overflow', 'below 2^53', tensor({ shape: [2n ** 32n, 2n ** 32n] })],
    ['dimension overflows', 'below 2^53', tensor({ shape: [2n ** 63n] })],
    ['unknown type', 'type number 1000 (tensor "t"', tensor({ type: 1000 })],
    ['broken block', 'rows of whole Q4_0 blocks, got rows of 33', tensor({ type: 'Q4_0', shape: [33] })],
    ['misaligned', 'a multiple of 32, got 16', tensor({ offset: 16 })],
    ['out of range', 'a file of', tensor({ offset: 1 << 20 })],
    ['far out of range', 'a file of', tensor({ offset: 2n ** 63n })],
    ['huge tensor', 'a file of', tensor({ shape: [2 ** 40] })],
    ['data cut', "too few for the tensor's data", writeGguf(tensor()).subarray(0, -1)],
    [
      'overlap',
      'starts inside that of "a"',
      {
        tensors: [
          { name: 'a', shape: [64] },
          { name: 'b', shape: [8], offset: 32 },
        ],
      },
    ],
  ];
  it.each(cases)('%s', async (_name, message, file) => {
    const path = saved(file instanceof Uint8Array ? file : writeGguf(file));
    const error = await errorOf(path);
    expect(error.message).toContain(message);
    expect(error.hint.length).toBeGreaterThan(10);
  });

  it('does not trust a length in a large file', async () => {
    const path = saved(
      head(1, 8)
        .number('u64', 2 ** 31)
        .bytes(),
    );
    truncateSync(path, 2 ** 32); // sparse
    expect(statSync(path).size).toBe(2 ** 32);
    const before = process.memoryUsage().arrayBuffers;
    expect((await errorOf(path)).message).toContain('characters that fit');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
  });
});
