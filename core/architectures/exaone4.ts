/**
 * EXAONE 4 (LG AI Research, EXAONE 4.0): OLMo 2's norms after attention and feed-forward, heads normalized one by one, and in
 * the large models three layers with a window to each that sees all, unrotated.
 */
import { windowPattern } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import {
  type DecoderConfig,
  gatedFeedForward,
  normalizedHeads,
  projections,
  readDecoder,
  rotated,
} from './decoder.ts';

interface Exaone4Config extends DecoderConfig {
  readonly isLocal: readonly boolean[]; // by layer
}

const GLOBAL_EVERY = 4;

export const exaone4: Architecture<Exaone4Config> = {
  checkpoint: {
    types: { exaone4: 'exaone4' },
    names: { post_attention_layernorm: 'post_attention_norm', post_feedforward_layernorm: 'post_ffw_norm' },
    metadata: (c) => ({ 'attention.sliding_window_pattern': windowPattern(c) }),
  },

  read(m) {
    const window = m.optional('attention.sliding_window') || undefined;
    const usual = (layer: number) => (layer + 1) % GLOBAL_EVERY !== 0;
    const isLocal = m.flags('attention.sliding_window_pattern', (i) => window !== undefined && usual(i));
    return { ...readDecoder(m, 'half'), window, isLocal };
  },

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const isLocal = c.isLocal[b.index]!;
      const normalized = normalizedHeads(g, projections(g, x, b, c), b, c);
      const prepared = isLocal || c.window === undefined ? rotated(g, normalized, c) : normalized;
      let attended = g.attention(prepared, {
        heads,
        kvHeads,
        headDim,
        window: isLocal ? c.window : undefined,
      });
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.norm(g.linear(attended, b('attn_output'), C), b('post_attention_norm'), eps));
      x = g.add(x, g.norm(gatedFeedForward(g, x, b, c), b('post_ffw_norm'), eps));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
