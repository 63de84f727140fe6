/** Granite 3 (IBM), dense: llama with factors for the embedding, what each part adds, attention's scores and the logits. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, gatedFeedForward, projections, readDecoder, rotated } from './decoder.ts';

interface GraniteConfig extends DecoderConfig {
  readonly embeddingScale: number;
  readonly residualScale: number;
  readonly attentionScale: number;
  readonly logitScale: number; // divides
}

export const granite: Architecture<GraniteConfig> = {
  read(m) {
    const config = readDecoder(m, 'interleaved');
    return {
      ...config,
      embeddingScale: m.positive('embedding_scale', 1),
      residualScale: m.positive('residual_scale', 1),
      attentionScale: m.positive('attention.scale', 1 / Math.sqrt(config.headDim)),
      logitScale: m.positive('logit_scale', 1),
    };
  },

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps } = c;
    let x = g.scaled(g.embed('token_embd', c.vocabularySize, C), c.embeddingScale); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const projected = projections(g, g.norm(x, b('attn_norm'), eps), b, c);
      const sizes = { heads, kvHeads, headDim, scale: c.attentionScale };
      let attended = g.attention(rotated(g, projected, c), sizes); // [T, H * D]
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.scaled(g.linear(attended, b('attn_output'), C), c.residualScale));
      const f = gatedFeedForward(g, g.norm(x, b('ffn_norm'), eps), b, c);
      x = g.add(x, g.scaled(f, c.residualScale));
    }
    const logits = g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
    return g.scaled(logits, 1 / c.logitScale);
  },
};
