import { UserError } from '../../errors.ts';
import type { Gguf } from '../gguf/index.ts';
import { optionalNumber, optionalString } from '../gguf/metadata.ts';
import { parseSamplers, type SamplerParameters, samplerParameters } from './parameters.ts';

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
 * Sampling parameters that a model recommends in its metadata; empty if there are none. A value of another type or out
 * of range is left out: the user did not give it.
 * @param onIgnored gets a sentence for each value left out
 */
export function samplingDefaults(
  metadata: Gguf['metadata'],
  onIgnored: (text: string) => void = () => {},
): Partial<SamplerParameters> {
  const found: Partial<SamplerParameters> = {};
  const take = (name: string, read: (key: string) => Partial<SamplerParameters>) => {
    const key = `general.sampling.${name}`;
    if (!metadata.has(key)) return;
    try {
      const value = read(key);
      samplerParameters(value); // checks the range
      Object.assign(found, value);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      onIgnored(`The model's ${key} is ignored. ${error.message}`);
    }
  };
  for (const [name, parameter] of Object.entries(NUMBERS)) {
    // Rounding to seven digits restores the decimal that was stored as float32.
    take(name, (key) => ({ [parameter]: Number(optionalNumber(metadata, key)!.toPrecision(7)) }));
  }
  take('sequence', (key) => {
    const names = optionalString(metadata, key)!.split(';');
    return { samplers: parseSamplers(names.filter((name) => !NEUTRAL.test(name.trim())).join(';')) };
  });
  return found;
}
