/** Phi-3 (Abdin et al., Phi-3 Technical Report): llama whose projections share a matrix, and gate and up another. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, readDecoder, rotated } from './decoder.ts';

export const phi3: Architecture<DecoderConfig> = {
  checkpoint: { types: { phi3: 'phi3' } },

  read: (m) => ({ ...readDecoder(m, 'half'), window: m.optional('attention.sliding_window') || undefined }),

  build(g, c) {
    const { embeddingLength: C, feedForwardLength: F, rmsEps: eps, window } = c;
    const { nHeads: heads, nKvHeads: kvHeads, headDim } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const sizes = [heads, kvHeads, kvHeads].map((count) => count * headDim);
      const [q, k, v] = g.linears(g.norm(x, b('attn_norm'), eps), b('attn_qkv'), sizes);
      const prepared = rotated(g, { q: q!, k: k!, v: v! }, c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim, window });
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.linear(attended, b('attn_output'), C));
      const [gate, up] = g.linears(g.norm(x, b('ffn_norm'), eps), b('ffn_up'), [F, F]);
      x = g.add(x, g.linear(g.mul(g.map('silu', gate!), up!), b('ffn_down'), C));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
