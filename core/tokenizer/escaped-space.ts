/** SentencePiece and GGUF's WordPiece vocabularies spell a space as U+2581, in UTF-8 e2 96 81. */
export const ESCAPED_SPACE = '\u2581';

/** Whether an escaped space starts at bytes[at]. */
export function isEscapedSpace(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xe2 && bytes[at + 1] === 0x96 && bytes[at + 2] === 0x81;
}

/** Replaces every escaped space by a space. */
export function unescapeSpaces(piece: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(piece.length);
  let length = 0;
  for (let i = 0; i < piece.length; i++) {
    const isEscaped = isEscapedSpace(piece, i);
    bytes[length++] = isEscaped ? 0x20 : piece[i]!;
    if (isEscaped) i += 2;
  }
  return bytes.subarray(0, length);
}
