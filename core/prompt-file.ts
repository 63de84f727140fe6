/**
 * The states of a sequence as a file: u32 magic, u32 crc32 of all after the header, u32 number of tokens; then the tokens
 * as i32, then the bytes that the executable saved.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { replaceFile } from '../backends/whole-file.ts';
import type { SavedSequence } from './sequence.ts';

const MAGIC = 0x564b4350; // "PCKV"
const HEADER = 3; // u32 words

/** The tokens of a file, without a look at the rest; undefined for other files. */
export function tokensIn(path: string): Int32Array | undefined {
  try {
    const file = openSync(path, 'r');
    try {
      const [magic, , count = 0] = wordsAt(file, 0, HEADER);
      if (magic !== MAGIC || 4 * (HEADER + count) > fstatSync(file).size) return undefined;
      return Int32Array.from(wordsAt(file, HEADER, count));
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined; // such as one that has just been removed
  }
}

/** A whole file; undefined if it is damaged. Throws the system's error if it cannot be read. */
export function readSequence(path: string): SavedSequence | undefined {
  const bytes = readFileSync(path);
  const body = bytes.subarray(4 * HEADER);
  if (bytes.length < 4 * HEADER) return undefined;
  const [magic, sum, count = 0] = Uint32Array.from({ length: HEADER }, (_, i) => bytes.readUInt32LE(4 * i));
  if (magic !== MAGIC || 4 * count > body.length || crc32(body) !== sum) return undefined;
  const tokens = Array.from({ length: count }, (_, i) => body.readInt32LE(4 * i));
  return { tokens, state: body.subarray(4 * count) };
}

/** Replaces the file as a whole, readable by the user alone. Throws the system's error. */
export function writeSequence(path: string, { tokens, state }: SavedSequence): void {
  const ids = bytesOf(Int32Array.from(tokens));
  const header = bytesOf(Uint32Array.of(MAGIC, crc32(state, crc32(ids)), tokens.length));
  replaceFile(path, [header, ids, state], { mode: 0o600 });
}

function wordsAt(file: number, word: number, count: number): Uint32Array {
  const words = new Uint32Array(count);
  readSync(file, words, 0, words.byteLength, 4 * word);
  return words;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
