/** Damages GGUF headers at random, seeded: each must parse or be refused with a UserError, in little memory. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readGguf } from '../../core/gguf/index.ts';
import { UserError } from '../../errors.ts';
import { type Random, seeded } from '../random.ts';
import { describeShared } from '../shared.ts';
import { EVERY_TYPE, writeGguf } from './gguf-writer.ts';

const MAX_GROWTH = 64 << 20; // bytes a single read may take

const folder = mkdtempSync(join(tmpdir(), 'percept-gguf-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Mutation = (header: Buffer, random: Random, lengths: readonly number[]) => Uint8Array;

const EXTREMES = [
  0n,
  1n,
  255n,
  2n ** 16n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'bit flips': (header, random) => {
    for (let i = random(8); i >= 0; i--) header[random(header.length)]! ^= 1 << random(8);
    return header;
  },
  'byte writes': (header, random) => {
    for (let i = random(8); i >= 0; i--) header[random(header.length)] = random(256);
    return header;
  },
  truncation: (header, random) => header.subarray(0, random(header.length)),
  insertion: (header, random) => {
    const at = random(header.length);
    const bytes = Array.from({ length: 1 + random(16) }, () => random(256));
    return Buffer.concat([header.subarray(0, at), Buffer.from(bytes), header.subarray(at)]);
  },
  removal: (header, random) => {
    const at = random(header.length);
    return Buffer.concat([header.subarray(0, at), header.subarray(at + 1 + random(16))]);
  },
  'extreme length or count': (header, random, lengths) => {
    header.writeBigUInt64LE(EXTREMES[random(EXTREMES.length)]!, lengths[random(lengths.length)]!);
    return header;
  },
  'extreme 32-bit number': (header, random) => {
    header.writeUInt32LE(Number(EXTREMES[random(7)]!), random(header.length - 4));
    return header;
  },
};

/** Possible places of lengths and counts: offsets of small 64-bit numbers. */
function lengthsIn(header: Buffer): number[] {
  return Array.from({ length: header.length - 8 }, (_, at) => at).filter(
    (at) => header.readBigUInt64LE(at) <= header.length,
  );
}

/** Reads `count` damaged copies of a file whose first `headerBytes` are its header; returns how many were read. */
async function damage(file: Buffer, headerBytes: number, count: number): Promise<number> {
  const path = join(folder, 'damaged.gguf');
  const fd = openSync(path, 'w'); // one file, written over: creating thousands takes long
  const intact = file.subarray(0, headerBytes);
  const lengths = lengthsIn(intact);
  const random = seeded(20260115);
  const kinds = Object.keys(MUTATIONS);
  let parsed = 0;
  for (let i = 0; i < count; i++) {
    const kind = kinds[i % kinds.length]!;
    const header = MUTATIONS[kind]!(Buffer.from(intact), random, lengths);
    writeSync(fd, header, 0, header.length, 0);
    ftruncateSync(fd, kind === 'truncation' ? header.length : file.length); // zeros, which take no disk
    if (await survives(path, `mutation ${i}, ${kind}`)) parsed++;
  }
  closeSync(fd);
  return parsed;
}

/** Whether the file was read; false for a UserError; throws any other error. */
async function survives(path: string, mutation: string): Promise<boolean> {
  const before = process.memoryUsage();
  const error = await readGguf(path).then(
    () => undefined,
    (error: unknown) => error,
  );
  const after = process.memoryUsage();
  if (error && !(error instanceof UserError)) throw new Error(mutation, { cause: error });
  const growth = after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed;
  expect(growth, `bytes taken by ${mutation}`).toBeLessThan(MAX_GROWTH);
  return error === undefined;
}

it('survives 2,100 damaged files of every value type', async () => {
  const file = writeGguf(EVERY_TYPE);
  const parsed = await damage(file, file.length, 2100);
  expect(parsed).toBeGreaterThan(100); // damage to names, values and data is not detected
  expect(parsed).toBeLessThan(1500);
});

describeShared('stories260K', (path) => {
  it('survives 700 damaged headers', async () => {
    const parsed = await damage(readFileSync(path('models/stories260K.gguf')), 14176, 700);
    expect(parsed).toBeGreaterThan(100);
    expect(parsed).toBeLessThan(500);
  });
});
