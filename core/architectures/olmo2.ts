/**
 * OLMo 2 (OLMo Team, 2 OLMo 2 Furious): norms after attention and feed-forward instead of before, and norms over all
 * heads of queries and of keys.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { Architecture } from './architecture.ts';
import {
  type DecoderConfig,
  gatedFeedForward,
  normalizedRows,
  projections,
  readDecoder,
  rotated,
} from './decoder.ts';

export const olmo2: Architecture<DecoderConfig> = {
  checkpoint: {
    types: { olmo2: 'olmo2' },
    names: { post_attention_layernorm: 'post_attention_norm', post_feedforward_layernorm: 'post_ffw_norm' },
  },

  read: (m) => readDecoder(m, 'half'),

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps } = c;
    let x: ValueId = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const prepared = rotated(g, normalizedRows(g, projections(g, x, b, c), b, c), c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim }); // [T, H * D]
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.norm(g.linear(attended, b('attn_output'), C), b('post_attention_norm'), eps));
      x = g.add(x, g.norm(gatedFeedForward(g, x, b, c), b('post_ffw_norm'), eps));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
