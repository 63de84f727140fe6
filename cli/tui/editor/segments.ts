/** Boundaries of graphemes and words in a line, as UTF-16 offsets. Motions and deletions step over them. */
import { isAtom } from './pastes.ts';

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const words = new Intl.Segmenter(undefined, { granularity: 'word' });

/** Below the first combining mark, every code unit is a grapheme, unless a prepended mark comes before it. */
const FIRST_MARK = 0x300;

export function boundaryBefore(line: string, col: number): number {
  if (col <= 1) return 0;
  if (line.charCodeAt(col - 1) < FIRST_MARK && line.charCodeAt(col - 2) < FIRST_MARK) return col - 1;
  return graphemes.segment(line).containing(col - 1)!.index;
}

export function boundaryAfter(line: string, col: number): number {
  if (col + 1 >= line.length) return line.length;
  if (line.charCodeAt(col) < FIRST_MARK && line.charCodeAt(col + 1) < FIRST_MARK) return col + 1;
  const { index, segment } = graphemes.segment(line).containing(col)!;
  return index + segment.length;
}

/** `col`, or the end of the grapheme around it: an edit may join code units on both sides into one grapheme. */
export function boundaryAt(line: string, col: number): number {
  if (col <= 0 || col >= line.length) return Math.max(0, Math.min(col, line.length));
  const { index, segment } = graphemes.segment(line).containing(col)!;
  return index === col ? col : index + segment.length;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Words from left to right. A folded paste is a word. */
export function wordsOf(line: string): Span[] {
  const found: Span[] = [];
  for (const { index, segment, isWordLike } of words.segment(line)) {
    if (isWordLike || isAtom(segment)) found.push({ start: index, end: index + segment.length });
  }
  return found;
}
