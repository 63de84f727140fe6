/** What differs between the kinds of tokenizer: how plain text becomes pieces, and what a piece stands for. */
export interface PieceModel {
  /** Appends the token ids of a text, in which nothing is a special token, to `out`. */
  encode(text: string, out: number[]): void;
  /** Whether encode puts a space before the text, so that decoding has to take one away at its start. */
  readonly addsSpace: boolean;
  /** Bytes of text that an ordinary piece, given as stored in the vocabulary, stands for. */
  decode(piece: Uint8Array): Uint8Array;
}
