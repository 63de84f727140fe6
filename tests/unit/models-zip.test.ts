import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readMember, ZipError } from '../../core/zip.ts';

// Written by Python 3.11's zipfile: a/note.txt = "first", a/model.gguf = "GGUF" and four times "0123456789".
const ZIPS = {
  stored:
    'UEsDBBQAAAAAAIMYIlxX7nGSBQAAAAUAAAAKAAAAYS9ub3RlLnR4dGZpcnN0UEsDBBQAAAAAAIMYIlwYC/7hLAAAACwAAAAMAAAAYS9tb2RlbC5nZ3VmR0dVRjAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODlQSwECFAMUAAAAAACDGCJcV+5xkgUAAAAFAAAACgAAAAAAAAAAAAAAgAEAAAAAYS9ub3RlLnR4dFBLAQIUAxQAAAAAAIMYIlwYC/7hLAAAACwAAAAMAAAAAAAAAAAAAACAAS0AAABhL21vZGVsLmdndWZQSwUGAAAAAAIAAgByAAAAgwAAAAAA',
  deflated:
    'UEsDBBQAAAAIAIMYIlxX7nGSBwAAAAUAAAAKAAAAYS9ub3RlLnR4dEvLLCouAQBQSwMEFAAAAAgAgxgiXBgL/uESAAAALAAAAAwAAABhL21vZGVsLmdndWZzdw91MzA0MjYxNTO3sMTPAgBQSwECFAMUAAAACACDGCJcV+5xkgcAAAAFAAAACgAAAAAAAAAAAAAAgAEAAAAAYS9ub3RlLnR4dFBLAQIUAxQAAAAIAIMYIlwYC/7hEgAAACwAAAAMAAAAAAAAAAAAAACAAS8AAABhL21vZGVsLmdndWZQSwUGAAAAAAIAAgByAAAAawAAAAAA',
  zip64:
    'UEsDBC0AAAAIAIMYIlxX7nGS//////////8KABQAYS9ub3RlLnR4dAEAEAAFAAAAAAAAAAcAAAAAAAAAS8ssKi4BAFBLAwQtAAAACACDGCJcGAv+4f//////////DAAUAGEvbW9kZWwuZ2d1ZgEAEAAsAAAAAAAAABIAAAAAAAAAc3cPdTMwNDI2MTUzt7DEzwIAUEsBAi0DLQAAAAgAgxgiXFfucZL//////////woAFAAAAAAAAAAAAIABAAAAAGEvbm90ZS50eHQBABAABQAAAAAAAAAHAAAAAAAAAFBLAQItAy0AAAAIAIMYIlwYC/7h//////////8MABwAAAAAAAAAAACAAf////9hL21vZGVsLmdndWYBABgALAAAAAAAAAASAAAAAAAAAEMAAAAAAAAAUEsGBiwAAAAAAAAALQAtAAAAAAAAAAAAAgAAAAAAAAACAAAAAAAAAKIAAAAAAAAAkwAAAAAAAABQSwYHAAAAADUBAAAAAAAAAQAAAFBLBQYAAAAAAgACAKIAAACTAAAAAAA=',
};
const MODEL = `GGUF${'0123456789'.repeat(4)}`;
const folder = mkdtempSync(join(tmpdir(), 'percept-zip-'));

afterAll(() => rmSync(folder, { recursive: true }));

async function read(bytes: Uint8Array, member = 'a/model.gguf') {
  const path = join(folder, 'test.zip');
  writeFileSync(path, bytes);
  const sizes: number[] = [];
  const chunks: Buffer[] = [];
  for await (const chunk of readMember(path, member, (size) => void sizes.push(size))) chunks.push(chunk);
  return { text: Buffer.concat(chunks).toString(), sizes };
}

const zip = (name: keyof typeof ZIPS) => Buffer.from(ZIPS[name], 'base64');

describe('readMember', () => {
  it.each(['stored', 'deflated', 'zip64'] as const)('reads a %s member', async (name) => {
    expect(await read(zip(name))).toEqual({ text: MODEL, sizes: [44] });
    expect((await read(zip(name), 'a/note.txt')).text).toBe('first');
  });

  it('finds the directory through the zip64 end record', async () => {
    const bytes = zip('zip64');
    bytes.fill(0xff, bytes.length - 10, bytes.length - 2); // size and offset of the directory in the old record
    expect((await read(bytes)).text).toBe(MODEL);
  });

  it('finds the end record before a comment', async () => {
    const bytes = Buffer.concat([zip('stored'), Buffer.from('hello')]);
    bytes.writeUInt16LE(5, bytes.length - 7);
    expect((await read(bytes)).text).toBe(MODEL);
  });

  it('reports faults', async () => {
    await expect(read(zip('stored'), 'b.gguf')).rejects.toThrow(new ZipError('it does not contain b.gguf'));
    await expect(read(Buffer.from('<html>'))).rejects.toThrow('it is not a zip file, or its end is missing');
    const damaged = zip('stored');
    damaged[damaged.indexOf('GGUF') + 9]! ^= 1;
    await expect(read(damaged)).rejects.toThrow('a/model.gguf is damaged: size or CRC-32 differ');
  });

  it('refuses truncations and survives every flipped byte', async () => {
    const whole = zip('zip64');
    for (let length = 0; length < whole.length; length += 5) {
      await expect(read(whole.subarray(0, length))).rejects.toThrow(ZipError);
    }
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at]! ^= 0xff;
      const outcome = await read(flipped).then(
        ({ text }) => text,
        (error) => error,
      );
      if (outcome !== MODEL) expect(outcome).toBeInstanceOf(ZipError);
    }
  });
});
