import type { GgufStrings } from './types.ts';

const utf8 = new TextEncoder();

/** Strings in the form that GGUF's arrays have. */
export function stringsOf(list: readonly string[]): GgufStrings {
  const encoded = list.map((text) => utf8.encode(text));
  const lengths = Uint32Array.from(encoded, ({ length }) => length);
  const offsets = new Uint32Array(list.length);
  let total = 0;
  for (const [i, length] of lengths.entries()) {
    offsets[i] = total;
    total += length;
  }
  const bytes = new Uint8Array(total);
  for (const [i, text] of encoded.entries()) bytes.set(text, offsets[i]);
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  return { length: list.length, bytes, offsets, lengths, longest, at: (i) => list[i]! };
}
