import { UserError } from '../../errors.ts';
import type { Gguf } from '../gguf/index.ts';
import { optionalStrings } from '../gguf/metadata.ts';
import { spellBytes, unspellBytes } from './byte-level.ts';
import { NEVER, PairMerger } from './pair-merger.ts';
import { PieceIndex } from './piece-index.ts';
import { type PreTokenizer, splitWords } from './pre-tokenizers.ts';
import type { PieceModel } from './tokenizer.ts';
import { TokenType, VOCABULARY_HINT, type Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

const utf8 = new TextEncoder();

/**
 * Byte-level BPE, as of GPT-2: words from a pre-tokenizer, their UTF-8 bytes as symbols, neighbours merged in
 * the order of the vocabulary's merge list. Pieces and merges are spelt as in byte-level.ts.
 */
export class ByteBpe implements PieceModel {
  readonly addsSpace = false; // add_space_prefix is SentencePiece's: llama.cpp ignores it here too
  readonly #preTokenizer: PreTokenizer;
  readonly #tokens: PieceIndex;
  readonly #merger: PairMerger;
  readonly #words = new WordCache((word) => this.#encodeWord(word));

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
    this.#tokens = new PieceIndex(vocabulary.pieces, (id) => vocabulary.types[id] !== TokenType.CONTROL);
    const ranks = new PieceIndex(merges); // "left right": the earlier, the better
    this.#merger = new PairMerger((bytes, start, middle, end) => {
      const rank = ranks.findPair(bytes, start, middle, end);
      return rank < 0 ? NEVER : rank;
    });
  }

  encode(text: string, out: number[]): void {
    this.#words.encode(splitWords(text, this.#preTokenizer), out);
  }

  decode(piece: Uint8Array): Uint8Array {
    return unspellBytes(piece);
  }

  #encodeWord(word: string): number[] {
    const bytes = spellBytes(utf8.encode(word));
    if (this.#preTokenizer.ignoreMerges) {
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

  /** The tokens of single bytes; a byte without a token is left out, as by llama.cpp. */
  #pushBytes(spelt: Uint8Array, ids: number[]): void {
    for (let start = 0, end = 0; start < spelt.length; start = end) {
      end = start + (spelt[start]! < 0x80 ? 1 : 2);
      const id = this.#tokens.find(spelt, start, end);
      if (id >= 0) ids.push(id);
    }
  }
}
