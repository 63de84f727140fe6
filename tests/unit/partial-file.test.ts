import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PartialFile } from '../../core/models/partial-file.ts';
import { notLinux, titled } from '../titled.ts';

const BLOCK = Buffer.alloc(16 << 20, 'GGUF'); // a record is due after each
const ORIGIN = { source: 'https://example.org/m.gguf', validator: '"1"' };

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'percept-partial-'));
  path = join(folder, 'm.gguf.partial');
});

afterEach(() => rmSync(folder, { recursive: true }));

const recordIn = (file: string) => JSON.parse(readFileSync(file, 'utf8'));

describe('the record of a partial file', () => {
  it('is replaced as a whole: a process that is killed leaves the old one or the new one', async () => {
    const partial = await PartialFile.open(path);
    await partial.restart(ORIGIN);
    await partial.append(BLOCK);
    linkSync(`${path}.json`, join(folder, 'old'));
    await partial.append(BLOCK);
    expect(recordIn(join(folder, 'old'))).toMatchObject({ ...ORIGIN, bytes: BLOCK.length });
    expect(recordIn(`${path}.json`)).toMatchObject({ ...ORIGIN, bytes: 2 * BLOCK.length });
    await partial.close();
  });

  it('stays as it was if a new one cannot be written, and is continued from', async () => {
    const first = await PartialFile.open(path);
    await first.restart(ORIGIN);
    await first.append(BLOCK);
    mkdirSync(`${path}.json.new`); // as good as a full disk
    await expect(first.append(BLOCK)).rejects.toThrow('Cannot write');
    await first.close();
    rmSync(`${path}.json.new`, { recursive: true });
    const second = await PartialFile.open(path);
    expect(second.size).toBe(BLOCK.length);
    expect(second.inherited).toBe(true);
    await second.close();
  });

  it('is not written for every chunk', async () => {
    const partial = await PartialFile.open(path);
    await partial.restart(ORIGIN);
    await partial.append(BLOCK.subarray(0, -1));
    expect(existsSync(`${path}.json`)).toBe(false);
    await partial.close();
    expect(recordIn(`${path}.json`).bytes).toBe(BLOCK.length - 1);
  });

  it('leaves nothing behind once the file is complete or empty', async () => {
    for (const isComplete of [true, false]) {
      const partial = await PartialFile.open(path);
      if (isComplete) await partial.append(BLOCK);
      writeFileSync(`${path}.json.new`, '{"source":'); // of a process that was killed
      if (isComplete) await partial.complete(join(folder, 'm.gguf'));
      await partial.close();
      expect(readdirSync(folder)).toEqual(['m.gguf']);
    }
  });
});

const FDS = '/proc/self/fd'; // Linux lists the open files of a process there

it.skipIf(notLinux)(titled('is closed if it cannot be opened to the end', notLinux), async () => {
  mkdirSync(`${path}.json`);
  await expect(PartialFile.open(path)).rejects.toThrow();
  const open = readdirSync(FDS).flatMap((fd) => {
    try {
      return [readlinkSync(join(FDS, fd))];
    } catch {
      return []; // that of the listing itself
    }
  });
  expect(open).not.toContain(path);
});
