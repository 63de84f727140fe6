import type { GgufStrings } from '../gguf/index.ts';

// FNV-1a, 32 bit: http://www.isthe.com/chongo/tech/comp/fnv/. Each process starts from other bits, so that no vocabulary
// can be written whose strings all share a slot.
const FNV_OFFSET = crypto.getRandomValues(new Int32Array(1))[0]!;
const FNV_PRIME = 0x01000193;
const SPACE = 0x20;

/** FNV-1a hash of bytes[start, end); `seed` is the hash of the bytes before them, if any. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed = FNV_OFFSET): number {
  let hash = seed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME);
  return hash;
}

/**
 * Finds the string of a vocabulary that equals given bytes: an open-addressing hash table over the undecoded bytes,
 * built at the first look-up. The first of equal strings wins.
 */
export class PieceIndex {
  readonly #strings: GgufStrings;
  readonly #include: (index: number) => boolean;
  readonly #onDouble: ((index: number, first: number) => void) | undefined;
  /** Slot i: the hash at 2i, the index of the string + 1 at 2i + 1 (0: the slot is free). */
  #slots: Int32Array | undefined;

  /**
   * Indexes the strings for which `include` holds.
   * @param onDouble gets the first string that equals an earlier one, `first`
   */
  constructor(
    strings: GgufStrings,
    include: (index: number) => boolean = () => true,
    onDouble?: (index: number, first: number) => void,
  ) {
    this.#strings = strings;
    this.#include = include;
    this.#onDouble = onDouble;
  }

  /** Index of the string equal to bytes[start, end), or -1. `hash` is the hash of these bytes, if the caller has it. */
  find(bytes: Uint8Array, start: number, end: number, hash = hashBytes(bytes, start, end)): number {
    return this.#find(hash, bytes, start, end, end);
  }

  /** Index of the string equal to bytes[start, middle), a space, bytes[middle, end), or -1. */
  findPair(bytes: Uint8Array, start: number, middle: number, end: number): number {
    const left = hashBytes(bytes, start, middle);
    const hash = hashBytes(bytes, middle, end, Math.imul(left ^ SPACE, FNV_PRIME));
    return this.#find(hash, bytes, start, middle, end);
  }

  #find(hash: number, bytes: Uint8Array, start: number, middle: number, end: number): number {
    this.#slots ??= this.#build();
    return this.#slots[2 * this.#slotOf(this.#slots, hash, bytes, start, middle, end) + 1]! - 1;
  }

  #build(): Int32Array {
    const { bytes, offsets, lengths, length } = this.#strings;
    let told = false;
    const slots = new Int32Array(2 * 2 ** Math.ceil(Math.log2(1.5 * length + 1))); // at most 2/3 full
    for (let index = 0; index < length; index++) {
      if (!this.#include(index)) continue;
      const start = offsets[index]!;
      const end = start + lengths[index]!;
      const hash = hashBytes(bytes, start, end);
      const slot = this.#slotOf(slots, hash, bytes, start, end, end);
      const first = slots[2 * slot + 1]! - 1; // an equal string that is in the table already
      if (first < 0) {
        slots[2 * slot] = hash;
        slots[2 * slot + 1] = index + 1;
      } else if (!told) {
        told = true;
        this.#onDouble?.(index, first);
      }
    }
    return slots;
  }

  /** Slot of the string that equals bytes[start, end), split as in #equals; or the free slot for it. */
  #slotOf(
    slots: Int32Array,
    hash: number,
    bytes: Uint8Array,
    start: number,
    middle: number,
    end: number,
  ): number {
    const mask = slots.length / 2 - 1;
    let slot = hash & mask;
    for (let index = slots[2 * slot + 1]!; index > 0; index = slots[2 * slot + 1]!) {
      if (slots[2 * slot] === hash && this.#equals(index - 1, bytes, start, middle, end)) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Whether a string equals bytes[start, end), with a space at `middle` unless the right part is empty. */
  #equals(index: number, bytes: Uint8Array, start: number, middle: number, end: number): boolean {
    const { bytes: own, offsets, lengths } = this.#strings;
    const separator = middle < end ? 1 : 0;
    if (lengths[index] !== end - start + separator) return false;
    let at = offsets[index]!;
    for (let i = start; i < middle; i++) if (own[at++] !== bytes[i]) return false;
    if (separator === 1 && own[at++] !== SPACE) return false;
    for (let i = middle; i < end; i++) if (own[at++] !== bytes[i]) return false;
    return true;
  }
}
