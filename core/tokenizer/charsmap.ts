/**
 * SentencePiece's table of characters that are replaced before a text is split: a trie in a double array, XOR-compressed
 * (Kanda, Space- and Time-Efficient String Dictionaries), and the replacements, each with a zero at its end. Layout:
 * google/sentencepiece, src/normalizer.cc. It comes from a file, so every index is checked.
 */
import { UserError } from '../../errors.ts';

export class Charsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;

  /** Throws UserError for a table that is cut. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.length >= 4 ? view.getUint32(0, true) : 0;
    if (size > bytes.length - 4 || size % 4 !== 0) throw damaged();
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#replacements = bytes.subarray(4 + size);
  }

  /**
   * The longest beginning of text[at..] that is replaced: its length in bytes, and what replaces it. Undefined if none is.
   */
  longest(text: Uint8Array, at: number): { length: number; by: Uint8Array } | undefined {
    let node = this.#base(0);
    let length = 0;
    let value = 0;
    for (let i = at; i < text.length; i++) {
      const byte = text[i]!;
      if (byte === 0) break;
      node ^= byte;
      if (this.#label(node) !== byte) break;
      const isLeaf = (this.#unit(node) >>> 8) & 1;
      node ^= this.#base(node);
      if (!isLeaf) continue;
      length = i - at + 1;
      value = this.#unit(node) & 0x7fff_ffff;
    }
    if (length === 0) return undefined;
    const end = this.#replacements.indexOf(0, value);
    if (value >= this.#replacements.length || end < 0) throw damaged();
    return { length, by: this.#replacements.subarray(value, end) };
  }

  /** Nodes outside the table end a search: they have no label. */
  #unit(node: number): number {
    return this.#units[node] ?? 0;
  }

  #base(node: number): number {
    const unit = this.#unit(node);
    return (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
  }

  #label(node: number): number {
    return this.#unit(node) & 0x8000_00ff;
  }
}

function damaged(): UserError {
  return new UserError(
    'The table tokenizer.ggml.precompiled_charsmap is damaged.',
    'The file was converted wrongly or is damaged: get the model again, or convert it anew.',
  );
}
