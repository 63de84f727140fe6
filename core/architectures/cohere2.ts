/**
 * Command R7B and Aya of the second generation (Cohere): attention and feed-forward read one layer norm, side by side. Three
 * layers of four see a window and rotate neighbours; the fourth sees all and does not rotate.
 */
import type { RopeSpec } from '../../backends/backend.ts';
import { windowPattern } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import { gatedFeedForward, projections, rotated } from './decoder.ts';
import type { TransformerSizes } from './metadata.ts';

interface Cohere2Config extends TransformerSizes {
  readonly eps: number;
  readonly rope: RopeSpec;
  readonly window: number; // tokens
  readonly isLocal: readonly boolean[]; // by layer
  readonly logitScale: number;
}

/** GGUF files do not say it (llama.cpp src/models/cohere2.cpp). */
const GLOBAL_EVERY = 4;

export const cohere2: Architecture<Cohere2Config> = {
  checkpoint: {
    types: { cohere2: 'cohere2' },
    metadata: (c) => ({
      logit_scale: c.number('logit_scale'),
      'rope.scaling.type': 'none',
      'attention.sliding_window_pattern': windowPattern(c),
    }),
  },

  read(m) {
    const sizes = m.transformer();
    return {
      ...sizes,
      rope: m.rope('interleaved', sizes.headDim),
      eps: m.positive('attention.layer_norm_epsilon'),
      window: m.size('attention.sliding_window'),
      isLocal: m.flags('attention.sliding_window_pattern', (layer) => (layer + 1) % GLOBAL_EVERY !== 0),
      logitScale: m.positive('logit_scale', 1),
    };
  },

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const isLocal = c.isLocal[b.index];
      let h = g.layerNorm(x, b('attn_norm'), eps);
      const projected = projections(g, h, b, c);
      const prepared = isLocal ? rotated(g, projected, c) : projected;
      const window = isLocal ? c.window : undefined;
      let attended = g.attention(prepared, { heads, kvHeads, headDim, window });
      if (b.last) [x, h, attended] = [g.select(x), g.select(h), g.select(attended)]; // [S, ..]
      const both = g.add(g.linear(attended, b('attn_output'), C), gatedFeedForward(g, h, b, c));
      x = g.add(x, both);
    }
    const logits = g.head(g.layerNorm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
    return g.scaled(logits, c.logitScale);
  },
};
