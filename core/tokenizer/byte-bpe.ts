import { UserError } from '../../errors.ts';
import type { Gguf, GgufStrings } from '../gguf.ts';
import { optionalStrings } from '../gguf-metadata.ts';
import { spellBytes, unspellBytes } from './byte-level.ts';
import { NEVER, PairMerger } from './pair-merger.ts';
import { PieceIndex } from './piece-index.ts';
import type { PieceModel } from './piece-model.ts';
import { type PreTokenizer, splitWords } from './pre-tokenizers.ts';
import { TokenType, VOCABULARY_HINT, type Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

const utf8 = new TextEncoder();

/**
 * Byte-level BPE, as of GPT-2: words from a pre-tokenizer, their UTF-8 bytes as symbols, neighbours merged in
 * the order of the vocabulary's merge list.
 */
export class ByteBpe implements PieceModel {
  readonly addsSpace = false;
  readonly #preTokenizer: PreTokenizer;
  readonly #vocabulary: Vocabulary;
  readonly #merges: GgufStrings; // "left right", both spelt as in byte-level.ts; the index is the rank
  #words: WordCache | undefined;

  /** Throws UserError where the metadata has no merges. */
  constructor(metadata: Gguf['metadata'], vocabulary: Vocabulary, preTokenizer: PreTokenizer) {
    const merges = optionalStrings(metadata, 'tokenizer.ggml.merges');
    if (merges === undefined) {
      throw new UserError(
        'Expected the merges of byte-level BPE under tokenizer.ggml.merges, but the key is absent.',
        VOCABULARY_HINT,
      );
    }
    this.#preTokenizer = preTokenizer;
    this.#vocabulary = vocabulary;
    this.#merges = merges;
  }

  encode(text: string, out: number[]): void {
    this.#words ??= this.#index();
    this.#words.encode(splitWords(text, this.#preTokenizer), out);
  }

  decode(piece: Uint8Array): Uint8Array {
    return unspellBytes(piece);
  }

  /** The tables that encoding needs and decoding does not. */
  #index(): WordCache {
    const { pieces, types } = this.#vocabulary;
    const tokens = new PieceIndex(pieces, (id) => types[id] !== TokenType.CONTROL);
    const merges = new PieceIndex(this.#merges);
    const merger = new PairMerger((bytes, start, middle, end) => {
      const rank = merges.findPair(bytes, start, middle, end);
      return rank < 0 ? NEVER : rank;
    });
    return new WordCache((word) => this.#encodeWord(word, tokens, merger));
  }

  #encodeWord(word: string, tokens: PieceIndex, merger: PairMerger): number[] {
    const bytes = spellBytes(utf8.encode(word));
    if (this.#preTokenizer.ignoreMerges) {
      const id = tokens.find(bytes, 0, bytes.length);
      if (id >= 0) return [id];
    }
    const ids: number[] = [];
    merger.merge(bytes, (start, end) => {
      const id = tokens.find(bytes, start, end);
      if (id >= 0) ids.push(id);
      else pushCharacters(bytes.subarray(start, end), tokens, ids);
    });
    return ids;
  }
}

/** The tokens of single bytes; a byte without a token is left out, as by llama.cpp. */
function pushCharacters(spelt: Uint8Array, tokens: PieceIndex, ids: number[]): void {
  for (let start = 0, end = 0; start < spelt.length; start = end) {
    end = start + (spelt[start]! < 0x80 ? 1 : 2);
    const id = tokens.find(spelt, start, end);
    if (id >= 0) ids.push(id);
  }
}
