/** Qwen 3 (Yang et al., Qwen3), dense: every head of queries and keys is normalized, then rotated in halves. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, normalizedHeads, readDecoder, rotated } from './decoder.ts';

export const qwen3: Architecture<DecoderConfig> = {
  checkpoint: { types: { qwen3: 'qwen3' } },

  read: (m) => readDecoder(m, 'half'),
  build: (g, c) => decoder(g, c, (heads, b) => rotated(g, normalizedHeads(g, heads, b, c), c)),
};
