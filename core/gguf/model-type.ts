/** A model's name, by its file, and its quantization. */
import { basename } from 'node:path';
import type { Gguf } from './index.ts';

/** Names of general.file_type, from enum llama_ftype in llama.h of llama.cpp 0c1e570. */
const FILE_TYPES: Readonly<Record<number, string>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  7: 'Q8_0',
  8: 'Q5_0',
  9: 'Q5_1',
  10: 'Q2_K',
  11: 'Q3_K_S',
  12: 'Q3_K_M',
  13: 'Q3_K_L',
  14: 'Q4_K_S',
  15: 'Q4_K_M',
  16: 'Q5_K_S',
  17: 'Q5_K_M',
  18: 'Q6_K',
  19: 'IQ2_XXS',
  20: 'IQ2_XS',
  21: 'Q2_K_S',
  22: 'IQ3_XS',
  23: 'IQ3_XXS',
  24: 'IQ1_S',
  25: 'IQ4_NL',
  26: 'IQ3_S',
  27: 'IQ3_M',
  28: 'IQ2_S',
  29: 'IQ2_M',
  30: 'IQ4_XS',
  31: 'IQ1_M',
  32: 'BF16',
  36: 'TQ1_0',
  37: 'TQ2_0',
  38: 'MXFP4',
};

/** The name of a file without its type. general.name is not used: often it names a training run. */
export function modelTitle(path: string, type: string): string {
  const name = basename(path).replace(/\.gguf$/i, '');
  return name.replace(new RegExp(`[.-]${type}$`, 'i'), '') || name;
}

/** The quantization of a file: general.file_type; without it, the tensor type with the most bytes. */
export function modelType({ metadata, tensors }: Pick<Gguf, 'metadata' | 'tensors'>): string {
  const named = FILE_TYPES[metadata.get('general.file_type') as number];
  if (named) return named;
  const bytes = new Map<string, number>();
  for (const tensor of tensors.values()) bytes.set(tensor.type, (bytes.get(tensor.type) ?? 0) + tensor.bytes);
  return [...bytes].reduce((most, next) => (next[1] > most[1] ? next : most))[0];
}
