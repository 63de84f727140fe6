/**
 * Reads the headers of safetensors files: u64 length, JSON header, data. Layout: huggingface/safetensors README. Nothing in
 * a header is trusted: each tensor must lie within its file and have the bytes of its shape.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../errors.ts';
import { decode, type SourceType, sourceFormat } from '../../kernels/source-formats.ts';
import { isObject } from './config.ts';
import { readJson } from './json-file.ts';

/** A tensor as a file stores it. */
export interface StoredTensor {
  readonly path: string;
  readonly offset: number; // bytes from the start of the file
  readonly type: SourceType;
  readonly shape: readonly number[]; // rows first, columns last
}

const MOST_HEADER_BYTES = 100_000_000; // the format's own limit
const MOST_DIMENSIONS = 8;

/** Types by their names in safetensors. */
const TYPES: Readonly<Record<string, SourceType>> = {
  F32: 'F32',
  F16: 'F16',
  BF16: 'BF16',
  F8_E4M3: 'F8_E4M3',
  F8_E5M2: 'F8_E5M2',
  F8_E8M0: 'F8_E8M0',
  U8: 'U8',
};

/** Types that models do not compute with: their tensors are left out. */
const OTHERS: readonly string[] = ['I8', 'I16', 'U16', 'I32', 'U32', 'I64', 'U64', 'BOOL', 'F64', 'C64'];

/**
 * The tensors of a file and, of a sharded checkpoint, of all files that the index beside it names.
 *
 * Throws UserError for a file that is missing, damaged or not safetensors, and an index that names files outside its
 * folder.
 */
export async function readSafetensors(path: string): Promise<Map<string, StoredTensor>> {
  const files = path.endsWith('.index.json') ? await filesOf(path) : [path];
  const tensors = new Map<string, StoredTensor>();
  for (const file of files) {
    for (const [name, tensor] of await readFile(file)) {
      if (tensors.has(name))
        throw damaged(file, `the tensor ${JSON.stringify(name)} once`, 'it in two files');
      tensors.set(name, tensor);
    }
  }
  return tensors;
}

async function filesOf(index: string): Promise<string[]> {
  const map = (await readJson(index))?.weight_map;
  if (!isObject(map)) throw damaged(index, 'an object weight_map', typeof map);
  const names = new Set(Object.values(map));
  for (const name of names) {
    if (typeof name === 'string' && name === basename(name) && name.endsWith('.safetensors')) continue;
    const got = JSON.stringify(name)?.slice(0, 60);
    throw damaged(index, 'names of .safetensors files beside it in weight_map', String(got));
  }
  return [...names].map((name) => join(dirname(index), name as string)).sort();
}

async function readFile(path: string): Promise<Map<string, StoredTensor>> {
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    const kind = cause.code === 'ENOENT' ? 'model-not-found' : undefined;
    throw new UserError(`Cannot read the model file ${path}: ${cause.message}.`, 'Check the path.', {
      cause,
      kind,
    });
  });
  try {
    const { size } = await file.stat();
    const { start, entries } = await readHeader(file, path, size);
    const tensors = new Map<string, StoredTensor>();
    for (const [name, entry] of Object.entries(entries)) {
      if (name === '__metadata__') continue;
      const tensor = tensorOf(entry, { name, path, start, size });
      if (tensor) tensors.set(name, tensor);
    }
    return tensors;
  } finally {
    await file.close();
  }
}

async function readHeader(file: FileHandle, path: string, size: number) {
  const prefix = new Uint8Array(8);
  const { bytesRead } = await file.read(prefix, 0, 8, 0);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (bytesRead < 8 || length < 2 || length > MOST_HEADER_BYTES || 8 + length > size) {
    throw damaged(path, `a header of at most ${Math.max(0, size - 8)} bytes`, `${length}`);
  }
  const bytes = new Uint8Array(length);
  await file.read(bytes, 0, length, 8);
  let entries: unknown;
  try {
    entries = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged(path, 'a header of JSON', cause instanceof Error ? cause.message : String(cause));
  }
  if (!isObject(entries)) throw damaged(path, 'a header that is an object', typeof entries);
  return { start: 8 + length, entries };
}

interface Place {
  readonly name: string;
  readonly path: string;
  readonly start: number; // of the data
  readonly size: number; // of the file
}

function tensorOf(entry: unknown, { name, path, start, size }: Place): StoredTensor | undefined {
  const whose = `the tensor ${JSON.stringify(name.slice(0, 80))}`;
  if (!isObject(entry)) throw damaged(path, `${whose} to be an object`, typeof entry);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype === 'string' && OTHERS.includes(dtype)) return undefined;
  const type = typeof dtype === 'string' && Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined;
  if (!type) throw damaged(path, `${whose} of one of ${Object.keys(TYPES).join(', ')}`, String(dtype));
  if (!isSizes(shape) || shape.length > MOST_DIMENSIONS) {
    throw damaged(path, `sizes in the shape of ${whose}`, JSON.stringify(shape));
  }
  const bytes = shape.reduce((product, length) => product * length, sourceFormat(type).bytes);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[1]! - offsets[0]! !== bytes) {
    throw damaged(path, `${bytes} bytes of ${whose}`, `data_offsets ${JSON.stringify(offsets)}`);
  }
  if (start + offsets[1]! > size) {
    throw damaged(
      path,
      `${whose} within its ${size} bytes`,
      `bytes up to ${start + offsets[1]!}: the file is incomplete`,
    );
  }
  return { path, offset: start + offsets[0]!, type, shape };
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function damaged(path: string, expected: string, got: string): UserError {
  return new UserError(`Expected ${expected} in ${path}, got ${got}.`, 'Get the model again.');
}

/** The first number of a tensor. */
export function readNumber({ path, offset, type }: StoredTensor): number {
  const bytes = new Uint8Array(sourceFormat(type).bytes);
  const file = openSync(path, 'r');
  try {
    readSync(file, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(file);
  }
  return decode(type, bytes)[0]!;
}
