/**
 * OLMoE (Muennighoff et al., OLMoE: Open Mixture-of-Experts Language Models): queries and keys are normalized as whole
 * rows, and the weights of the experts are used as the softmax gives them.
 */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, normalizedRows, readDecoder, rotated } from './decoder.ts';
import { type ExpertsConfig, mixedFeedForward, readExperts } from './experts.ts';

interface OlmoeConfig extends DecoderConfig {
  readonly experts: ExpertsConfig;
}

export const olmoe: Architecture<OlmoeConfig> = {
  checkpoint: { types: { olmoe: 'olmoe' } },

  read: (m) => ({
    ...readDecoder(m, 'half'),
    experts: readExperts(m, { by: 'softmax', normalized: false }),
  }),

  build: (g, c) =>
    decoder(g, c, (heads, b) => rotated(g, normalizedRows(g, heads, b, c), c), {
      feedForward: (x, b) => mixedFeedForward(g, x, b, c),
    }),
};
