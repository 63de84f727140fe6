/**
 * Columns that text takes in a terminal. string-width knows; what is one code unit wide without doubt is answered here,
 * for its first look at anything else compiles the table of all emoji.
 */
import stringWidth from 'string-width';

/** Sequences that the theme and links write: SGR and OSC 8. */
export const ESCAPE = /\x1b\[[\d;]*m|\x1b\]8;[^\x07]*\x07/g;

const ASCII = /^[ -~]*$/;

// Latin, Greek, Cyrillic, punctuation, arrows, mathematics, lines and blocks; no mark that combines.
const NARROW =
  ' -~\\xa0-\\xac\\xae-\\u02ff\\u0391-\\u03a1\\u03a3-\\u03ff\\u0400-\\u0482\\u048a-\\u04ff\\u2010-\\u2027\\u2030-\\u205e\\u2190-\\u22ff\\u2500-\\u259f';
// Punctuation, kana, ideographs, syllables and fullwidth forms of East Asia; no mark that combines.
const WIDE = '\\u3001-\\u3029\\u3041-\\u3096\\u309b-\\u30ff\\u4e00-\\u9fff\\uac00-\\ud7a3\\uff01-\\uff60';
const SIMPLE = new RegExp(`^[${NARROW}${WIDE}]*$`);
const WIDE_UNIT = new RegExp(`[${WIDE}]`);
const WIDE_UNITS = new RegExp(`[${WIDE}]`, 'g');

const MOST_CLUSTERS = 4096; // remembered; a text uses few, a hostile one many

const segmenter = new Intl.Segmenter();
const widths = new Map<string, number>();

export interface Cluster {
  readonly text: string;
  readonly width: number;
}

/** What stands as one character on the screen: a letter with its marks, an emoji with its joiners. No escapes. */
export function* clusters(text: string): Generator<Cluster> {
  if (SIMPLE.test(text)) {
    for (const unit of text) yield { text: unit, width: WIDE_UNIT.test(unit) ? 2 : 1 };
    return;
  }
  for (const { segment } of segmenter.segment(text)) yield { text: segment, width: clusterWidth(segment) };
}

function clusterWidth(cluster: string): number {
  const known = widths.get(cluster);
  if (known !== undefined) return known;
  const width = plainWidth(cluster) ?? stringWidth(cluster);
  if (widths.size >= MOST_CLUSTERS) widths.clear();
  widths.set(cluster, width);
  return width;
}

/** Columns of one line; escapes take none. */
export function columnsOf(line: string): number {
  const text = line.includes('\x1b') ? line.replace(ESCAPE, '') : line;
  return plainWidth(text) ?? stringWidth(text);
}

function plainWidth(text: string): number | undefined {
  if (ASCII.test(text)) return text.length;
  return SIMPLE.test(text) ? text.length + (text.match(WIDE_UNITS)?.length ?? 0) : undefined;
}

/** `line` filled with spaces to `columns`. */
export function padded(line: string, columns: number): string {
  return line + ' '.repeat(Math.max(0, columns - columnsOf(line)));
}
