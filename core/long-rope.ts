/**
 * LongRoPE (Ding et al., Extending LLM Context Window Beyond 2 Million Tokens): a model with two sets of factors that slow the
 * rotation of pairs, one within the context it was first trained for, and one for a longer context. A loaded model has one of
 * them, because cached keys are rotated already.
 */
import { optionalNumber, optionalString } from './gguf/metadata.ts';
import type { Gguf } from './gguf/types.ts';

const LONG = 'rope_factors_long.weight';

/** The longest context that the usual factors are for; undefined for a model without LongRoPE. */
export function originalContext({ metadata, tensors }: Gguf): number | undefined {
  if (!tensors.has(LONG)) return undefined;
  const architecture = optionalString(metadata, 'general.architecture');
  return optionalNumber(metadata, `${architecture}.rope.scaling.original_context_length`);
}

/** The model with the factors for a context. */
export function forContext(gguf: Gguf, contextLength: number | undefined): Gguf {
  const original = originalContext(gguf);
  if (original === undefined || contextLength === undefined || contextLength <= original) return gguf;
  const tensors = new Map(gguf.tensors).set('rope_freqs.weight', gguf.tensors.get(LONG)!);
  return { ...gguf, tensors };
}
