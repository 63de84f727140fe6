/**
 * EmbeddingGemma (Schechter Vera et al., EmbeddingGemma): Gemma 3 as an encoder, whose tokens see what follows them too, and
 * whose vectors two matrices project at the end.
 */
import type { Architecture } from './architecture.ts';
import { type Gemma3Config, gemma3, gemma3States } from './gemma3.ts';

interface EmbeddingConfig extends Gemma3Config {
  /** Columns between the two matrices at the end, if the file has them. */
  readonly projected: number | undefined;
}

export const gemmaEmbedding: Architecture<EmbeddingConfig> = {
  read(m) {
    const config = gemma3.read(m);
    return {
      ...config,
      causal: false,
      window: config.window && Math.floor(config.window / 2) + 1, // to each side
      projected: m.has('dense_2_feat_out') ? m.size('dense_2_feat_out') : undefined,
    };
  },

  build(g, c) {
    const x = gemma3States(g, c);
    // Pooling is linear as these are, so they may come first.
    if (c.projected === undefined || !g.has('dense_2.weight')) return x;
    return g.linear(g.linear(x, 'dense_2', c.projected), 'dense_3', c.embeddingLength);
  },
};
