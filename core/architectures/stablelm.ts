/** StableLM (Bellagente et al., Stable LM 2 1.6B): llama with layer norms, and rotation of a part of each head in halves. */
import type { RopeSpec } from '../../backends/backend.ts';
import type { Architecture } from './architecture.ts';
import { gatedFeedForward, projections, rotated } from './decoder.ts';
import { type TransformerSizes, unsupported } from './metadata.ts';

interface StablelmConfig extends TransformerSizes {
  readonly eps: number;
  readonly rope: RopeSpec;
}

export const stablelm: Architecture<StablelmConfig> = {
  checkpoint: {
    types: { stablelm: 'stablelm' },
    metadata: (c) => ({ use_parallel_residual: c.flag('use_parallel_residual') }),
  },

  read(m) {
    if (m.flag('use_parallel_residual'))
      throw unsupported('A StableLM with parallel attention and feed-forward');
    const sizes = m.transformer();
    const rope = m.rope('half', sizes.headDim);
    return { ...sizes, rope, eps: m.positive('attention.layer_norm_epsilon') };
  },

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const prepared = rotated(g, projections(g, g.layerNorm(x, b('attn_norm'), eps), b, c), c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim });
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.linear(attended, b('attn_output'), C));
      x = g.add(x, gatedFeedForward(g, g.layerNorm(x, b('ffn_norm'), eps), b, c));
    }
    return g.head(g.layerNorm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
