/**
 * Folded pastes. A long paste stands in a line as one atom, which is a lone low surrogate: well-formed text never
 * holds one, so an atom cannot be mistaken for text. U+DC00 + n stands for the n-th paste of the state.
 */
import { stripVTControlCharacters } from 'node:util';

const FIRST_ATOM = 0xdc00;
const MOST_ATOMS = 0x400; // low surrogates

/** More than either is folded. */
const SHOWN_LINES = 5;
const SHOWN_CHARACTERS = 500;

/** With the u flag a surrogate class meets lone surrogates only. */
const ATOMS = /[\udc00-\udfff]/gu;

// C0 but tab and newline, and DEL: no text, and what a terminal obeys.
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f]/g;

export function isAtom(grapheme: string): boolean {
  const code = grapheme.charCodeAt(0);
  return code >= FIRST_ATOM && code < FIRST_ATOM + MOST_ATOMS;
}

/** Whether `text` is long enough to be folded, where `count` pastes already are. */
export function isFolded(text: string, count: number): boolean {
  return count < MOST_ATOMS && (lineCount(text) > SHOWN_LINES || text.length > SHOWN_CHARACTERS);
}

export function atomOf(index: number): string {
  return String.fromCharCode(FIRST_ATOM + index);
}

/** The paste that the atom stands for, as an index. */
export function pasteIndex(atom: string): number {
  return atom.charCodeAt(0) - FIRST_ATOM;
}

/** What is shown for an atom; ASCII. */
export function labelOf(atom: string, pastes: readonly string[]): string {
  const index = pasteIndex(atom);
  const text = pastes[index] ?? '';
  const count = lineCount(text);
  const size = count > 1 ? `${count} lines` : `${text.length} characters`;
  return `[pasted #${index + 1}, ${size}]`;
}

/** `text` with every atom replaced by what was pasted. */
export function expanded(text: string, pastes: readonly string[]): string {
  return text.replace(ATOMS, (atom) => pastes[pasteIndex(atom)] ?? '');
}

/** Offsets of all atoms. */
export function atomOffsets(text: string): number[] {
  return Array.from(text.matchAll(ATOMS), (match) => match.index);
}

/** Text from outside: newlines are \n, and neither sequences of a terminal nor control characters are left. */
export function cleaned(text: string): string {
  return stripVTControlCharacters(text).replace(/\r\n?/g, '\n').replace(CONTROLS, '').toWellFormed();
}

/** A newline at the end opens no line of its own. */
function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}
