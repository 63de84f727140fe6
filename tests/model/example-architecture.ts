/** Gemma (Gemma Team, Gemma): llama with embeddings scaled by sqrt(C), GELU, and norms whose weights are stored minus 1. */
import type { Architecture } from '../../core/architectures/architecture.ts';
import {
  type DecoderConfig,
  gatedFeedForward,
  projections,
  readDecoder,
  rotated,
} from '../../core/architectures/decoder.ts';
import { GELU_TANH } from '../../core/checkpoint/family.ts';
import { addingOne } from '../../core/checkpoint/layouts.ts';

export const gemma: Architecture<DecoderConfig> = {
  checkpoint: {
    types: { gemma: 'gemma' },
    functions: GELU_TANH,
    convert: addingOne('attn_norm', 'ffn_norm', 'output_norm'),
  },

  read: (m) => readDecoder(m, 'half'),

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps } = c;
    let x = g.scaled(g.embed('token_embd', c.vocabularySize, C), Math.sqrt(C)); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const prepared = rotated(g, projections(g, g.norm(x, b('attn_norm'), eps), b, c), c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim }); // [T, H * D]
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.linear(attended, b('attn_output'), C));
      x = g.add(x, gatedFeedForward(g, g.norm(x, b('ffn_norm'), eps), b, c, 'gelu'));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
