/**
 * Makes untrusted text safe for a terminal. Control characters could move the cursor, write the clipboard or hide text,
 * and bidirectional controls could reorder it.
 */

// C0 except tab and newline, DEL and C1; marks, embeddings, overrides and isolates of bidirectional text.
const UNSAFE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Replaces every unsafe character with a visible one: ESC becomes U+241B, the symbol for ESC. */
export function terminalText(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? '\u2421' : '\ufffd';
  });
}

/** Safe text on one line: line breaks, tabs and runs of spaces become one space. */
export function terminalLine(text: string): string {
  return terminalText(text.replace(/\s+/g, ' '));
}

/** The same JSON with every unsafe character escaped. JSON has such characters only inside strings. */
export function terminalJson(json: string): string {
  return json.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
