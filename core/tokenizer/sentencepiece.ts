import { UserError } from '../../errors.ts';
import type { Gguf, GgufStrings } from '../gguf/index.ts';
import { optionalBoolean, optionalNumbers } from '../gguf/metadata.ts';
import { ESCAPED_SPACE, isEscapedSpace, unescapeSpaces } from './escaped-space.ts';
import { NEVER, PairMerger } from './pair-merger.ts';
import type { PieceIndex } from './piece-index.ts';
import type { PieceModel } from './tokenizer.ts';
import { byteOf, checkLength, TokenType, VOCABULARY_HINT, type Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

const utf8 = new TextEncoder();
const WORD = /[ \u2581]+[^ \u2581]*|[^ \u2581]+/g;

/**
 * SentencePiece BPE, as in Llama 2. Symbols are characters; the neighbours whose joint piece has the best score are
 * merged first; characters without a piece become bytes.
 */
export class SentencePiece implements PieceModel {
  readonly addsSpace: boolean;
  readonly #unknownId: number | undefined;
  readonly #byteIds: Int32Array; // id of the piece of each byte, or -1
  readonly #cutsAtSpaces: boolean;
  readonly #pieces: PieceIndex;
  readonly #merger: PairMerger;
  readonly #words = new WordCache((word) => this.#encodeWord(word));

  /** Throws UserError unless the metadata has a score for each token. */
  constructor(metadata: Gguf['metadata'], vocabulary: Vocabulary) {
    const { pieces } = vocabulary;
    const scores = readScores(metadata, pieces.length);
    this.addsSpace = optionalBoolean(metadata, 'tokenizer.ggml.add_space_prefix') ?? true;
    this.#unknownId = vocabulary.unknownId;
    this.#byteIds = byteIdsOf(vocabulary);
    this.#cutsAtSpaces = !hasPieceAcrossWords(pieces);
    const notText: readonly (number | undefined)[] = [TokenType.CONTROL, TokenType.UNKNOWN, TokenType.BYTE];
    this.#pieces = vocabulary.index((type) => !notText.includes(type));
    this.#merger = new PairMerger((bytes, start, _middle, end) => {
      const id = this.#pieces.find(bytes, start, end);
      return id < 0 ? NEVER : -scores[id]!;
    });
  }

  encode(text: string, out: number[]): void {
    const spaced = this.addsSpace ? ` ${text}` : text;
    this.#words.encode(this.#cutsAtSpaces ? spaced.match(WORD)! : [spaced], out);
  }

  decode(piece: Uint8Array): Uint8Array {
    return unescapeSpaces(piece);
  }

  #encodeWord(word: string): number[] {
    const bytes = utf8.encode(word.replaceAll(' ', ESCAPED_SPACE));
    const ids: number[] = [];
    this.#merger.merge(bytes, (start, end) => {
      const id = this.#pieces.find(bytes, start, end);
      if (id >= 0) ids.push(id);
      else ids.push(...this.#byteFallback(bytes.subarray(start, end)));
    });
    return ids;
  }

  /** Bytes of a character without a piece; the unknown token if the vocabulary lacks one of them. */
  #byteFallback(character: Uint8Array): number[] {
    const ids = Array.from(character, (byte) => this.#byteIds[byte]!);
    if (!ids.includes(-1)) return ids;
    return this.#unknownId === undefined ? [] : [this.#unknownId];
  }
}

export function readScores(metadata: Gguf['metadata'], tokens: number): ArrayLike<number> {
  const scores = optionalNumbers(metadata, 'tokenizer.ggml.scores');
  if (scores === undefined) {
    throw new UserError(
      'The file lacks tokenizer.ggml.scores, the scores of SentencePiece.',
      VOCABULARY_HINT,
    );
  }
  checkLength('scores', scores, tokens);
  for (let id = 0; id < tokens; id++) {
    if (Number.isNaN(scores[id]))
      throw new UserError(
        `Expected numbers in tokenizer.ggml.scores, got NaN for token ${id}.`,
        VOCABULARY_HINT,
      );
  }
  return scores;
}

function byteIdsOf({ pieces, types }: Vocabulary): Int32Array {
  const ids = new Int32Array(256).fill(-1);
  for (let id = 0; id < pieces.length; id++) {
    const byte = types[id] === TokenType.BYTE ? byteOf(pieces.at(id)) : undefined;
    if (byte !== undefined) ids[byte] = id;
  }
  return ids;
}

/**
 * Whether any piece has a space after another character. If none has, no merge crosses the start of a run of spaces, so
 * the words between can be encoded one by one with the same result.
 */
export function hasPieceAcrossWords({ bytes, offsets, lengths, length }: GgufStrings): boolean {
  for (let id = 0; id < length; id++) {
    const start = offsets[id]!;
    const end = start + lengths[id]!;
    let at = start;
    while (at < end && isEscapedSpace(bytes, at)) at += 3;
    for (; at < end; at++) if (isEscapedSpace(bytes, at)) return true;
  }
  return false;
}
