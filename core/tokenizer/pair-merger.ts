/**
 * Byte-pair merging, the core of byte-level BPE and SentencePiece: repeatedly joins the two neighbouring symbols of the
 * best rank, the leftmost first, until no two can be joined. O(n log n) in the symbols of a word.
 */

/** Rank of joining bytes[start, middle) with bytes[middle, end): the lowest is joined first, NEVER is not joined. */
export type RankOf = (bytes: Uint8Array, start: number, middle: number, end: number) => number;

export const NEVER = Number.POSITIVE_INFINITY;

/** Symbols above which scratch memory is freed after a word: it is over 40 bytes a symbol. */
const KEPT_SYMBOLS = 1 << 16;

export class PairMerger {
  readonly #rankOf: RankOf;
  #queue = new PairQueue(0);
  // For symbol i of the word: its first byte, its neighbours, and the rank of joining it with the next one.
  // Symbol `count` is the end of the word.
  #starts = new Int32Array(0);
  #previous = new Int32Array(0);
  #next = new Int32Array(0);
  #ranks = new Float64Array(0);
  #count = 0;

  constructor(rankOf: RankOf) {
    this.#rankOf = rankOf;
  }

  /** Merges the UTF-8 characters of a word; calls emit(start, end) for each remaining symbol, in order. */
  merge(bytes: Uint8Array, emit: (start: number, end: number) => void): void {
    this.#split(bytes);
    for (let i = 0; i < this.#count; i++) this.#rate(bytes, i);
    for (let left = this.#pop(); left >= 0; left = this.#pop()) this.#join(bytes, left);
    for (let i = 0, next = 0; i < this.#count; i = next) {
      next = this.#next[i]!;
      emit(this.#starts[i]!, this.#starts[next]!);
    }
    if (this.#starts.length > KEPT_SYMBOLS) this.#allocate(0);
  }

  #split(bytes: Uint8Array): void {
    if (bytes.length >= this.#starts.length) this.#allocate(bytes.length + 1);
    let count = 0;
    for (let i = 0; i < bytes.length; i++) {
      if ((bytes[i]! & 0xc0) === 0x80) continue; // continues the character
      this.#starts[count] = i;
      this.#previous[count] = count - 1;
      this.#next[count] = count + 1;
      count++;
    }
    this.#starts[count] = bytes.length;
    this.#count = count;
  }

  #allocate(symbols: number): void {
    this.#starts = new Int32Array(symbols);
    this.#previous = new Int32Array(symbols);
    this.#next = new Int32Array(symbols);
    this.#ranks = new Float64Array(symbols);
    this.#queue = new PairQueue(2 * symbols); // one pair a symbol; a join removes one pair and adds up to two
  }

  /** Computes the rank of joining a symbol with the next one, and queues the pair. */
  #rate(bytes: Uint8Array, left: number): void {
    const right = this.#next[left]!;
    let rank = NEVER;
    if (right < this.#count) {
      rank = this.#rankOf(
        bytes,
        this.#starts[left]!,
        this.#starts[right]!,
        this.#starts[this.#next[right]!]!,
      );
    }
    this.#ranks[left] = rank;
    if (rank < NEVER) this.#queue.push(rank, left);
  }

  /** Left symbol of the best pair, or -1. Skips outdated pairs: their rank is no longer the rank of their symbol. */
  #pop(): number {
    while (!this.#queue.isEmpty) {
      const rank = this.#queue.bestRank;
      const left = this.#queue.pop();
      if (this.#ranks[left] === rank) return left;
    }
    return -1;
  }

  #join(bytes: Uint8Array, left: number): void {
    const right = this.#next[left]!;
    const next = this.#next[right]!;
    this.#ranks[right] = NEVER;
    this.#next[left] = next;
    if (next < this.#count) this.#previous[next] = left;
    this.#rate(bytes, left);
    if (this.#previous[left]! >= 0) this.#rate(bytes, this.#previous[left]!);
  }
}

/** Binary heap of (rank, position) pairs: the lowest rank first, then the lowest position. */
class PairQueue {
  readonly #ranks: Float64Array;
  readonly #positions: Int32Array;
  #size = 0;

  constructor(capacity: number) {
    this.#ranks = new Float64Array(capacity);
    this.#positions = new Int32Array(capacity);
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  get bestRank(): number {
    return this.#ranks[0]!;
  }

  push(rank: number, position: number): void {
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(rank, position, parent)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#ranks[at] = rank;
    this.#positions[at] = position;
  }

  /** Removes the best pair and returns its position. */
  pop(): number {
    const best = this.#positions[0]!;
    const size = --this.#size;
    const rank = this.#ranks[size]!; // the last pair sinks from the root to its place
    const position = this.#positions[size]!;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.#isBefore(this.#ranks[child + 1]!, this.#positions[child + 1]!, child))
        child++;
      if (this.#isBefore(rank, position, child)) break;
      this.#move(child, at);
      at = child;
    }
    this.#ranks[at] = rank;
    this.#positions[at] = position;
    return best;
  }

  #isBefore(rank: number, position: number, other: number): boolean {
    const otherRank = this.#ranks[other]!;
    return rank < otherRank || (rank === otherRank && position < this.#positions[other]!);
  }

  #move(from: number, to: number): void {
    this.#ranks[to] = this.#ranks[from]!;
    this.#positions[to] = this.#positions[from]!;
  }
}
