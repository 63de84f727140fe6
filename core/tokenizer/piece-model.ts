/** A kind of tokenizer: splits plain text into pieces, and decodes pieces. */
export interface PieceModel {
  /** Appends the token ids of `text` to `out`; nothing in `text` counts as a special token. */
  encode(text: string, out: number[]): void;
  /** Whether encode adds a space before the text, which decoding must remove at the start. */
  readonly addsSpace: boolean;
  /** Bytes of text for an ordinary piece, which is given as stored in the vocabulary. */
  decode(piece: Uint8Array): Uint8Array;
}
