/**
 * Memories that all threads share. Addresses have 32 bits, so a model beyond 4 GiB needs several memories. Bytes are
 * never moved; a new range takes the lowest free addresses that fit. Reserved address space costs nothing until it is
 * touched. A memory does not shrink.
 */
import { UserError } from '../../errors.ts';
import { HEAP } from '../../kernels/wasm/layout.ts';

const PAGE = 65_536;
const ALIGNMENT = 64; // a cache line

/** Least bytes between two buffers with sentinels: enough to find a vector, or a row of 16, written too far. */
export const SENTINEL_BYTES = 64;

/** Most bytes of one memory: a page less than 4 GiB, so that the end of a range is an address too. */
export const REACH = 2 ** 32 - PAGE;

/** Bytes of a known pattern between two buffers; see sentinels.ts. */
export interface Sentinel {
  readonly name: string; // of the buffer in front of it
  readonly address: number;
  readonly bytes: number;
}

/** Allocates addresses of one memory for a plan. It reserves nothing. */
export class AddressSpace {
  /** Least bytes left free after each buffer; 0 without sentinels. */
  readonly gap: number;
  /** Sentinels of the gaps, in the order of allocation. */
  readonly sentinels: Sentinel[] = [];
  #top: number;

  constructor(top: number, withSentinels = false) {
    this.#top = top;
    this.gap = withSentinels ? SENTINEL_BYTES : 0;
  }

  /** End of the last allocation. */
  get used(): number {
    return this.#top;
  }

  /** Address of `bytes` bytes on cache lines of their own. Reports of damage contain `name`. */
  allocate(bytes: number, name: string): number {
    const address = this.#top;
    this.#top += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT + this.gap;
    const end = address + bytes;
    if (this.gap > 0) this.sentinels.push({ name, address: end, bytes: this.#top - end });
    return address;
  }
}

/** Addresses from `start` to `end`, without `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The free addresses of a memory. */
export class FreeRanges {
  readonly #ranges: Range[]; // ascending, with gaps between them; the last one has no end

  constructor(ranges: readonly Range[] = [{ start: HEAP, end: Infinity }]) {
    this.#ranges = [...ranges];
  }

  /** Start of the last range: all addresses from here on are free. */
  get top(): number {
    return this.#ranges.at(-1)!.start;
  }

  copy(): FreeRanges {
    return new FreeRanges(this.#ranges);
  }

  /** The lowest address with `bytes` free bytes. */
  find(bytes: number): number {
    return this.#ranges.find(({ start, end }) => start + bytes <= end)!.start;
  }

  /** Takes a free range. */
  claim({ start, end }: Range): void {
    const i = this.#ranges.findIndex((free) => end <= free.end);
    const free = this.#ranges[i]!;
    const rest = [
      { start: free.start, end: start },
      { start: end, end: free.end },
    ];
    this.#ranges.splice(i, 1, ...rest.filter((range) => range.start < range.end));
  }

  /** Gives a claimed range back. */
  release({ start, end }: Range): void {
    const i = this.#ranges.findIndex((free) => end <= free.start);
    const [before, after] = [this.#ranges[i - 1], this.#ranges[i]!];
    const [left, right] = [before?.end === start, end === after.start];
    const merged = { start: left ? before!.start : start, end: right ? after.end : end };
    this.#ranges.splice(left ? i - 1 : i, Number(left) + Number(right), merged);
  }
}

export class SharedHeap {
  readonly memory: WebAssembly.Memory;
  readonly #free = new FreeRanges();
  #dirty = HEAP; // bytes from here on are still zero

  /** Throws UserError of kind memory. */
  constructor(limit: number) {
    const maximum = Math.floor(limit / PAGE);
    this.memory = reserved(
      maximum * PAGE,
      () => new WebAssembly.Memory({ initial: 1, maximum, shared: true }),
    );
  }

  /** A copy for plans. */
  get free(): FreeRanges {
    return this.#free.copy();
  }

  /** All addresses from here on are free. */
  get used(): number {
    return this.#free.top;
  }

  /** Claims the range from `used` to `top`. */
  reserve(top: number): () => void {
    return this.claim({ start: this.used, end: top });
  }

  /**
   * Takes a free range and returns the function that gives it back. Bytes that were never used are zero. Throws
   * UserError of kind memory.
   */
  claim(range: Range): () => void {
    if (range.start === range.end) return () => {};
    this.grow(range.end);
    this.#free.claim(range);
    let held = true;
    return () => {
      if (held) this.#free.release(range);
      held = false;
      this.#dirty = Math.max(this.#dirty, range.end);
    };
  }

  /** Makes all addresses below `end` exist. Throws UserError of kind memory. */
  grow(end: number): void {
    const missing = Math.ceil(end / PAGE) - this.memory.buffer.byteLength / PAGE;
    if (missing > 0) reserved(missing * PAGE, () => this.memory.grow(missing));
  }

  /** Zeroes reserved bytes. It leaves bytes that were never used alone: they are zero and take no memory yet. */
  clear(address: number, bytes: number): void {
    const used = Math.min(address + bytes, this.#dirty) - address;
    if (used > 0) this.bytes(address, used).fill(0);
  }

  /** Fills reserved bytes and counts them as used. */
  soil(address: number, bytes: number, value: number): void {
    this.bytes(address, bytes).fill(value);
    this.#dirty = Math.max(this.#dirty, address + bytes);
  }

  i32(address: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, address, length);
  }

  f32(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }
}

/** The memories of a backend. They have numbers in the order of their creation. */
export class SharedHeaps {
  readonly limit: number; // bytes of one memory
  readonly #all: SharedHeap[];
  readonly #prepare: (heap: SharedHeap) => void;

  /** @param prepare is called for each memory after the first */
  constructor(first: SharedHeap, limit: number, prepare: (heap: SharedHeap) => void) {
    this.limit = limit;
    this.#all = [first];
    this.#prepare = prepare;
  }

  get all(): readonly SharedHeap[] {
    return this.#all;
  }

  /** A known memory, or the next one, which is created. Throws UserError of kind memory. */
  at(memory: number): SharedHeap {
    const known = this.#all[memory];
    if (known) return known;
    const heap = new SharedHeap(this.limit);
    this.#prepare(heap);
    this.#all.push(heap);
    return heap;
  }
}

/** The result of `reserve`. Throws UserError with the number of bytes if it fails. */
function reserved<T>(bytes: number, reserve: () => T): T {
  try {
    return reserve();
  } catch (cause) {
    throw new UserError(
      `The system refused another ${megabytes(bytes)} of address space for the CPU backend.`,
      'Close other programs, raise the limit on virtual memory (ulimit -v), or use a smaller model.',
      { cause, kind: 'memory' },
    );
  }
}

export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
