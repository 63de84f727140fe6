import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { HeaderError, readGguf } from '../../core/gguf/index.ts';
import { EVERY_TYPE, type GgufSpec, writeGguf } from './gguf-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'percept-gguf-'));
afterAll(() => rmSync(folder, { recursive: true }));

function saved(bytes: Uint8Array): string {
  const path = join(folder, 'test.gguf');
  writeFileSync(path, bytes);
  return path;
}

async function faultOf(path: string): Promise<string> {
  const error = await readGguf(path).catch((error: unknown) => error);
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
