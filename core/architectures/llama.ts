/**
 * Llama (Touvron et al., LLaMA; grouped-query attention as in Llama 2): SmolLM2, TinyLlama, Mistral 7B and many more.
 * T tokens, S of them selected for output, C embedding, F feed-forward, H heads, G kv heads, D head size, V vocabulary.
 */
import type { RopeSpec } from '../../backends/backend.ts';
import type { Architecture } from './architecture.ts';
import { type TransformerSizes, unsupported } from './metadata.ts';

export interface LlamaConfig extends TransformerSizes {
  readonly rmsEps: number;
  readonly rope: RopeSpec;
}

export const llama: Architecture<LlamaConfig> = {
  read(m) {
    const experts = m.optional('expert_count') ?? 0;
    if (experts > 0) throw unsupported(`A mixture of ${experts} experts`);
    const sizes = m.transformer();
    // llama.cpp's converter reorders the rows of attn_q and attn_k so that neighbours are pairs.
    const rope = m.rope('interleaved', sizes.headDim);
    return { ...sizes, rope, rmsEps: m.positive('attention.layer_norm_rms_epsilon') };
  },

  build(g, c) {
    const { embeddingLength: C, feedForwardLength: F, nHeads: H, nKvHeads: G, headDim: D, rmsEps: eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const h = g.norm(x, b('attn_norm'), eps); // [T, C]
      const q = g.rope(g.linear(h, b('attn_q'), H * D), H, c.rope); // [T, H * D]
      const k = g.rope(g.linear(h, b('attn_k'), G * D), G, c.rope); // [T, G * D]
      const v = g.linear(h, b('attn_v'), G * D); // [T, G * D]
      let attended = g.attention({ q, k, v }, { heads: H, kvHeads: G, headDim: D }); // [T, H * D]
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.linear(attended, b('attn_output'), C)); // [T, C]

      const f = g.norm(x, b('ffn_norm'), eps); // [T, C]
      const gate = g.map('silu', g.linear(f, b('ffn_gate'), F)); // [T, F]
      const up = g.linear(f, b('ffn_up'), F); // [T, F]
      x = g.add(x, g.linear(g.mul(gate, up), b('ffn_down'), C)); // [T, C]
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
