import { UserError } from '../errors.ts';

/**
 * Finds stop strings in a text that arrives in pieces. Holds back text that may be the start of a stop string until it
 * is decided. The result does not depend on the pieces: it is as if the text were read character by character. The
 * first complete stop string ends the text; if several end at the same character, the longest does.
 */
export class StopStrings {
  readonly #strings: readonly string[]; // longest first
  #held = ''; // end of the text, and a proper prefix of some stop string
  #found: string | undefined;

  /** Throws UserError for an empty stop string. */
  constructor(strings: readonly string[]) {
    if (strings.includes('')) {
      throw new UserError('One of the stop strings is empty.', 'Leave it out.', { kind: 'usage' });
    }
    this.#strings = strings.toSorted((a, b) => b.length - a.length);
  }

  /** The stop string that ended the text. */
  get found(): string | undefined {
    return this.#found;
  }

  /** The text that can be shown now; empty once a stop string was found. */
  push(piece: string): string {
    if (this.#found !== undefined) return '';
    const text = this.#held + piece;
    const end = this.#find(text);
    const shown = text.slice(0, end ?? text.length - this.#startLength(text));
    this.#held = end === undefined ? text.slice(shown.length) : '';
    return shown;
  }

  /** The text held back, at the end of the text. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  /** Start of the stop string that is complete first. */
  #find(text: string): number | undefined {
    let earliest = Number.POSITIVE_INFINITY; // its end
    for (const string of this.#strings) {
      const start = text.indexOf(string);
      if (start < 0 || start + string.length >= earliest) continue;
      earliest = start + string.length;
      this.#found = string;
    }
    return this.#found === undefined ? undefined : earliest - this.#found.length;
  }

  /** Length of the longest suffix of the text that is a prefix of a stop string. */
  #startLength(text: string): number {
    const longest = Math.min(text.length, (this.#strings[0]?.length ?? 0) - 1);
    for (let length = longest; length > 0; length--) {
      const end = text.slice(-length);
      if (this.#strings.some((string) => string.startsWith(end))) return length;
    }
    return 0;
  }
}
