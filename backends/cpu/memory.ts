/**
 * Memories that all threads share. Addresses have 32 bits, so a larger model lies in several; each is handed out from
 * the bottom and never moved. Reserved address space costs nothing until it is touched.
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

export class SharedHeap {
  readonly memory: WebAssembly.Memory;
  #top = HEAP;
  #dirty = HEAP; // above it nothing was ever written
  readonly #regions: { readonly start: number; held: boolean }[] = []; // from the bottom

  /** Throws UserError of kind memory. */
  constructor(limit: number) {
    const maximum = Math.floor(limit / PAGE);
    this.memory = reserved(
      maximum * PAGE,
      () => new WebAssembly.Memory({ initial: 1, maximum, shared: true }),
    );
  }

  /** Where the next region starts. */
  get used(): number {
    return this.#top;
  }

  /**
   * Reserves the addresses up to `top`, zero unless used before, and returns how to give them back: they are free
   * again when everything above them is given back too. Throws UserError of kind memory.
   */
  reserve(top: number): () => void {
    const missing = Math.ceil(top / PAGE) - this.memory.buffer.byteLength / PAGE;
    if (missing > 0) reserved(missing * PAGE, () => this.memory.grow(missing));
    if (top === this.#top) return () => {};
    const region = { start: this.#top, held: true };
    this.#regions.push(region);
    this.#top = top;
    return () => {
      region.held = false;
      this.#dirty = Math.max(this.#dirty, top);
      while (this.#regions.at(-1)?.held === false) this.#top = this.#regions.pop()!.start;
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
