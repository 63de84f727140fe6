import type { Gguf } from '../gguf/index.ts';
import { optionalBoolean } from '../gguf/metadata.ts';
import { ESCAPED_SPACE, unescapeSpaces } from './escaped-space.ts';
import { hashBytes, type PieceIndex } from './piece-index.ts';
import type { PieceModel } from './tokenizer.ts';
import { TokenType, type Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

const utf8 = new TextEncoder();

/** Longer words become the unknown token (max_input_chars_per_word of BERT's tokenizer.json). */
const MAX_WORD = 100; // code points

// The classes of BERT's BasicTokenizer (google-research/bert, tokenization.py).
const CONTROL = /[\0\ufffd]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]/gu;
const PUNCTUATION = String.raw`\p{P}!-\/:-@\[-\x60\{-~`;
const CHINESE =
  '\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b820}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}';
const WORD = new RegExp(`[${PUNCTUATION}${CHINESE}]|[^\\p{White_Space}${PUNCTUATION}${CHINESE}]+`, 'gu');

/** WordPiece, as in BERT: a word becomes the longest pieces from left to right, or the unknown token. */
export class WordPiece implements PieceModel {
  readonly addsSpace = true; // before every word
  readonly #lowercase: boolean;
  readonly #stripAccents: boolean;
  readonly #unknown: readonly number[];
  readonly #pieces: PieceIndex;
  readonly #longest: number; // bytes of the longest piece
  readonly #words = new WordCache((word) => this.#encodeWord(word));

  constructor(metadata: Gguf['metadata'], { pieces, unknownId, index }: Vocabulary) {
    this.#lowercase = optionalBoolean(metadata, 'tokenizer.ggml.normalizer.lowercase') ?? true;
    this.#stripAccents =
      optionalBoolean(metadata, 'tokenizer.ggml.normalizer.strip_accents') ?? this.#lowercase;
    this.#unknown = unknownId === undefined ? [] : [unknownId];
    this.#pieces = index((type) => type !== TokenType.CONTROL);
    this.#longest = pieces.lengths.reduce((longest, length) => Math.max(longest, length), 0);
  }

  encode(text: string, out: number[]): void {
    this.#words.encode(this.#normalize(text).match(WORD) ?? [], out);
  }

  decode(piece: Uint8Array): Uint8Array {
    return unescapeSpaces(piece);
  }

  #normalize(text: string): string {
    let normal = text.replace(CONTROL, '');
    if (this.#stripAccents) normal = normal.normalize('NFD').replace(/\p{Mn}/gu, '');
    // Lowercase by character: a sigma at the end of a word is not special.
    return this.#lowercase ? normal.replaceAll('Σ', 'σ').toLowerCase() : normal;
  }

  #encodeWord(word: string): readonly number[] {
    if (word.length > MAX_WORD && [...word].length > MAX_WORD) return this.#unknown;
    const bytes = utf8.encode(ESCAPED_SPACE + word); // only the first piece of a word has the space
    const ids: number[] = [];
    for (let start = 0; start < bytes.length; ) {
      const match = this.#longestPiece(bytes, start);
      if (match === undefined) return this.#unknown;
      ids.push(match.id);
      start = match.end;
    }
    return ids;
  }

  #longestPiece(bytes: Uint8Array, start: number): { id: number; end: number } | undefined {
    const limit = Math.min(bytes.length, start + this.#longest);
    const hashes: number[] = []; // of bytes[start, start + 1 + i)
    for (let end = start + 1; end <= limit; end++) hashes.push(hashBytes(bytes, end - 1, end, hashes.at(-1)));
    for (let end = limit; end > start; end--) {
      const id = this.#pieces.find(bytes, start, end, hashes.pop());
      if (id >= 0) return { id, end };
    }
    return undefined;
  }
}
