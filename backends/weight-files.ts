/** The files of weights, each opened once. Threads read synchronously; the main thread awaits long reads. */
import { closeSync, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { UserError } from '../errors.ts';
import type { SourceMatrix } from './backend.ts';
import type { FileRead, FileReads } from './weight-rows.ts';
import { rangesOf } from './weight-source.ts';

const readSoon = promisify(read);

/** Most bytes of one read. The limit of the system is 2 GiB. */
const MOST_BYTES = 2 ** 30;
/** Reads of at most this many bytes are synchronous: awaiting them would take longer. */
const SMALL_BYTES = 16 * 1024;

export class WeightFiles implements Disposable {
  readonly #open = new Map<string, number>();
  readonly #checked = new WeakSet<SourceMatrix>();

  /** Throws UserError if a range has too few bytes, before memory is allocated for them. */
  check(matrix: SourceMatrix, name: string): void {
    if (this.#checked.has(matrix)) return;
    for (const { at, bytes } of rangesOf(matrix, name)) {
      if ('bytes' in at) {
        if (at.bytes.length < bytes) throw tooShort(name, bytes, at.bytes.length);
        continue;
      }
      const got = Math.max(0, fstatSync(this.#file(at.path, name)).size - at.offset);
      if (got < bytes) throw cutOff(name, { ...at, expected: bytes, got });
    }
    this.#checked.add(matrix);
  }

  /** Does all reads. Throws UserError if a file cannot be read or ends inside a read. */
  run(reads: FileReads, name: string): void {
    for (const each of reads) for (const piece of pieces(each)) this.#readNow(piece, name);
  }

  /** Does all reads, and awaits the long ones. Rejects with the UserError of `run`. */
  async runSoon(reads: FileReads, name: string): Promise<void> {
    for (const each of reads) {
      for (const piece of pieces(each)) {
        if (piece.into.length > SMALL_BYTES) await this.#readSoon(piece, name);
        else this.#readNow(piece, name);
      }
    }
  }

  #readNow(piece: FileRead, name: string): void {
    const { path, offset, into } = piece;
    let got: number;
    try {
      got = readSync(this.#file(path, name), into, 0, into.length, offset);
    } catch (cause) {
      throw unreadable(path, name, cause);
    }
    complete(piece, got, name);
  }

  async #readSoon(piece: FileRead, name: string): Promise<void> {
    const { path, offset, into } = piece;
    const reading = readSoon(this.#file(path, name), into, 0, into.length, offset);
    const { bytesRead } = await reading.catch((cause) => {
      throw unreadable(path, name, cause);
    });
    complete(piece, bytesRead, name);
  }

  [Symbol.dispose](): void {
    for (const file of this.#open.values()) closeSync(file);
    this.#open.clear();
  }

  #file(path: string, name: string): number {
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    try {
      const file = openSync(path, 'r');
      this.#open.set(path, file);
      return file;
    } catch (cause) {
      throw unreadable(path, name, cause);
    }
  }
}

function* pieces({ path, offset, into }: FileRead): Generator<FileRead> {
  for (let at = 0; at < into.length; at += MOST_BYTES) {
    yield { path, offset: offset + at, into: into.subarray(at, at + MOST_BYTES) };
  }
}

function complete({ path, offset, into }: FileRead, got: number, name: string): void {
  if (got < into.length) throw cutOff(name, { path, offset, expected: into.length, got });
}

function unreadable(path: string, name: string, cause: unknown): UserError {
  if (cause instanceof UserError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new UserError(
    `Could not read ${name} from ${path}: ${why}.`,
    'Check the file, or get the model again.',
    {
      cause,
    },
  );
}

function tooShort(name: string, expected: number, got: number): UserError {
  return new UserError(`Expected ${expected} bytes of ${name}, got ${got}.`, 'Pass all bytes of the weight.');
}

interface Missing {
  readonly path: string;
  readonly offset: number; // bytes
  readonly expected: number; // bytes
  readonly got: number;
}

/** The error for a file that ends inside a weight. */
function cutOff(name: string, { path, offset, expected, got }: Missing): UserError {
  return new UserError(
    `Expected ${expected} bytes of ${name} at byte ${offset} of ${path}, got ${got}: the file ended inside ${name}.`,
    'The file is incomplete, or it changed while it was read: get the model again.',
  );
}
