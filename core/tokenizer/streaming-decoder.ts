import type { DecodeOptions, Tokenizer } from './tokenizer.ts';

export interface StreamingOptions extends DecodeOptions {
  /** The ids continue a text that is already on show, so they keep a leading space. Default false. */
  readonly continues?: boolean;
}

type PieceSource = Pick<Tokenizer, 'tokenBytes' | 'isControl' | 'addSpacePrefix'>;

/**
 * Decodes token ids into text as they arrive. A UTF-8 character split by a token border is held back until it is whole.
 * However the ids are split into pushes, the text is the same as from decoding them at once, with U+FFFD for bytes that
 * are not UTF-8.
 */
export class StreamingDecoder {
  readonly #tokenizer: PieceSource;
  readonly #options: StreamingOptions;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  #removesSpace: boolean; // the space that encoding added before the text has not come yet

  constructor(tokenizer: PieceSource, options: StreamingOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#removesSpace = tokenizer.addSpacePrefix && options.continues !== true;
  }

  /** The text that `id` completes. Throws UserError for an id outside the vocabulary. */
  push(id: number): string {
    return this.#utf8.decode(this.#bytes(id), { stream: true });
  }

  /** The rest at the end: U+FFFD for an incomplete character. */
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
