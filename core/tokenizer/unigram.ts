import type { Gguf } from '../gguf/index.ts';
import { optionalBoolean, optionalNumbers } from '../gguf/metadata.ts';
import { Charsmap } from './charsmap.ts';
import { ESCAPED_SPACE, unescapeSpaces } from './escaped-space.ts';
import { PieceTrie } from './piece-trie.ts';
import { hasPieceAcrossWords, readScores } from './sentencepiece.ts';
import type { PieceModel } from './tokenizer.ts';
import { TokenType, type Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

const utf8 = new TextEncoder();
const text8 = new TextDecoder();
const WORD = /\u2581*[^\u2581]+|\u2581+/g;

/** An unknown character costs as much more than the least likely piece (google/sentencepiece, src/unigram_model.cc). */
const UNKNOWN_PENALTY = 10;

/**
 * SentencePiece's unigram model, as in T5 and XLM-R (Kudo, Subword Regularization): of all ways to write a text in pieces
 * the most likely one, by Viterbi's algorithm.
 */
export class Unigram implements PieceModel {
  readonly addsSpace: boolean;
  readonly #mergesSpaces: boolean;
  readonly #charsmap: Charsmap | undefined;
  readonly #scores: Float64Array; // of each piece
  readonly #unknown: number;
  readonly #unknownScore: number;
  readonly #pieces: PieceTrie;
  readonly #cutsAtSpaces: boolean;
  readonly #words = new WordCache((word) => this.#encodeWord(word));

  /** Throws UserError unless the metadata has a score for each token. */
  constructor(metadata: Gguf['metadata'], { pieces, types, unknownId }: Vocabulary) {
    const scores = readScores(metadata, pieces.length);
    this.addsSpace = optionalBoolean(metadata, 'tokenizer.ggml.add_space_prefix') ?? true;
    this.#mergesSpaces = optionalBoolean(metadata, 'tokenizer.ggml.remove_extra_whitespaces') ?? false;
    const charsmap = optionalNumbers(metadata, 'tokenizer.ggml.precompiled_charsmap');
    this.#charsmap = charsmap && charsmap.length > 0 ? new Charsmap(Uint8Array.from(charsmap)) : undefined;
    const isUser = (id: number) => types[id] === TokenType.USER_DEFINED;
    this.#scores = Float64Array.from(types, (_, id) => (isUser(id) ? 0 : scores[id]!));
    const normal = this.#scores.filter((_, id) => types[id] === TokenType.NORMAL);
    this.#unknownScore = normal.reduce((least, score) => Math.min(least, score), 0) - UNKNOWN_PENALTY;
    this.#unknown = unknownId ?? 0;
    const texts: readonly number[] = [TokenType.NORMAL, TokenType.USER_DEFINED, TokenType.UNUSED];
    this.#pieces = new PieceTrie(pieces, (id) => texts.includes(types[id]!));
    this.#cutsAtSpaces = !hasPieceAcrossWords(pieces);
  }

  encode(text: string, out: number[]): void {
    const normal = this.#spaced(this.#charsmap ? replaced(text, this.#charsmap) : text);
    const start = out.length;
    this.#words.encode(this.#cutsAtSpaces ? (normal.match(WORD) ?? []) : [normal], out);
    this.#joinUnknown(out, start);
  }

  decode(piece: Uint8Array): Uint8Array {
    return unescapeSpaces(piece);
  }

  /** Spaces as U+2581: one before the text, and where they are merged one before each word. */
  #spaced(text: string): string {
    const merged = this.#mergesSpaces ? text.split(' ').filter(Boolean).join(' ') : text;
    if (merged === '') return '';
    const prefixed = this.addsSpace || this.#mergesSpaces ? ` ${merged}` : merged;
    return prefixed.replaceAll(' ', ESCAPED_SPACE);
  }

  /** Neighbouring unknown characters are one unknown token. */
  #joinUnknown(ids: number[], start: number): void {
    let end = start;
    for (let i = start; i < ids.length; i++) {
      if (ids[i] === this.#unknown && end > start && ids[end - 1] === this.#unknown) continue;
      ids[end++] = ids[i]!;
    }
    ids.length = end;
  }

  #encodeWord(word: string): number[] {
    const bytes = utf8.encode(word);
    const best = new Float64Array(bytes.length + 1).fill(Number.NEGATIVE_INFINITY); // of the text up to a byte
    const last = new Int32Array(bytes.length + 1); // the piece that ends there
    const from = new Int32Array(bytes.length + 1); // where it begins
    best[0] = 0;
    for (let at = 0; at < bytes.length; at += widthOf(bytes[at]!)) {
      const next = Math.min(bytes.length, at + widthOf(bytes[at]!));
      const reach = (end: number, id: number, score: number) => {
        if (best[at]! + score <= best[end]!) return;
        best[end] = best[at]! + score;
        last[end] = id;
        from[end] = at;
      };
      let isKnown = false;
      this.#pieces.each(bytes, at, (end, id) => {
        if (end === next) isKnown = true;
        reach(end, id, this.#scores[id]!);
      });
      if (!isKnown) reach(next, this.#unknown, this.#unknownScore);
    }
    const ids: number[] = [];
    for (let end = bytes.length; end > 0; end = from[end]!) ids.push(last[end]!);
    return ids.reverse();
  }
}

/** Bytes of the character that begins with this byte. */
function widthOf(first: number): number {
  if (first < 0xc0) return 1;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

function replaced(text: string, charsmap: Charsmap): string {
  const bytes = utf8.encode(text);
  const parts: Uint8Array[] = [];
  let plain = 0; // start of what stays
  for (let at = 0; at < bytes.length; ) {
    const found = charsmap.longest(bytes, at);
    if (!found) {
      at += widthOf(bytes[at]!);
      continue;
    }
    parts.push(bytes.subarray(plain, at), found.by);
    at += found.length;
    plain = at;
  }
  if (parts.length === 0) return text;
  return text8.decode(Buffer.concat([...parts, bytes.subarray(plain)]));
}
