/**
 * Streams one member of a zip file from disk: reads the end record, the central directory, then the bytes of the
 * member. Layout as in PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64); stored and deflated members.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';

/** The file is not a zip file, is damaged, or uses a feature that this reader does not support. */
export class ZipError extends Error {
  override readonly name = 'ZipError';
}

interface ZipFile {
  readonly handle: FileHandle;
  readonly size: number; // bytes
}

interface Member {
  readonly flags: number;
  readonly method: number; // 0 stored, 8 deflated
  readonly crc: number;
  readonly packed: number; // bytes in the zip file
  readonly bytes: number; // bytes of the member itself
  readonly offset: number; // of the local header
}

const END = { signature: 0x06054b50, bytes: 22, maxComment: 0xffff };
const END64 = { signature: 0x06064b50, bytes: 56 };
const LOCATOR64 = { signature: 0x07064b50, bytes: 20 };
const CENTRAL = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };
const MAX_DIRECTORY = 64 << 20; // bytes; far more than any wheel needs

/**
 * Streams `member` of the zip file at `path`; checks size and CRC-32 at the end.
 *
 * @param onSize gets the size of the member before the first chunk; awaited
 * @throws ZipError
 */
export async function* readMember(
  path: string,
  member: string,
  onSize: (bytes: number) => void | Promise<void> = () => {},
): AsyncGenerator<Buffer> {
  const handle = await open(path);
  try {
    const file: ZipFile = { handle, size: (await handle.stat()).size };
    const found = findMember(await readDirectory(file), member);
    if (!found) throw new ZipError(`it does not contain ${member}`);
    if (found.flags & 1) throw new ZipError(`${member} is encrypted`);
    if (found.method !== 0 && found.method !== 8)
      throw new ZipError(`${member} has compression ${found.method}`);
    await onSize(found.bytes);
    yield* checked(unpacked(file, found, await dataOffset(file, found)), found, member);
  } finally {
    await handle.close();
  }
}

/** The names of all members. Throws ZipError. */
export async function memberNames(path: string): Promise<string[]> {
  const handle = await open(path);
  try {
    const directory = await readDirectory({ handle, size: (await handle.stat()).size });
    return Array.from(entriesOf(directory), ({ name }) => name);
  } finally {
    await handle.close();
  }
}

/** The central directory, found through the end record or its zip64 counterpart. */
async function readDirectory(file: ZipFile): Promise<Buffer> {
  const { size } = file;
  const tailBytes = Math.min(size, END.bytes + END.maxComment);
  const tail = await readAt(file, size - tailBytes, tailBytes);
  let end = tail.length - END.bytes;
  while (end >= 0 && tail.readUInt32LE(end) !== END.signature) end--;
  if (end < 0) throw new ZipError('it is not a zip file, or its end is missing');
  let bytes = tail.readUInt32LE(end + 12);
  let offset = tail.readUInt32LE(end + 16);
  if (bytes === 0xffffffff || offset === 0xffffffff) {
    const locator = await readAt(file, size - tailBytes + end - LOCATOR64.bytes, LOCATOR64.bytes);
    expectSignature(locator, LOCATOR64.signature, 'zip64 locator');
    const end64 = await readAt(file, Number(locator.readBigUInt64LE(8)), END64.bytes);
    expectSignature(end64, END64.signature, 'zip64 end record');
    bytes = Number(end64.readBigUInt64LE(40));
    offset = Number(end64.readBigUInt64LE(48));
  }
  if (bytes > MAX_DIRECTORY) throw new ZipError(`its directory is ${bytes} bytes`);
  return readAt(file, offset, bytes);
}

function findMember(directory: Buffer, name: string): Member | undefined {
  const found = entriesOf(directory).find((entry) => entry.name === name);
  return found && memberOf(found.entry, found.extra);
}

function* entriesOf(directory: Buffer): Generator<{ name: string; entry: Buffer; extra: Buffer }> {
  for (let at = 0; at + CENTRAL.bytes <= directory.length; ) {
    const entry = directory.subarray(at);
    expectSignature(entry, CENTRAL.signature, 'directory entry');
    const nameEnd = CENTRAL.bytes + entry.readUInt16LE(28);
    const extraEnd = nameEnd + entry.readUInt16LE(30);
    yield {
      name: entry.toString('utf8', CENTRAL.bytes, nameEnd),
      entry,
      extra: entry.subarray(nameEnd, extraEnd),
    };
    at += extraEnd + entry.readUInt16LE(32);
  }
}

/** Fields of a directory entry; fields of 0xffffffff are in the zip64 extra field, in this order. */
function memberOf(entry: Buffer, extra: Buffer): Member {
  const wide = zip64Field(extra);
  let at = 0;
  const field = (position: number) => {
    const value = entry.readUInt32LE(position);
    if (value !== 0xffffffff) return value;
    if (at + 8 > wide.length) throw new ZipError('a zip64 size is missing');
    at += 8;
    return Number(wide.readBigUInt64LE(at - 8));
  };
  const [bytes, packed, offset] = [field(24), field(20), field(42)] as const;
  const { flags, method, crc } = {
    flags: entry.readUInt16LE(8),
    method: entry.readUInt16LE(10),
    crc: entry.readUInt32LE(16),
  };
  return { flags, method, crc, packed, bytes, offset };
}

function zip64Field(extra: Buffer): Buffer {
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1) return extra.subarray(at + 4, end);
    at = end;
  }
  return extra.subarray(0, 0);
}

/** Offset of the data: the local header repeats the name and may have an extra field of its own. */
async function dataOffset(file: ZipFile, { offset, packed }: Member): Promise<number> {
  const header = await readAt(file, offset, LOCAL.bytes);
  expectSignature(header, LOCAL.signature, 'local header');
  const start = offset + LOCAL.bytes + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (start + packed > file.size) throw new ZipError('it is truncated');
  return start;
}

function unpacked({ handle }: ZipFile, { method, packed }: Member, start: number): AsyncIterable<Buffer> {
  if (packed === 0) return Readable.from([]);
  const stored = handle.createReadStream({
    start,
    end: start + packed - 1,
    autoClose: false,
    highWaterMark: 1 << 20,
  });
  if (method === 0) return stored;
  return pipeline(stored, createInflateRaw({ chunkSize: 1 << 20 }), () => {}); // the reader gets the errors as well
}

async function* checked(
  chunks: AsyncIterable<Buffer>,
  { bytes, crc }: Member,
  name: string,
): AsyncGenerator<Buffer> {
  let received = 0;
  let sum = 0;
  try {
    for await (const chunk of chunks) {
      received += chunk.length;
      if (received > bytes) break;
      sum = crc32(chunk, sum);
      yield chunk;
    }
  } catch (error) {
    throw isZlibError(error) ? new ZipError(`${name} is damaged`, { cause: error }) : error;
  }
  if (received !== bytes || sum !== crc) throw new ZipError(`${name} is damaged: size or CRC-32 differ`);
}

async function readAt({ handle, size }: ZipFile, position: number, bytes: number): Promise<Buffer> {
  if (position < 0 || position + bytes > size) throw new ZipError('it is truncated');
  const { buffer } = await handle.read(Buffer.alloc(bytes), 0, bytes, position);
  return buffer;
}

function expectSignature(record: Buffer, signature: number, name: string): void {
  if (record.readUInt32LE(0) !== signature) throw new ZipError(`its ${name} is damaged`);
}

function isZlibError(error: unknown): boolean {
  return /^Z_/.test(String((error as NodeJS.ErrnoException).code));
}
