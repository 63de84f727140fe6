/**
 * Drafts from the text itself: if its last tokens occurred before, the tokens that followed them then may follow again.
 * Quotations, edited code and summaries repeat long runs (prompt lookup decoding, A. Saxena 2023).
 */
import type { Drafter } from './drafter.ts';

const LONGEST_NGRAM = 3;

export class PromptLookup implements Drafter {
  /**
   * At n - 1: hash of an n-gram -> place of the token after its latest occurrence. A collision, rare among 2^30 hashes,
   * costs no more than a draft that fails.
   */
  readonly #follower = Array.from({ length: LONGEST_NGRAM }, () => new Map<number, number>());
  #indexed = 1; // n-grams that end before this place are in the index
  #source = 0; // index of the first token to copy

  /** Length of the longest n-gram, up to 3, that ends the text and occurred in it before; the latest place counts. */
  kind(text: readonly number[]): number | undefined {
    for (; this.#indexed < text.length; this.#indexed++) this.#index(text, this.#indexed);
    for (let n = Math.min(LONGEST_NGRAM, text.length); n > 0; n--) {
      const place = this.#follower[n - 1]!.get(hash(text, text.length, n));
      if (place === undefined) continue;
      this.#source = place;
      return n;
    }
    return undefined;
  }

  /** Copies the tokens that followed; at the end of the text, continues with the start of the draft itself. */
  propose(text: readonly number[], max: number): number[] {
    const draft: number[] = [];
    for (let place = this.#source; draft.length < max; place++) {
      draft.push(place < text.length ? text[place]! : draft[place - text.length]!);
    }
    return draft;
  }

  /** Indexes the n-grams that end before `place`, now that a token follows them. */
  #index(text: readonly number[], place: number): void {
    for (let n = Math.min(LONGEST_NGRAM, place); n > 0; n--) {
      this.#follower[n - 1]!.set(hash(text, place, n), place);
    }
  }
}

/** FNV-1a over the n ids before `end`, cut to 30 bits, which V8 stores without a box. */
function hash(text: readonly number[], end: number, n: number): number {
  let value = 0x811c9dc5;
  for (let i = end - n; i < end; i++) value = Math.imul(value ^ text[i]!, 0x01000193);
  return (value ^ (value >>> 15)) & 0x3fffffff;
}
