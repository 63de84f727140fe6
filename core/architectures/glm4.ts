/** GLM 4 (Zhipu AI): norms before and after each part, rotation of half of each head's neighbours, gate and up in one. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, projections, readDecoder, rotated } from './decoder.ts';

export const glm4: Architecture<DecoderConfig> = {
  checkpoint: {
    types: { glm4: 'glm4' },
    names: { post_self_attn_layernorm: 'post_attention_norm', post_mlp_layernorm: 'post_ffw_norm' },
  },

  read: (m) => readDecoder(m, 'interleaved'),

  build(g, c) {
    const { embeddingLength: C, feedForwardLength: F, nHeads: heads, nKvHeads: kvHeads } = c;
    const { headDim, rmsEps: eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const prepared = rotated(g, projections(g, g.norm(x, b('attn_norm'), eps), b, c), c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim });
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.norm(g.linear(attended, b('attn_output'), C), b('post_attention_norm'), eps));
      const [gate, up] = g.linears(g.norm(x, b('ffn_norm'), eps), b('ffn_up'), [F, F]);
      const f = g.linear(g.mul(g.map('silu', gate!), up!), b('ffn_down'), C);
      x = g.add(x, g.norm(f, b('post_ffw_norm'), eps));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
