/** Falcon H1 (Technology Innovation Institute): attention and Mamba-2 side by side in every block. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, gatedFeedForward, projections, readDecoder, rotated } from './decoder.ts';
import { mamba2, type RecurrentConfig, readRecurrent } from './recurrent.ts';

interface FalconH1Config extends DecoderConfig {
  readonly recurrent: RecurrentConfig;
  readonly scale: number; // of attention's scores
}

export const falconH1: Architecture<FalconH1Config> = {
  read(m) {
    const config = readDecoder(m, 'half');
    const scale = m.positive('attention.scale', 1 / Math.sqrt(config.headDim));
    return { ...config, recurrent: readRecurrent(m), scale };
  },

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps, scale } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const normed = g.norm(x, b('attn_norm'), eps);
      const prepared = rotated(g, projections(g, normed, b, c), c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim, scale }); // [T, H * D]
      let { y, output } = mamba2(g, normed, b, eps, c.recurrent);
      if (b.last) [x, attended, y] = [g.select(x), g.select(attended), g.select(y)]; // S rows each
      const mixed = g.add(g.linear(attended, b('attn_output'), C), g.linear(y, output, C));
      x = g.add(x, mixed);
      // llama.cpp's converter leaves the suffix off.
      const suffix = g.has(b('ffn_norm')) ? '' : '.weight';
      x = g.add(x, gatedFeedForward(g, g.normBy(x, b(`ffn_norm${suffix}`), eps), b, c));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
