/**
 * Gemma 2 (Gemma Team, Gemma 2): norms before and after attention and feed-forward, every other layer sees a window, and
 * scores and logits are capped.
 */
import { GELU_TANH } from '../checkpoint/family.ts';
import { addingOne } from '../checkpoint/layouts.ts';
import { windowPattern } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, gatedFeedForward, projections, readDecoder, rotated } from './decoder.ts';

interface Gemma2Config extends DecoderConfig {
  readonly window: number;
  readonly isLocal: readonly boolean[]; // by layer
  readonly scale: number; // of attention's scores
  readonly softcap: number | undefined; // of attention's scores
  readonly logitCap: number | undefined;
}

/** The window of every Gemma 2, where the file does not say so. */
const WINDOW = 4096;
/** The largest model, of 46 layers, scales scores by the columns a head has in the embedding. */
const LAYERS_OF_27B = 46;

export const gemma2: Architecture<Gemma2Config> = {
  checkpoint: {
    types: { gemma2: 'gemma2' },
    functions: GELU_TANH,
    names: {
      post_attention_layernorm: 'post_attention_norm',
      pre_feedforward_layernorm: 'ffn_norm',
      post_feedforward_layernorm: 'post_ffw_norm',
    },
    convert: addingOne('attn_norm', 'post_attention_norm', 'ffn_norm', 'post_ffw_norm', 'output_norm'),
    metadata: (c) => ({
      attn_logit_softcapping: c.number('attn_logit_softcapping'),
      final_logit_softcapping: c.number('final_logit_softcapping'),
      'attention.scale': 1 / Math.sqrt(c.required('query_pre_attn_scalar')),
      'attention.sliding_window_pattern': windowPattern(c),
    }),
  },

  read(m) {
    const config = readDecoder(m, 'half');
    const { nLayers, embeddingLength, nHeads, headDim } = config;
    return {
      ...config,
      window: m.optional('attention.sliding_window') || WINDOW,
      scale: m.positive(
        'attention.scale',
        1 / Math.sqrt(nLayers === LAYERS_OF_27B ? embeddingLength / nHeads : headDim),
      ),
      isLocal: m.flags('attention.sliding_window_pattern', (layer) => layer % 2 === 0),
      softcap: m.optional('attn_logit_softcapping') || undefined,
      logitCap: m.optional('final_logit_softcapping') || undefined,
    };
  },

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps, scale, softcap } = c;
    let x = g.scaled(g.embed('token_embd', c.vocabularySize, C), Math.sqrt(C)); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const window = c.isLocal[b.index] ? c.window : undefined;
      const prepared = rotated(g, projections(g, g.norm(x, b('attn_norm'), eps), b, c), c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim, scale, window, softcap }); // [T, H * D]
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.norm(g.linear(attended, b('attn_output'), C), b('post_attention_norm'), eps));
      const f = gatedFeedForward(g, g.norm(x, b('ffn_norm'), eps), b, c, 'gelu');
      x = g.add(x, g.norm(f, b('post_ffw_norm'), eps));
    }
    return g.capped(g.head(g.norm(x, 'output_norm', eps), c.vocabularySize), c.logitCap); // [S, V]
  },
};
