import { UserError } from '../../errors.ts';
import { SpecialTokens } from './special-tokens.ts';
import { StreamingDecoder } from './streaming-decoder.ts';
import type { DecodeOptions, EncodeOptions, PieceModel, Tokenizer } from './tokenizer.ts';
import { byteOf, TokenType, type Vocabulary } from './vocabulary.ts';

const EMPTY = new Uint8Array(0);

/** A vocabulary, its special tokens, and the model that tokenizes the text between them. */
export class GgufTokenizer implements Tokenizer {
  readonly model: Tokenizer['model'];
  readonly vocabularySize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly addSpacePrefix: boolean;
  readonly endIds: ReadonlySet<number>;
  readonly #vocabulary: Vocabulary;
  readonly #pieceModel: PieceModel;
  readonly #special: SpecialTokens;

  constructor(model: Tokenizer['model'], vocabulary: Vocabulary, pieceModel: PieceModel) {
    this.model = model;
    this.vocabularySize = vocabulary.pieces.length;
    this.bosId = vocabulary.bosId;
    this.eosId = vocabulary.eosId;
    this.addBos = vocabulary.addBos;
    this.addEos = vocabulary.addEos;
    this.addSpacePrefix = pieceModel.addsSpace;
    this.endIds = vocabulary.endIds;
    this.#vocabulary = vocabulary;
    this.#pieceModel = pieceModel;
    this.#special = new SpecialTokens(vocabulary);
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    if (typeof text !== 'string') {
      throw new UserError(`Expected a text to encode, got ${typeof text}.`, 'Give a string.', {
        kind: 'usage',
      });
    }
    const ids: number[] = [];
    if (options.addSpecial && this.addBos) ids.push(this.bosId!);
    for (const part of this.#special.split(text.toWellFormed(), options.special ?? false)) {
      if (typeof part === 'number') ids.push(part);
      else this.#encodePlain(part, ids);
    }
    if (options.addSpecial && this.addEos) ids.push(this.eosId!);
    return ids;
  }

  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    const decoder = new StreamingDecoder(this, options);
    let text = '';
    for (let i = 0; i < ids.length; i++) text += decoder.push(ids[i]!);
    return text + decoder.end();
  }

  tokenBytes(id: number, options?: DecodeOptions): Uint8Array {
    const piece = this.#pieceBytes(id);
    switch (this.#vocabulary.types[id]) {
      case TokenType.CONTROL:
      case TokenType.UNKNOWN:
        return options?.special ? piece : EMPTY;
      case TokenType.USER_DEFINED:
        return piece;
      case TokenType.UNUSED:
        return EMPTY;
      case TokenType.BYTE: {
        const byte = byteOf(this.piece(id));
        return byte === undefined ? piece : Uint8Array.of(byte);
      }
      default:
        return this.#pieceModel.decode(piece);
    }
  }

  piece(id: number): string {
    this.#check(id);
    return this.#vocabulary.pieces.at(id);
  }

  isControl(id: number): boolean {
    return this.#vocabulary.types[id] === TokenType.CONTROL;
  }

  countControls(text: string): number {
    const parts = this.#special.split(text.toWellFormed(), true);
    return parts.filter((part) => typeof part === 'number' && this.isControl(part)).length;
  }

  #encodePlain(text: string, ids: number[]): void {
    try {
      this.#pieceModel.encode(text, ids);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause; // a regular expression ran out of stack, or a large buffer
      throw new UserError(
        `The text of ${text.length} characters contains a word that is too long: a few million characters is the limit.`,
        'Break the text into lines.',
        { cause },
      );
    }
  }

  /** The piece as stored; a view, not a copy. */
  #pieceBytes(id: number): Uint8Array {
    this.#check(id);
    const { bytes, offsets, lengths } = this.#vocabulary.pieces;
    return bytes.subarray(offsets[id]!, offsets[id]! + lengths[id]!);
  }

  #check(id: number): void {
    if (Number.isInteger(id) && id >= 0 && id < this.vocabularySize) return;
    throw new UserError(
      `Expected a token id from 0 to ${this.vocabularySize - 1}, got ${id}.`,
      'The ids belong to another vocabulary: use those that `percept tokenize` prints for this model.',
    );
  }
}
