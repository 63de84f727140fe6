/**
 * Drafts from the text itself: where its last tokens stood before, what followed them then may follow again.
 * Quotations, edited code and summaries repeat long runs (prompt lookup decoding, A. Saxena 2023).
 */
import type { Drafter } from './drafter.ts';

const LONGEST_NGRAM = 3;

export class PromptLookup implements Drafter {
  /**
   * Of n - 1: hash of an n-gram -> place of the token after its latest occurrence. Two of one hash, rare among 2^30,
   * cost no more than a draft that fails.
   */
  readonly #follower = Array.from({ length: LONGEST_NGRAM }, () => new Map<number, number>());
  #indexed = 1; // n-grams that end before this place are in the index
  #source = 0; // where the draft is copied from

  /** Length of the longest n-gram, up to 3, that ends the text and stood in it before: its latest place counts. */
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

  /** Copies what followed; where that runs into the end of the text, it goes on with the draft's own start. */
  propose(text: readonly number[], max: number): number[] {
    const draft: number[] = [];
    for (let place = this.#source; draft.length < max; place++) {
      draft.push(place < text.length ? text[place]! : draft[place - text.length]!);
    }
    return draft;
  }

  /** The n-grams that end before `place`, now that a token follows them. */
  #index(text: readonly number[], place: number): void {
    for (let n = Math.min(LONGEST_NGRAM, place); n > 0; n--) {
      this.#follower[n - 1]!.set(hash(text, place, n), place);
    }
  }
}

/** FNV-1a over the n ids before `end`, cut to 30 bits, which V8 holds without a box. */
function hash(text: readonly number[], end: number, n: number): number {
  let value = 0x811c9dc5;
  for (let i = end - n; i < end; i++) value = Math.imul(value ^ text[i]!, 0x01000193);
  return (value ^ (value >>> 15)) & 0x3fffffff;
}
