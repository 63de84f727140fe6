/**
 * GPT-2's spelling of bytes as visible characters, in which byte-level vocabularies are stored. A printable Latin-1
 * byte is spelt as itself; the other bytes are U+0100, U+0101, ... in order
 * (openai/gpt-2, src/encoder.py, bytes_to_unicode).
 */
const CHARACTER_OF_BYTE = new Uint16Array(256);
const BYTE_OF_CHARACTER = new Int16Array(0x800).fill(-1); // all characters of one or two bytes of UTF-8

let hidden = 0x100;
for (let byte = 0; byte < 256; byte++) {
  const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  CHARACTER_OF_BYTE[byte] = isPrintable ? byte : hidden++;
  BYTE_OF_CHARACTER[CHARACTER_OF_BYTE[byte]!] = byte;
}

/** UTF-8 of the characters that spell `bytes`: one or two bytes for each. */
export function spellBytes(bytes: Uint8Array): Uint8Array {
  const spelt = new Uint8Array(2 * bytes.length);
  let length = 0;
  for (const byte of bytes) {
    const character = CHARACTER_OF_BYTE[byte]!;
    if (character < 0x80) {
      spelt[length++] = character;
    } else {
      spelt[length++] = 0xc0 | (character >> 6);
      spelt[length++] = 0x80 | (character & 0x3f);
    }
  }
  return spelt.subarray(0, length);
}

/** The bytes that UTF-8 characters spell; other characters are kept as they are. */
export function unspellBytes(spelt: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(spelt.length);
  let length = 0;
  for (let i = 0; i < spelt.length; i++) {
    const first = spelt[i]!;
    const isPair = first >= 0xc0 && first < 0xe0 && i + 1 < spelt.length;
    const character = isPair ? ((first & 0x1f) << 6) | (spelt[i + 1]! & 0x3f) : first;
    const byte = isPair || first < 0x80 ? BYTE_OF_CHARACTER[character]! : -1;
    if (byte < 0) {
      bytes[length++] = first;
    } else {
      bytes[length++] = byte;
      if (isPair) i++;
    }
  }
  return bytes.subarray(0, length);
}
