import { readSync } from 'node:fs';
import { UserError } from '../../errors.ts';

const FIRST_WINDOW = 2 << 20;

/** Far above any real header (a vocabulary of 262k tokens takes 20 MB), and small enough to allocate. */
export const MAX_HEADER = 128 << 20;

/** Most keys, tensors, booleans and other items that become JavaScript values; real headers have thousands. */
const MAX_ITEMS = 1 << 17;

const MAX_NAME = 65535; // of a key, by the specification

const DAMAGED = 'The file is damaged or incomplete: get it again.';

/** Why a header cannot be read. */
type HeaderFault =
  | 'cut' // the file is too short for what it lists
  | 'wrong' // it breaks the format, or is of another one
  | 'unsupported'; // it may be whole, but is of a kind that percept does not know, or too large for it

export class HeaderError extends UserError {
  readonly fault: HeaderFault;

  constructor(message: string, hint: string, fault: HeaderFault) {
    super(message, hint);
    this.fault = fault;
  }
}

/**
 * The header of an open file, read forwards from byte 0 through a window that grows as needed.
 *
 * No allocation trusts the file: a length or count must fit into the rest of the file, and the window stays below
 * 128 MiB. Numbers are little-endian; the machine is assumed to be little-endian, too.
 */
export class Header {
  readonly path: string;
  readonly fileBytes: number;
  /** The part being read, in words, for error messages. */
  reading = 'the start of the header';
  readonly #fd: number;
  readonly #limit: number; // bytes the header may take
  #window = Buffer.from(new ArrayBuffer(0)); // the whole of its ArrayBuffer
  #view = new DataView(this.#window.buffer);
  #position = 0;
  #items = 0;

  constructor(fd: number, path: string, fileBytes: number) {
    this.#fd = fd;
    this.path = path;
    this.fileBytes = fileBytes;
    this.#limit = Math.min(fileBytes, MAX_HEADER);
  }

  /** Offset of the next byte from the start of the file. */
  get position(): number {
    return this.#position;
  }

  /** The file from byte 0 on, at least up to `position`. A read may replace it: get it again after each read. */
  get bytes(): Buffer<ArrayBuffer> {
    return this.#window;
  }

  /** The same bytes for reading numbers. */
  get view(): DataView {
    return this.#view;
  }

  /** Advances by `bytes`, which are then in `bytes` and `view`; returns their start. */
  advance(bytes: number): number {
    const start = this.#position;
    const end = start + bytes;
    if (end > this.#window.length) this.#grow(end);
    this.#position = end;
    return start;
  }

  u32(): number {
    const at = this.advance(4);
    return this.#view.getUint32(at, true);
  }

  /** An unsigned 64-bit number. It is rounded beyond 2^53, but still far above every limit. */
  u64(): number {
    const at = this.advance(8);
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** Number of `things` that follow, each of at least `bytesEach`. Throws HeaderError if the file cannot hold them. */
  count(things: string, bytesEach: number): number {
    const count = this.u64();
    if (count * bytesEach > this.#limit - this.#position) {
      this.fail(`${things} that fit into ${this.#left()}`, `a count of ${count}`, {
        fault: this.#shortage(count * bytesEach),
      });
    }
    return count;
  }

  /** As `count`, for things that become a JavaScript value each. */
  itemCount(things: string, bytesEach: number): number {
    const count = this.count(things, bytesEach);
    this.addItems(count);
    return count;
  }

  /** Throws HeaderError if the header has too many things that become a JavaScript value each. */
  addItems(count: number): void {
    this.#items += count;
    if (this.#items > MAX_ITEMS) {
      this.fail(`at most ${MAX_ITEMS} keys, tensors and single array elements`, `${this.#items}`, {
        fault: 'unsupported',
      });
    }
  }

  string(): string {
    const length = this.count('characters', 1);
    const at = this.advance(length);
    return this.#window.toString('utf8', at, at + length);
  }

  /** The name of a key or tensor, which must not be empty, too long, or already in `known`. */
  name(thing: string, known: ReadonlyMap<string, unknown>): string {
    const name = this.string();
    this.reading = `${thing} ${quoted(name)}`;
    if (name === '' || name.length > MAX_NAME) {
      this.fail(`a name of 1 to ${MAX_NAME} characters`, `${name.length}`);
    }
    if (known.has(name)) this.fail('a unique name', 'one that occurs before');
    return name;
  }

  /** Throws a HeaderError with the current position in the file. */
  fail(expected: string, got: string, options: { hint?: string; fault?: HeaderFault } = {}): never {
    const { hint = DAMAGED, fault = 'wrong' } = options;
    const place = `${this.reading}, byte ${this.#position} of ${this.path}`;
    throw new HeaderError(`Expected ${expected}, got ${got} (${place}).`, hint, fault);
  }

  /** The fault of a header that goes on for `bytes`, beyond its limit. */
  #shortage(bytes: number): HeaderFault {
    return bytes > this.fileBytes - this.#position ? 'cut' : 'unsupported';
  }

  #left(): string {
    const border = this.#limit < this.fileBytes ? `the ${MAX_HEADER} a header may take` : 'the file';
    return `the ${this.#limit - this.#position} bytes left of ${border}`;
  }

  #grow(end: number): void {
    if (end > this.#limit) {
      const more = end - this.#position;
      this.fail(`${more} more bytes`, this.#left(), { fault: this.#shortage(more) });
    }
    const have = this.#window.length;
    const size = Math.min(this.#limit, Math.max(end, have * 2, FIRST_WINDOW));
    const window = Buffer.from(new ArrayBuffer(size));
    this.#window.copy(window);
    for (let filled = have; filled < window.length; ) {
      const read = readSync(this.#fd, window, filled, window.length - filled, filled);
      if (read === 0) {
        this.fail(`${this.fileBytes} bytes`, `the end of the file after ${filled}`, { fault: 'cut' });
      }
      filled += read;
    }
    this.#window = window;
    this.#view = new DataView(window.buffer);
  }
}

/** A name from the file, for an error message: without control characters, shortened. */
export function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 80));
}
