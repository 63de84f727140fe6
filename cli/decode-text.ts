/**
 * Text of a file or of stdin: UTF-8, or UTF-16 after its byte order mark. A mark is no part of the text. Wrong bytes become
 * U+FFFD.
 */
export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder(encodingOf(bytes)).decode(bytes);
}

/** Like decodeText, but undefined if the bytes are binary or have another encoding. */
export function decodedText(bytes: Uint8Array): string | undefined {
  const text = decodeText(bytes);
  return text.includes('\0') || isDamaged(text) ? undefined : text;
}

/** Whether bytes have zeros that belong to no text. `start`: the beginning of the file, which may have a mark. */
export function hasZeros(bytes: Uint8Array, start = bytes): boolean {
  return encodingOf(start) === 'utf-8' && bytes.includes(0);
}

/** By the byte order mark. */
function encodingOf([first, second]: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
}

/** Binary data without zeros. A few wrong bytes stay: a log has them, and text that was cut within a character. */
function isDamaged(text: string): boolean {
  let left = 2 + text.length / 100;
  for (let i = text.indexOf('\ufffd'); i >= 0 && left >= 0; i = text.indexOf('\ufffd', i + 1)) left--;
  return left < 0;
}
