/** Seed-OSS (ByteDance): as Qwen 2, but GGUF calls the norm before the feed-forward post_attention_norm. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, readDecoder, rotated } from './decoder.ts';

export const seedOss: Architecture<DecoderConfig> = {
  checkpoint: {
    types: { seed_oss: 'seed_oss' },
    names: { post_attention_layernorm: 'post_attention_norm' },
  },

  read: (m) => readDecoder(m, 'half'),
  build: (g, c) => decoder(g, c, (heads) => rotated(g, heads, c), { feedForwardNorm: 'post_attention_norm' }),
};
