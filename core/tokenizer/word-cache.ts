const MAX_WORDS = 1 << 16;
/** V8 keeps longer substrings as views of the whole text, so a cached word would keep that text alive. */
const MAX_LENGTH = 12; // UTF-16 units

/** Caches the token ids of short words, because text repeats itself. Bounded: a full cache is cleared. */
export class WordCache {
  readonly #ids = new Map<string, readonly number[]>();
  readonly #encodeWord: (word: string) => readonly number[];

  constructor(encodeWord: (word: string) => readonly number[]) {
    this.#encodeWord = encodeWord;
  }

  /** Appends the token ids of each word to `out`. */
  encode(words: Iterable<string>, out: number[]): void {
    for (const word of words) {
      const ids = this.#ids.get(word) ?? this.#add(word);
      for (let i = 0; i < ids.length; i++) out.push(ids[i]!);
    }
  }

  #add(word: string): readonly number[] {
    const ids = this.#encodeWord(word);
    if (word.length <= MAX_LENGTH) {
      if (this.#ids.size === MAX_WORDS) this.#ids.clear();
      this.#ids.set(word, ids);
    }
    return ids;
  }
}
