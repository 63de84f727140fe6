/**
 * Notices an answer that repeats itself: its last tokens are a span that came several times in a row, word for word. Short
 * repeats, as in lists, tables and code, do not count.
 */

/** Longest span, in tokens. A paragraph. */
const LONGEST = 256;
/** Repeated tokens after the first span, at least: of a short span many times, of a long one TIMES. */
const TOKENS = 96;
const TIMES = 3;

export class Repetition {
  /** For each length of a span: the number of last tokens that equal the token so many before. */
  readonly #runs = new Uint32Array(LONGEST + 1);

  /** Counts the last of `ids`. Returns whether the answer repeats itself. */
  push(ids: readonly number[]): boolean {
    const at = ids.length - 1;
    const last = ids[at];
    let found = false;
    for (let length = Math.min(LONGEST, at); length > 0; length--) {
      const run = ids[at - length] === last ? this.#runs[length]! + 1 : 0;
      this.#runs[length] = run;
      if (run >= Math.max(TOKENS, TIMES * length)) found = true;
    }
    return found;
  }
}
