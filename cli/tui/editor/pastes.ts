/**
 * Folded pastes. A line contains a long paste as one atom, a lone low surrogate. Well-formed text never contains one, so
 * an atom cannot be mistaken for text. U+DC00 + n is the n-th paste of the state.
 */
import { stripVTControlCharacters } from 'node:util';

const FIRST_ATOM = 0xdc00;
const MOST_ATOMS = 0x400; // low surrogates

/** A paste that exceeds one of these is folded. */
const SHOWN_LINES = 5;
const SHOWN_CHARACTERS = 500;

/** With the u flag, a surrogate class matches lone surrogates only. */
const ATOMS = /[\udc00-\udfff]/gu;

// C0 except tab and newline, and DEL: a terminal would act on them.
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f]/g;

export function isAtom(grapheme: string): boolean {
  const code = grapheme.charCodeAt(0);
  return code >= FIRST_ATOM && code < FIRST_ATOM + MOST_ATOMS;
}

/** Whether `text` is long enough to be folded. @param count pastes folded so far */
export function isFolded(text: string, count: number): boolean {
  return count < MOST_ATOMS && (lineCount(text) > SHOWN_LINES || text.length > SHOWN_CHARACTERS);
}

export function atomOf(index: number): string {
  return String.fromCharCode(FIRST_ATOM + index);
}

/** Index of the paste of an atom. */
export function pasteIndex(atom: string): number {
  return atom.charCodeAt(0) - FIRST_ATOM;
}

/** The label shown for an atom, in ASCII. */
export function labelOf(atom: string, pastes: readonly string[]): string {
  const index = pasteIndex(atom);
  const text = pastes[index] ?? '';
  const count = lineCount(text);
  const size = count > 1 ? `${count} lines` : `${text.length} characters`;
  return `[pasted #${index + 1}, ${size}]`;
}

/** `text` with every atom replaced by its paste. */
export function expanded(text: string, pastes: readonly string[]): string {
  return text.replace(ATOMS, (atom) => pastes[pasteIndex(atom)] ?? '');
}

/** Offsets of all atoms. */
export function atomOffsets(text: string): number[] {
  return Array.from(text.matchAll(ATOMS), (match) => match.index);
}

/** Text from outside with \n as newline, and without escape sequences and control characters. */
export function cleaned(text: string): string {
  return stripVTControlCharacters(text).replace(/\r\n?/g, '\n').replace(CONTROLS, '').toWellFormed();
}

/** A newline at the end does not count as another line. */
function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}
