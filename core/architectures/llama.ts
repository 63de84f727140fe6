/** Llama (Touvron et al., LLaMA; grouped-query attention as in Llama 2): SmolLM2, TinyLlama, Mistral 7B and many more. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, readDecoder, rotated } from './decoder.ts';
import { unsupported } from './metadata.ts';

export const llama: Architecture<DecoderConfig> = {
  read(m) {
    const experts = m.optional('expert_count') ?? 0;
    if (experts > 0) throw unsupported(`A mixture of ${experts} experts`);
    // llama.cpp's converter reorders the rows of attn_q and attn_k so that neighbours are pairs.
    return readDecoder(m, 'interleaved');
  },

  build: (g, c) => decoder(g, c, (heads) => rotated(g, heads, c)),
};
