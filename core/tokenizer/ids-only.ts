import { UserError } from '../../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

const NO_BYTES = new Uint8Array(0);

/** Of a model without a tokenizer: it answers ids with ids. Text is refused in words, and no token has text. */
export function idsOnly(vocabularySize: number): Tokenizer {
  const refuse = (): never => {
    throw new UserError(
      'The model has no tokenizer, so it reads no text.',
      'Give ids with --prompt-ids and --json, or put tokenizer.json beside the weights.',
      { kind: 'usage' },
    );
  };
  return {
    model: 'none',
    vocabularySize,
    bosId: undefined,
    eosId: undefined,
    addBos: false,
    addEos: false,
    addSpacePrefix: false,
    endIds: new Set(),
    encode: refuse,
    countControls: refuse,
    decode: () => '',
    tokenBytes: () => NO_BYTES,
    piece: (id) => `[${id}]`,
    isControl: () => false,
  };
}
