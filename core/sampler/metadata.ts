import type { Gguf } from '../gguf/index.ts';
import { optionalNumber, optionalString } from '../gguf/metadata.ts';
import { parseSamplers, type SamplerParameters } from './parameters.ts';

/** Key below general.sampling -> parameter (llama.cpp src/llama-arch.cpp, LLM_KV_GENERAL_SAMPLING_*). */
const NUMBERS = {
  temp: 'temperature',
  top_k: 'topK',
  top_p: 'topP',
  min_p: 'minP',
  xtc_probability: 'xtcProbability',
  xtc_threshold: 'xtcThreshold',
  penalty_last_n: 'penaltyLastN',
  penalty_repeat: 'repeatPenalty',
  mirostat: 'mirostat',
  mirostat_tau: 'mirostatTau',
  mirostat_eta: 'mirostatEta',
} as const satisfies Record<string, keyof SamplerParameters>;

/** Samplers of llama.cpp that are off by default and have no parameter in the metadata. */
const NEUTRAL = /^(top[-_]?n[-_]?sigma|adaptive[-_]?p)$/i;

/**
 * Sampling parameters that a model recommends in its metadata; empty if there are none. Throws UserError for a value of
 * the wrong type; `samplerParameters` checks ranges.
 */
export function samplingDefaults(metadata: Gguf['metadata']): Partial<SamplerParameters> {
  const numbers = Object.entries(NUMBERS).map(([name, parameter]) => {
    const value = optionalNumber(metadata, `general.sampling.${name}`);
    // Rounding to seven digits restores the decimal that was stored as float32.
    return [parameter, value === undefined ? undefined : Number(value.toPrecision(7))];
  });
  const sequence = optionalString(metadata, 'general.sampling.sequence');
  const names = sequence?.split(';').filter((name) => !NEUTRAL.test(name.trim()));
  return { ...Object.fromEntries(numbers), samplers: names && parseSamplers(names.join(';')) };
}
