/** Qwen 3 (Yang et al., Qwen3) with a mixture of experts in place of the feed-forward. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, normalizedHeads, readDecoder, rotated } from './decoder.ts';
import { type ExpertsConfig, mixedFeedForward, readExperts } from './experts.ts';

interface Qwen3MoeConfig extends DecoderConfig {
  readonly experts: ExpertsConfig;
}

export const qwen3moe: Architecture<Qwen3MoeConfig> = {
  checkpoint: { types: { qwen3_moe: 'qwen3moe' } },

  read: (m) => ({
    ...readDecoder(m, 'half'),
    experts: readExperts(m, { by: 'softmax', normalized: true }),
  }),

  build: (g, c) =>
    decoder(g, c, (heads, b) => rotated(g, normalizedHeads(g, heads, b, c), c), {
      feedForward: (x, b) => mixedFeedForward(g, x, b, c),
    }),
};
