/** The last `capacity` token ids (-1: all of them). */
export class RecentTokens {
  readonly #capacity: number;
  #ids: number[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity < 0 ? Number.POSITIVE_INFINITY : capacity;
  }

  get length(): number {
    return Math.min(this.#ids.length, this.#capacity);
  }

  /** The i-th id from the end: back(0) is the latest. */
  back(i: number): number {
    return this.#ids[this.#ids.length - 1 - i]!;
  }

  /** Adds an id; returns the id that it displaces, if any. */
  push(id: number): number | undefined {
    this.#ids.push(id);
    const fallen = this.#ids.length > this.#capacity ? this.back(this.#capacity) : undefined;
    // The list may grow to twice the capacity, so each id is moved once on average.
    if (this.#ids.length > 2 * this.#capacity) this.#ids = this.#ids.slice(-this.#capacity);
    return fallen;
  }

  clear(): void {
    this.#ids = [];
  }
}
