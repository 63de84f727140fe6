/**
 * Cleans the text of a model for the renderers: lines end in \n, and there are no lone surrogates or control characters.
 * Pieces may end anywhere without changing the result.
 */
import { terminalText } from '../terminal-text.ts';

const LINE_END = /\r\n?|[\u2028\u2029]/g;

export function cleanSource(text: string): string {
  return terminalText(text.replace(LINE_END, '\n').toWellFormed());
}

/** Cleans text that arrives in pieces. */
export class SourceCleaner {
  #held = ''; // half a line end or half a character

  push(piece: string): string {
    const text = this.#held + piece;
    this.#held = /[\r\ud800-\udbff]$/.exec(text)?.[0] ?? '';
    return cleanSource(text.slice(0, text.length - this.#held.length));
  }

  /** Ends the text. Returns the rest that was held back. */
  end(): string {
    const rest = cleanSource(this.#held);
    this.#held = '';
    return rest;
  }
}

/** The last place up to `end` to cut `text`: after a space, otherwise not inside a character. */
export function cutBefore(text: string, end: number, start = 0): number {
  const space = Math.max(text.lastIndexOf(' ', end - 1), text.lastIndexOf('\n', end - 1));
  if (space > start) return space + 1;
  return /[\udc00-\udfff]/.test(text.charAt(end)) ? end - 1 : end;
}
