import { type FileHandle, open, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../errors.ts';
import { Header, HeaderError } from './header.ts';
import { readVersion } from './identify.ts';
import { optionalNumber } from './metadata.ts';
import { joinParts, missingPart, otherParts, partCount } from './parts.ts';
import { ENTRY_BYTES, readTensors } from './tensors.ts';
import type { Gguf, GgufValue } from './types.ts';
import { readValue } from './values.ts';

export { HeaderError } from './header.ts';
export type { Gguf, GgufStrings, GgufTensor, GgufValue } from './types.ts';

const DEFAULT_ALIGNMENT = 32; // bytes, without general.alignment
const MAX_ALIGNMENT = 1 << 20;
const KEY_BYTES = 8 + 4 + 1; // smallest metadata entry: key length, value type, one-byte value

/**
 * Reads the metadata and the tensor directory of a GGUF file, version 2 or 3, little-endian. The data of the tensors
 * stays in the file. Layout: ggml docs/gguf.md. Of a split model, `path` is the first part, and the others are beside it.
 *
 * Throws UserError for a file that is missing (kind model-not-found) or cannot be opened, and HeaderError for one that is
 * not GGUF, damaged, incomplete, or of a kind that percept does not know.
 */
export async function readGguf(path: string | URL): Promise<Gguf> {
  const first = await readFile(pathOf(path), true);
  if (partCount(first) <= 1) return first;
  const others: Gguf[] = [];
  for (const part of otherParts(first))
    others.push(await readPart(part).catch((error) => missingPart(error)));
  return joinParts(first, others);
}

/** As readGguf, but of a split model only the part at `path`. */
export function readPart(path: string): Promise<Gguf> {
  return readFile(path, true);
}

/**
 * The bytes that a file has by its tensors, of which it may hold a part only, after the header. Undefined as long as the
 * file ends before its header does. Throws like readGguf.
 */
export async function announcedBytes(path: string): Promise<number | undefined> {
  try {
    const { tensors } = await readFile(path, false);
    return tensors.values().reduce((most, { offset, bytes }) => Math.max(most, offset + bytes), 0);
  } catch (error) {
    if (error instanceof HeaderError && error.fault === 'cut') return undefined;
    throw error;
  }
}

/** @throws UserError for the address of something that is no file */
function pathOf(path: string | URL): string {
  if (typeof path === 'string') return path;
  if (path instanceof URL && path.protocol === 'file:') return fileURLToPath(path);
  throw new UserError(
    `Expected the path of a model file, got ${path}.`,
    'Give a path, or a URL that begins with file:.',
    { kind: 'usage' },
  );
}

async function readFile(path: string, whole: boolean): Promise<Gguf> {
  const file = await openModel(path);
  try {
    const { size } = await file.stat();
    if (size === 0) {
      throw new HeaderError(`The model file ${path} is an empty file.`, 'Get the model again.', 'cut');
    }
    return readHeader(new Header(file.fd, path, size), whole);
  } finally {
    await file.close();
  }
}

/** Opens a model file to read it. Throws UserError if there is none (kind model-not-found), or it cannot be opened. */
export async function openModel(path: string): Promise<FileHandle> {
  const fail = (cause: NodeJS.ErrnoException) => unreadable(path, cause);
  // Opening a pipe would wait for its other end.
  if ((await stat(path).catch(fail)).isFile()) return open(path).catch(fail);
  throw new UserError(`${path} is not a regular file.`, 'Give the path of a .gguf file.');
}

function unreadable(path: string, cause: NodeJS.ErrnoException): never {
  if (cause.code === 'ENOENT') {
    const hint = 'Check the path; percept list shows the models on this machine.';
    throw new UserError(`There is no file at ${path}.`, hint, {
      cause,
      kind: 'model-not-found',
    });
  }
  const hint = 'Check the path and its permissions.';
  throw new UserError(`Cannot read the model file: ${cause.message}.`, hint, { cause });
}

function readHeader(header: Header, whole: boolean): Gguf {
  const version = readVersion(header);
  header.reading = 'the counts of tensors and metadata keys';
  const tensorCount = header.itemCount('tensors', ENTRY_BYTES);
  const keyCount = header.itemCount('metadata keys', KEY_BYTES);
  const { metadata, metadataAt } = readMetadata(header, keyCount);
  const alignment = alignmentOf(header, metadata);
  const tensors = readTensors(header, tensorCount, alignment, whole);
  const { path, fileBytes } = header;
  return { path, version, fileBytes, alignment, metadata, metadataAt, tensors };
}

function readMetadata(header: Header, count: number): Pick<Required<Gguf>, 'metadata' | 'metadataAt'> {
  const metadata = new Map<string, GgufValue>();
  const metadataAt = new Map<string, { offset: number; bytes: number }>();
  for (let i = 0; i < count; i++) {
    header.reading = `metadata key ${i + 1} of ${count}`;
    const key = header.name('metadata key', metadata);
    const offset = header.position;
    metadata.set(key, readValue(header));
    metadataAt.set(key, { offset, bytes: header.position - offset });
  }
  return { metadata, metadataAt };
}

function alignmentOf(header: Header, metadata: Gguf['metadata']): number {
  const alignment = optionalNumber(metadata, 'general.alignment') ?? DEFAULT_ALIGNMENT;
  header.reading = 'metadata key "general.alignment"';
  if (alignment < 1 || alignment > MAX_ALIGNMENT || !Number.isInteger(Math.log2(alignment))) {
    header.fail(`a power of two up to ${MAX_ALIGNMENT}`, `${alignment}`);
  }
  return alignment;
}
