import { UserError } from '../../errors.ts';
import type { Gguf } from '../gguf/index.ts';
import { optionalStrings } from '../gguf/metadata.ts';
import { spellBytes, unspellBytes } from './byte-level.ts';
import { ESCAPED_SPACE, unescapeSpaces } from './escaped-space.ts';
import { normalizerOf } from './normalizers.ts';
import { NEVER, PairMerger } from './pair-merger.ts';
import { PieceIndex } from './piece-index.ts';
import { type PreTokenizer, splitWords } from './pre-tokenizers.ts';
import type { PieceModel } from './tokenizer.ts';
import { checkLengths, TokenType, VOCABULARY_HINT, type Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

const utf8 = new TextEncoder();
/** Tokens of their own, which no merges make. */
const LINE_ENDS = /^\n+$/;

/**
 * Byte-level BPE, as in GPT-2. A pre-tokenizer splits text into words; the symbols of a word are its UTF-8 bytes;
 * neighbours are merged in the order of the vocabulary's merge list. byte-level.ts has the spelling of pieces and
 * merges. Where the pre-tokenizer says so, symbols are characters instead, as in Gemma 4.
 */
export class ByteBpe implements PieceModel {
  readonly addsSpace = false; // add_space_prefix is a key of SentencePiece: llama.cpp ignores it here too
  readonly #preTokenizer: PreTokenizer;
  readonly #normalize: (text: string) => string;
  readonly #tokens: PieceIndex;
  readonly #merger: PairMerger;
  readonly #words = new WordCache((word) => this.#encodeWord(word));

  /** Throws UserError if the metadata has no merges. */
  constructor(metadata: Gguf['metadata'], vocabulary: Vocabulary, preTokenizer: PreTokenizer) {
    const merges = optionalStrings(metadata, 'tokenizer.ggml.merges');
    if (merges === undefined) {
      throw new UserError(
        'The file lacks tokenizer.ggml.merges, the merges of byte-level BPE.',
        VOCABULARY_HINT,
      );
    }
    checkLengths('merges', merges, 2);
    this.#preTokenizer = preTokenizer;
    this.#normalize = normalizerOf(metadata);
    this.#tokens = vocabulary.index((type) => type !== TokenType.CONTROL);
    const ranks = new PieceIndex(merges); // "left right": the index is the rank, and the lowest merges first
    this.#merger = new PairMerger((bytes, start, middle, end) => {
      const rank = ranks.findPair(bytes, start, middle, end);
      return rank < 0 ? NEVER : rank;
    });
  }

  encode(text: string, out: number[]): void {
    const { characters } = this.#preTokenizer;
    const normal = this.#normalize(text);
    const spelt = characters === 'escaped' ? normal.replaceAll(' ', ESCAPED_SPACE) : normal;
    this.#words.encode(splitWords(spelt, this.#preTokenizer), out);
  }

  decode(piece: Uint8Array): Uint8Array {
    const { characters } = this.#preTokenizer;
    if (characters === undefined) return unspellBytes(piece);
    return characters === 'escaped' ? unescapeSpaces(piece) : piece;
  }

  #encodeWord(word: string): number[] {
    const { characters, ignoreMerges } = this.#preTokenizer;
    const bytes = characters ? utf8.encode(word) : spellBytes(utf8.encode(word));
    if (ignoreMerges || (characters && LINE_ENDS.test(word))) {
      const id = this.#tokens.find(bytes, 0, bytes.length);
      if (id >= 0) return [id];
    }
    const ids: number[] = [];
    this.#merger.merge(bytes, (start, end) => {
      const id = this.#tokens.find(bytes, start, end);
      if (id >= 0) ids.push(id);
      else this.#pushBytes(bytes.subarray(start, end), ids);
    });
    return ids;
  }

  /** Appends the tokens of single bytes; skips a byte without a token, as llama.cpp does. */
  #pushBytes(spelt: Uint8Array, ids: number[]): void {
    if (this.#preTokenizer.characters) {
      for (const byte of spelt) {
        const name = utf8.encode(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
        const id = this.#tokens.find(name, 0, name.length);
        if (id >= 0) ids.push(id);
      }
      return;
    }
    for (let start = 0, end = 0; start < spelt.length; start = end) {
      end = start + (spelt[start]! < 0x80 ? 1 : 2);
      const id = this.#tokens.find(spelt, start, end);
      if (id >= 0) ids.push(id);
    }
  }
}
