import { UserError } from '../../errors.ts';
import type { Gguf } from '../gguf.ts';
import { optionalBoolean, optionalNumbers } from '../gguf-metadata.ts';
import { ESCAPED_SPACE, isEscapedSpace, unescapeSpaces } from './escaped-space.ts';
import { NEVER, PairMerger } from './pair-merger.ts';
import { PieceIndex } from './piece-index.ts';
import type { PieceModel } from './piece-model.ts';
import { byteOf, checkLength, TokenType, VOCABULARY_HINT, type Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

const utf8 = new TextEncoder();
const WORD = /[ \u2581]+[^ \u2581]*|[^ \u2581]+/g;

/**
 * SentencePiece BPE, as of Llama 2: characters as symbols, neighbours merged whose joint piece has the best
 * score, characters without a piece as bytes.
 */
export class SentencePiece implements PieceModel {
  readonly addsSpace: boolean;
  readonly #vocabulary: Vocabulary;
  readonly #scores: ArrayLike<number>;
  #words: WordCache | undefined;
  #cutsAtSpaces = false;

  /** Throws UserError where the metadata has no scores, or not one for each token. */
  constructor(metadata: Gguf['metadata'], vocabulary: Vocabulary) {
    const scores = optionalNumbers(metadata, 'tokenizer.ggml.scores');
    if (scores === undefined) {
      throw new UserError(
        'Expected the scores of SentencePiece under tokenizer.ggml.scores, but the key is absent.',
        VOCABULARY_HINT,
      );
    }
    checkLength('scores', scores, vocabulary.pieces.length);
    this.addsSpace = optionalBoolean(metadata, 'tokenizer.ggml.add_space_prefix') ?? true;
    this.#vocabulary = vocabulary;
    this.#scores = scores;
  }

  encode(text: string, out: number[]): void {
    this.#words ??= this.#index();
    const spaced = this.addsSpace ? ` ${text}` : text;
    this.#words.encode(this.#cutsAtSpaces ? spaced.match(WORD)! : [spaced], out);
  }

  decode(piece: Uint8Array): Uint8Array {
    return unescapeSpaces(piece);
  }

  /** The tables that encoding needs and decoding does not. */
  #index(): WordCache {
    const isText = (id: number) => {
      const type = this.#vocabulary.types[id];
      return type !== TokenType.CONTROL && type !== TokenType.UNKNOWN && type !== TokenType.BYTE;
    };
    const index = new PieceIndex(this.#vocabulary.pieces, isText);
    const merger = new PairMerger((bytes, start, _middle, end) => {
      const id = index.find(bytes, start, end);
      return id < 0 ? NEVER : -this.#scores[id]!;
    });
    const byteIds = this.#byteIds();
    this.#cutsAtSpaces = !this.#hasPieceAcrossWords();
    return new WordCache((word) => this.#encodeWord(word, index, merger, byteIds));
  }

  /** Id of the piece for each byte, -1 where there is none. */
  #byteIds(): Int32Array {
    const { pieces, types, unknownId } = this.#vocabulary;
    const ids = new Int32Array(256).fill(unknownId ?? -1);
    for (let id = 0; id < pieces.length; id++) {
      const byte = types[id] === TokenType.BYTE ? byteOf(pieces.at(id)) : undefined;
      if (byte !== undefined) ids[byte] = id;
    }
    return ids;
  }

  /**
   * Whether a piece has a space after something else. Where none has, no merge crosses the start of a run of
   * spaces, so that the words there can be encoded one by one, with the same result.
   */
  #hasPieceAcrossWords(): boolean {
    const { bytes, offsets, lengths, length } = this.#vocabulary.pieces;
    for (let id = 0; id < length; id++) {
      const start = offsets[id]!;
      const end = start + lengths[id]!;
      let at = start;
      while (at < end && isEscapedSpace(bytes, at)) at += 3;
      for (; at < end; at++) if (isEscapedSpace(bytes, at)) return true;
    }
    return false;
  }

  #encodeWord(word: string, index: PieceIndex, merger: PairMerger, byteIds: Int32Array): number[] {
    const bytes = utf8.encode(word.replaceAll(' ', ESCAPED_SPACE));
    const ids: number[] = [];
    merger.merge(bytes, (start, end) => {
      const id = index.find(bytes, start, end);
      if (id >= 0) ids.push(id);
      else for (let i = start; i < end; i++) if (byteIds[bytes[i]!]! >= 0) ids.push(byteIds[bytes[i]!]!);
    });
    return ids;
  }
}
