/** StarCoder 2 (Lozhkov et al., StarCoder 2 and The Stack v2): layer norms and biases everywhere, rotation in halves. */

import type { RopeSpec } from '../../backends/backend.ts';
import { GELU_TANH } from '../checkpoint/family.ts';
import type { Architecture } from './architecture.ts';
import { projections, rotated } from './decoder.ts';
import type { TransformerSizes } from './metadata.ts';

interface Starcoder2Config extends TransformerSizes {
  readonly eps: number;
  readonly rope: RopeSpec;
  readonly window: number | undefined; // tokens
}

export const starcoder2: Architecture<Starcoder2Config> = {
  checkpoint: {
    types: { starcoder2: 'starcoder2' },
    functions: GELU_TANH,
    names: { 'mlp.c_fc': 'ffn_up', 'mlp.c_proj': 'ffn_down' },
  },

  read(m) {
    const sizes = m.transformer();
    return {
      ...sizes,
      rope: m.rope('half', sizes.headDim),
      eps: m.positive('attention.layer_norm_epsilon'),
      window: m.optional('attention.sliding_window') || undefined,
    };
  },

  build(g, c) {
    const { embeddingLength: C, feedForwardLength: F, nHeads: heads, nKvHeads: kvHeads, headDim, eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const prepared = rotated(g, projections(g, g.layerNorm(x, b('attn_norm'), eps), b, c), c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim, window: c.window });
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.linear(attended, b('attn_output'), C));
      const f = g.map('gelu', g.linear(g.layerNorm(x, b('ffn_norm'), eps), b('ffn_up'), F)); // [T, F]
      x = g.add(x, g.linear(f, b('ffn_down'), C));
    }
    return g.head(g.layerNorm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
