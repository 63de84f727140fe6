import type { Spans } from './spans.ts';

export interface EncodeOptions {
  /**
   * Parse special tokens such as <|im_start|> in the text, or only where they lie within one of the spans; by default
   * they are ordinary text.
   */
  readonly special?: boolean | Spans;
  /** Add begin/end tokens if the model's metadata asks for them (add_bos_token, add_eos_token). */
  readonly addSpecial?: boolean;
}

export interface DecodeOptions {
  /** Render control tokens as their text instead of omitting them. */
  readonly special?: boolean;
}

/** Converts text to token ids and back; built from GGUF metadata. */
export interface Tokenizer {
  readonly model: 'bpe' | 'sentencepiece' | 'unigram' | 'wordpiece' | 'none';
  readonly vocabularySize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Encoding adds a space before the text, as SentencePiece does; decoding removes it. */
  readonly addSpacePrefix: boolean;
  /** End-of-generation ids: eos, eot, and tokens known by name, such as <|im_end|> or <|eot_id|>. */
  readonly endIds: ReadonlySet<number>;
  /** Token ids of a text; a lone surrogate counts as U+FFFD. Linear in the length of the text. */
  encode(text: string, options?: EncodeOptions): number[];
  /** The text of token ids, with U+FFFD for bytes that are not UTF-8. Throws UserError for an unknown id. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /** Bytes of decoded text for a token; empty for control tokens unless `special`. */
  tokenBytes(id: number, options?: DecodeOptions): Uint8Array;
  /** Piece as stored in the vocabulary; throws UserError for an id outside it. */
  piece(id: number): string;
  isControl(id: number): boolean;
  /** The number of control tokens that encoding with `special: true` finds in a text; the rest is not tokenized. */
  countControls(text: string): number;
}

/** The part that differs between kinds of tokenizer: the split of plain text into pieces, and the text of a piece. */
export interface PieceModel {
  /** Appends the token ids of a text without special tokens to `out`. */
  encode(text: string, out: number[]): void;
  /** Whether encode adds a space before the text, so that decoding must remove it. */
  readonly addsSpace: boolean;
  /** Text bytes of an ordinary piece as stored in the vocabulary. */
  decode(piece: Uint8Array): Uint8Array;
}
