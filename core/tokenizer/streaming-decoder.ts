import type { DecodeOptions, Tokenizer } from './tokenizer.ts';

export interface StreamingOptions extends DecodeOptions {
  /** The ids go on a text that has been shown already, so that a leading space belongs to them. Default false. */
  readonly continues?: boolean;
}

type PieceSource = Pick<Tokenizer, 'tokenBytes' | 'isControl' | 'addSpacePrefix'>;

/**
 * Turns token ids into text as they come. A UTF-8 character cut by a token border is held back until it is
 * whole; however the ids are split into pushes, the text is that of decoding them at once, with U+FFFD for
 * bytes that are not UTF-8.
 */
export class StreamingDecoder {
  readonly #tokenizer: PieceSource;
  readonly #options: StreamingOptions;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  #removesSpace: boolean; // the space that encoding put before the text is still to come

  constructor(tokenizer: PieceSource, options: StreamingOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#removesSpace = tokenizer.addSpacePrefix && options.continues !== true;
  }

  /** The text that can be shown now that `id` has come. Throws UserError for an id outside the vocabulary. */
  push(id: number): string {
    return this.#utf8.decode(this.#bytes(id), { stream: true });
  }

  /** What is left at the end: U+FFFD where a character never became whole. */
  end(): string {
    return this.#utf8.decode();
  }

  #bytes(id: number): Uint8Array {
    const bytes = this.#tokenizer.tokenBytes(id, this.#options);
    if (!this.#removesSpace || bytes.length === 0 || this.#tokenizer.isControl(id)) return bytes;
    this.#removesSpace = false;
    return bytes[0] === 0x20 ? bytes.subarray(1) : bytes;
  }
}
