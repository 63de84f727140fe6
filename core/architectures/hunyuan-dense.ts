/** Hunyuan dense (Tencent): as Qwen 3, but heads are normalized after their rotation. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, normalizedHeads, readDecoder, rotated } from './decoder.ts';

export const hunyuanDense: Architecture<DecoderConfig> = {
  checkpoint: {
    types: { hunyuan_v1_dense: 'hunyuan-dense' },
    names: { 'self_attn.query_layernorm': 'attn_q_norm', 'self_attn.key_layernorm': 'attn_k_norm' },
  },

  read: (m) => readDecoder(m, 'half'),
  build: (g, c) => decoder(g, c, (heads, b) => normalizedHeads(g, rotated(g, heads, c), b, c)),
};
