/**
 * Memories that all threads share. Addresses have 32 bits, so a larger model lies in several. What lies somewhere is never
 * moved, and what comes later takes the lowest place that is free. Reserved address space costs nothing until it is
 * touched; a memory does not shrink.
 */
import { UserError } from '../../errors.ts';
import { HEAP } from '../../kernels/wasm/layout.ts';

const PAGE = 65_536;
const ALIGNMENT = 64; // a cache line

/** Bytes from a buffer to the next at least: a write of one vector too far, or of a row of 16, is seen. */
export const SENTINEL_BYTES = 64;

/** Bytes of one memory at most: a page less than 4 GiB, so that the end of a range is an address too. */
export const REACH = 2 ** 32 - PAGE;

/** Bytes of a known pattern between two buffers; see sentinels.ts. */
export interface Sentinel {
  readonly name: string; // of the buffer in front of it
  readonly address: number;
  readonly bytes: number;
}

/** Hands out the addresses of one memory. Plans are made with it, before anything is reserved. */
export class AddressSpace {
  /** Bytes left free behind each buffer; 0 without sentinels. */
  readonly gap: number;
  /** What stands in the gaps, in the order of allocation. */
  readonly sentinels: Sentinel[] = [];
  #top: number;

  constructor(top: number, withSentinels = false) {
    this.#top = top;
    this.gap = withSentinels ? SENTINEL_BYTES : 0;
  }

  /** Bytes handed out so far, the control block included. */
  get used(): number {
    return this.#top;
  }

  /** Address of `bytes` bytes on cache lines of their own; `name` is for reports of damage. */
  allocate(bytes: number, name: string): number {
    const address = this.#top;
    this.#top += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT + this.gap;
    const end = address + bytes;
    if (this.gap > 0) this.sentinels.push({ name, address: end, bytes: this.#top - end });
    return address;
  }
}

/** Addresses from `start` up to `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The addresses of a memory that nothing lies at. */
export class FreeRanges {
  #ranges: readonly Range[]; // ascending, apart from each other; the last one has no end

  constructor(ranges: readonly Range[] = [{ start: HEAP, end: Infinity }]) {
    this.#ranges = ranges;
  }

  /** From here on everything is free. */
  get top(): number {
    return this.#ranges.at(-1)!.start;
  }

  copy(): FreeRanges {
    return new FreeRanges(this.#ranges);
  }

  /** The lowest address at which so many bytes are free. */
  find(bytes: number): number {
    return this.#ranges.find(({ start, end }) => start + bytes <= end)!.start;
  }

  /** Takes a range that is free. */
  claim({ start, end }: Range): void {
    this.#ranges = this.#ranges.flatMap((free) => {
      if (end <= free.start || free.end <= start) return [free];
      const rest = [
        { start: free.start, end: start },
        { start: end, end: free.end },
      ];
      return rest.filter((range) => range.start < range.end);
    });
  }

  /** Gives a range back that was claimed. */
  release(range: Range): void {
    const all = [...this.#ranges, range].sort((a, b) => a.start - b.start);
    const merged: Range[] = [];
    for (const next of all) {
      const last = merged.at(-1);
      if (last?.end === next.start) merged[merged.length - 1] = { start: last.start, end: next.end };
      else merged.push(next);
    }
    this.#ranges = merged;
  }
}

export class SharedHeap {
  readonly memory: WebAssembly.Memory;
  readonly #free = new FreeRanges();
  #dirty = HEAP; // above it nothing was ever written

  /** Throws UserError of kind memory. */
  constructor(limit: number) {
    const maximum = Math.floor(limit / PAGE);
    this.memory = reserved(
      maximum * PAGE,
      () => new WebAssembly.Memory({ initial: 1, maximum, shared: true }),
    );
  }

  /** A copy, to plan with. */
  get free(): FreeRanges {
    return this.#free.copy();
  }

  /** Nothing lies from here on. */
  get used(): number {
    return this.#free.top;
  }

  /** Takes what is free up to `top`: `claim`. */
  reserve(top: number): () => void {
    return this.claim({ start: this.used, end: top });
  }

  /**
   * Takes a free range, zero unless used before, and returns how to give it back. Throws UserError of kind memory.
   */
  claim(range: Range): () => void {
    if (range.start === range.end) return () => {};
    const missing = Math.ceil(range.end / PAGE) - this.memory.buffer.byteLength / PAGE;
    if (missing > 0) reserved(missing * PAGE, () => this.memory.grow(missing));
    this.#free.claim(range);
    let held = true;
    return () => {
      if (held) this.#free.release(range);
      held = false;
      this.#dirty = Math.max(this.#dirty, range.end);
    };
  }

  /** Zeros reserved bytes. Those that nobody has used yet are zero, and take no memory, until they are written. */
  clear(address: number, bytes: number): void {
    const used = Math.min(address + bytes, this.#dirty) - address;
    if (used > 0) this.bytes(address, used).fill(0);
  }

  /** Fills reserved bytes as if somebody had used them before. */
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

/** What `reserve` gives, or a UserError with the bytes it wanted. */
function reserved<T>(bytes: number, reserve: () => T): T {
  try {
    return reserve();
  } catch (cause) {
    throw new UserError(
      `Expected another ${megabytes(bytes)} of address space for the CPU backend, but the system gives none.`,
      'Close other programs, raise the limit on virtual memory (ulimit -v), or use a smaller model.',
      { cause, kind: 'memory' },
    );
  }
}

export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
