/**
 * Measures plain text: characters of one code unit that never combine with others. string-width measures all text, but its
 * first use outside ASCII compiles the table of all emoji.
 */

const ASCII = /^[ -~]*$/;

// Latin, Greek, Cyrillic, punctuation, arrows, mathematics, lines and blocks; no combining marks.
const NARROW =
  ' -~\\xa0-\\xac\\xae-\\u02ff\\u0391-\\u03a1\\u03a3-\\u03ff\\u0400-\\u0482\\u048a-\\u04ff\\u2010-\\u2027\\u2030-\\u205e\\u2190-\\u22ff\\u2500-\\u259f';
// Punctuation, kana, ideographs, syllables and fullwidth forms of East Asia; no combining marks.
const WIDE = '\\u3001-\\u3029\\u3041-\\u3096\\u309b-\\u30ff\\u4e00-\\u9fff\\uac00-\\ud7a3\\uff01-\\uff60';
const PLAIN = new RegExp(`^[${NARROW}${WIDE}]*$`);
const WIDE_UNIT = new RegExp(`[${WIDE}]`);
const WIDE_UNITS = new RegExp(`[${WIDE}]`, 'g');

export function isPlain(text: string): boolean {
  return PLAIN.test(text);
}

/** Columns of one code unit of plain text. */
export function unitWidth(unit: string): 1 | 2 {
  return WIDE_UNIT.test(unit) ? 2 : 1;
}

/** Undefined if the text is not plain. */
export function plainWidth(text: string): number | undefined {
  if (ASCII.test(text)) return text.length;
  return isPlain(text) ? text.length + (text.match(WIDE_UNITS)?.length ?? 0) : undefined;
}
