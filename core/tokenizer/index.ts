import { UserError } from '../../errors.ts';
import type { Gguf } from '../gguf/index.ts';
import {
  optionalBoolean,
  optionalString,
  optionalStrings,
  requireNumber,
  requireString,
} from '../gguf/metadata.ts';
import { ByteBpe } from './byte-bpe.ts';
import { GgufTokenizer } from './gguf-tokenizer.ts';
import { idsOnly } from './ids-only.ts';
import { type PreTokenizer, preTokenizerFrom, preTokenizerOf } from './pre-tokenizers.ts';
import { SentencePiece } from './sentencepiece.ts';
import type { Tokenizer } from './tokenizer.ts';
import { Unigram } from './unigram.ts';
import { readVocabulary, type VocabularyDefaults } from './vocabulary.ts';
import { WordPiece } from './wordpiece.ts';

/** Of a model without tokens, by its config. */
function vocabularySizeOf({ metadata }: Gguf): number {
  const architecture = requireString(metadata, 'general.architecture');
  return requireNumber(metadata, `${architecture}.vocab_size`);
}

/** The patterns of a tokenizer.json, or those of the name that a GGUF file has. */
function preTokenizerIn(metadata: Gguf['metadata'], pre: string | undefined): PreTokenizer {
  if (pre !== undefined) return preTokenizerOf(pre);
  const own = optionalStrings(metadata, 'percept.tokenizer.patterns');
  if (own === undefined) return preTokenizerOf(optionalString(metadata, 'tokenizer.ggml.pre'));
  const patterns = Array.from({ length: own.length }, (_, i) => own.at(i));
  const ignoreMerges = optionalBoolean(metadata, 'percept.tokenizer.ignore_merges') ?? false;
  return preTokenizerFrom(patterns, ignoreMerges);
}

/**
 * The tokenizer that a GGUF file describes. Tables for encoding are built at their first use. Throws UserError if the
 * kind of tokenizer or its pre-tokenizer is not supported, or if the vocabulary is missing or inconsistent.
 * @param onIgnored gets a sentence for each setting of a special token that names no token, and, once a text is encoded,
 *   for a token that is there twice
 * @param pre name of a pre-tokenizer in place of the file's own
 */
export function tokenizerFromGguf(
  gguf: Gguf,
  onIgnored: (text: string) => void = () => {},
  pre?: string,
): Tokenizer {
  const { metadata } = gguf;
  const vocabularyOf = (model: Tokenizer['model'], defaults: VocabularyDefaults) =>
    readVocabulary(metadata, model, defaults, onIgnored);
  const hasNone = !metadata.has('tokenizer.ggml.model') && metadata.has('general.architecture');
  const model = hasNone ? 'none' : requireString(metadata, 'tokenizer.ggml.model');
  switch (model) {
    case 'gpt2':
    case 'gemma4': {
      const preTokenizer = model === 'gemma4' ? preTokenizerOf('gemma4') : preTokenizerIn(metadata, pre);
      const vocabulary = vocabularyOf('bpe', { addBos: preTokenizer.addBos, addEos: false });
      return new GgufTokenizer('bpe', vocabulary, new ByteBpe(metadata, vocabulary, preTokenizer));
    }
    case 'llama': {
      const defaults = { bosId: 1, eosId: 2, unknownId: 0, addBos: true, addEos: false };
      const vocabulary = vocabularyOf('sentencepiece', defaults);
      return new GgufTokenizer('sentencepiece', vocabulary, new SentencePiece(metadata, vocabulary));
    }
    case 't5': {
      const vocabulary = vocabularyOf('unigram', { eosId: 1, unknownId: 2, addBos: false, addEos: true });
      return new GgufTokenizer('unigram', vocabulary, new Unigram(metadata, vocabulary));
    }
    case 'bert': {
      const defaults = { bosId: 101, eosId: 102, unknownId: 100, addBos: true, addEos: true };
      const vocabulary = vocabularyOf('wordpiece', defaults);
      return new GgufTokenizer('wordpiece', vocabulary, new WordPiece(metadata, vocabulary));
    }
    case 'none':
    case 'no_vocab':
      return idsOnly(vocabularySizeOf(gguf));
    default:
      throw new UserError(
        `Expected tokenizer.ggml.model to be gpt2, llama, bert, t5 or gemma4, got "${model}".`,
        'This kind of tokenizer is not supported yet: choose another model.',
      );
  }
}
