/** Finds all pieces of a vocabulary that begin at a place of a text: the pieces sorted, as a trie without nodes. */
import type { GgufStrings } from '../gguf/index.ts';

export class PieceTrie {
  readonly #strings: GgufStrings;
  readonly #include: (id: number) => boolean;
  /** Ids in the order of their bytes, built at the first look-up. */
  #sorted: Int32Array | undefined;
  /** The first of them that begins with each byte; 257 entries. */
  readonly #firsts = new Int32Array(257);

  constructor(strings: GgufStrings, include: (id: number) => boolean) {
    this.#strings = strings;
    this.#include = include;
  }

  /** Calls `found` with the end and the id of each piece that bytes[at..] begins with, the shortest first. */
  each(bytes: Uint8Array, at: number, found: (end: number, id: number) => void): void {
    this.#sorted ??= this.#build();
    let low = this.#firsts[bytes[at]!]!;
    let high = this.#firsts[bytes[at]! + 1]!;
    const { lengths } = this.#strings;
    for (let depth = 1; low < high; depth++) {
      // Equal pieces lie together: the last of them counts.
      let id = -1;
      while (low < high && lengths[this.#sorted[low]!] === depth) id = this.#sorted[low++]!;
      if (id >= 0) found(at + depth, id);
      if (low === high || at + depth >= bytes.length) return;
      const byte = bytes[at + depth]!;
      low = this.#from(low, high, depth, byte);
      high = this.#from(low, high, depth, byte + 1);
    }
  }

  /** The first of sorted[low, high) whose byte at `depth` is at least `byte`; all are longer than `depth`. */
  #from(low: number, high: number, depth: number, byte: number): number {
    const { bytes, offsets } = this.#strings;
    const sorted = this.#sorted!;
    let [from, to] = [low, high];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (bytes[offsets[sorted[middle]!]! + depth]! < byte) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #build(): Int32Array {
    const { bytes, offsets, lengths, length } = this.#strings;
    const ids: number[] = [];
    for (let id = 0; id < length; id++) if (lengths[id]! > 0 && this.#include(id)) ids.push(id);
    const views = new Map(
      ids.map((id) => [id, Buffer.from(bytes.buffer, bytes.byteOffset + offsets[id]!, lengths[id]!)]),
    );
    ids.sort((a, b) => Buffer.compare(views.get(a)!, views.get(b)!) || a - b);
    let next = 0;
    for (let byte = 0; byte < 256; byte++) {
      while (next < ids.length && bytes[offsets[ids[next]!]!]! < byte) next++;
      this.#firsts[byte] = next;
    }
    this.#firsts[256] = ids.length;
    return Int32Array.from(ids);
  }
}
