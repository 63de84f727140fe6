import type { GgufStrings } from '../gguf.ts';

const FNV_OFFSET = 0x811c9dc5; // FNV-1a, 32 bit: http://www.isthe.com/chongo/tech/comp/fnv/
const FNV_PRIME = 0x01000193;
const SPACE = 0x20;

/** FNV-1a hash of bytes[start, end); `seed` is the hash of what stands before them, if anything. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed = FNV_OFFSET): number {
  let hash = seed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME);
  return hash;
}

/**
 * Which string of a vocabulary equals given bytes: an open-addressing hash table over the undecoded bytes.
 * A Map of JavaScript strings would cost ten times as long to build. Of equal strings the first one counts.
 */
export class PieceIndex {
  readonly #bytes: Uint8Array;
  readonly #offsets: Uint32Array;
  readonly #lengths: Uint32Array;
  /** Slot i: the hash at 2i, the index of the string + 1 at 2i + 1 (0: the slot is free). */
  readonly #slots: Int32Array;
  readonly #mask: number; // slots - 1

  /** Indexes the strings for which `include` holds. */
  constructor(strings: GgufStrings, include: (index: number) => boolean = () => true) {
    this.#bytes = strings.bytes;
    this.#offsets = strings.offsets;
    this.#lengths = strings.lengths;
    const slots = 2 ** Math.ceil(Math.log2(1.5 * strings.length + 1)); // at most 2/3 full
    this.#slots = new Int32Array(2 * slots);
    this.#mask = slots - 1;
    for (let index = 0; index < strings.length; index++) if (include(index)) this.#insert(index);
  }

  /** Index of the string equal to bytes[start, end), or -1. `hash` is theirs, where the caller has it. */
  find(bytes: Uint8Array, start: number, end: number, hash = hashBytes(bytes, start, end)): number {
    return this.#find(hash, bytes, start, end, end);
  }

  /** Index of the string equal to bytes[start, middle), a space, bytes[middle, end), or -1. */
  findPair(bytes: Uint8Array, start: number, middle: number, end: number): number {
    const left = hashBytes(bytes, start, middle);
    return this.#find(
      hashBytes(bytes, middle, end, Math.imul(left ^ SPACE, FNV_PRIME)),
      bytes,
      start,
      middle,
      end,
    );
  }

  #insert(index: number): void {
    const start = this.#offsets[index]!;
    const hash = hashBytes(this.#bytes, start, start + this.#lengths[index]!);
    let slot = hash & this.#mask;
    while (this.#slots[2 * slot + 1] !== 0) slot = (slot + 1) & this.#mask;
    this.#slots[2 * slot] = hash;
    this.#slots[2 * slot + 1] = index + 1;
  }

  #find(hash: number, bytes: Uint8Array, start: number, middle: number, end: number): number {
    const slots = this.#slots;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = slots[2 * slot + 1]! - 1;
      if (index < 0) return -1;
      if (slots[2 * slot] === hash && this.#equals(index, bytes, start, middle, end)) return index;
    }
  }

  /** Whether a string is bytes[start, end), with a space between the two parts unless the right is empty. */
  #equals(index: number, bytes: Uint8Array, start: number, middle: number, end: number): boolean {
    const separator = middle < end ? 1 : 0;
    if (this.#lengths[index] !== end - start + separator) return false;
    const own = this.#bytes;
    let at = this.#offsets[index]!;
    for (let i = start; i < middle; i++) if (own[at++] !== bytes[i]) return false;
    if (separator === 1 && own[at++] !== SPACE) return false;
    for (let i = middle; i < end; i++) if (own[at++] !== bytes[i]) return false;
    return true;
  }
}
