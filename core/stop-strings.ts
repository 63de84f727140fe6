import { UserError } from '../errors.ts';

/**
 * Finds stop strings in a text that comes in pieces. Text that may be the start of a stop string is held back
 * until it is decided. However the text is cut into pieces, the outcome is that of reading it character by
 * character: the first stop string to be complete ends the text, the longest where several end together.
 */
export class StopStrings {
  readonly #strings: readonly string[]; // longest first
  #held = ''; // end of the text, a proper start of some stop string
  #found: string | undefined;

  /** Throws UserError for an empty stop string. */
  constructor(strings: readonly string[]) {
    if (strings.includes('')) {
      throw new UserError(
        'Expected stop strings of one character or more, got an empty one.',
        'Leave it out.',
        {
          kind: 'usage',
        },
      );
    }
    this.#strings = strings.toSorted((a, b) => b.length - a.length);
  }

  /** The stop string that ended the text. */
  get found(): string | undefined {
    return this.#found;
  }

  /** The text that can be shown now; nothing more once a stop string was found. */
  push(piece: string): string {
    if (this.#found !== undefined) return '';
    const text = this.#held + piece;
    const end = this.#find(text);
    const shown = text.slice(0, end ?? text.length - this.#startLength(text));
    this.#held = end === undefined ? text.slice(shown.length) : '';
    return shown;
  }

  /** At the end of the text: what was held back. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  /** Where the stop string begins that is complete first. */
  #find(text: string): number | undefined {
    let earliest = Number.POSITIVE_INFINITY; // where it ends
    for (const string of this.#strings) {
      const start = text.indexOf(string);
      if (start < 0 || start + string.length >= earliest) continue;
      earliest = start + string.length;
      this.#found = string;
    }
    return this.#found === undefined ? undefined : earliest - this.#found.length;
  }

  /** Length of the longest end of the text that a stop string starts with. */
  #startLength(text: string): number {
    const longest = Math.min(text.length, (this.#strings[0]?.length ?? 0) - 1);
    for (let length = longest; length > 0; length--) {
      const end = text.slice(-length);
      if (this.#strings.some((string) => string.startsWith(end))) return length;
    }
    return 0;
  }
}
