/**
 * What a model wrote, as the renderers take it: lines end in \n, there are no lone surrogates and nothing that a
 * terminal obeys. It comes in pieces that may end anywhere; the result does not depend on where.
 */
import { terminalText } from '../terminal-text.ts';

const LINE_END = /\r\n?|[\u2028\u2029]/g;

export function cleanSource(text: string): string {
  return terminalText(text.replace(LINE_END, '\n').toWellFormed());
}

/** Cleans a text that comes in pieces. */
export class SourceCleaner {
  #held = ''; // half a line end or half a character

  push(piece: string): string {
    const text = this.#held + piece;
    this.#held = /[\r\ud800-\udbff]$/.exec(text)?.[0] ?? '';
    return cleanSource(text.slice(0, text.length - this.#held.length));
  }

  /** What was held back. */
  end(): string {
    const rest = cleanSource(this.#held);
    this.#held = '';
    return rest;
  }
}

/** Where to cut `text` at `end` at the latest: behind a space, or else not inside a character. */
export function cutBefore(text: string, end: number, start = 0): number {
  const space = Math.max(text.lastIndexOf(' ', end - 1), text.lastIndexOf('\n', end - 1));
  if (space > start) return space + 1;
  return /[\udc00-\udfff]/.test(text.charAt(end)) ? end - 1 : end;
}
