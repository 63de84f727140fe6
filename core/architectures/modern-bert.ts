/**
 * ModernBERT (Warner et al., Smarter, Better, Faster, Longer): an encoder with norms before its parts, rotated positions,
 * gated feed-forwards, and layers that see a window around each token, two to each that sees all.
 */
import type { RopeSpec } from '../../backends/backend.ts';
import type { Architecture } from './architecture.ts';
import { type EncoderConfig, joinedProjections } from './bert.ts';
import { rotated } from './decoder.ts';

interface ModernBertConfig extends EncoderConfig {
  readonly fn: 'gelu-erf' | 'silu';
  readonly rope: RopeSpec;
  readonly windowRope: RopeSpec;
  readonly window: number | undefined; // a token sees those less than this away
  readonly isLocal: readonly boolean[]; // by layer
}

/** GGUF files need not say it (llama.cpp src/models/modern-bert.cpp). */
const GLOBAL_EVERY = 3;

export const modernBert: Architecture<ModernBertConfig> = {
  checkpoint: {
    types: { modernbert: 'modern-bert' },
    functions: ['gelu', 'silu'],
    names: {
      'embeddings.tok_embeddings': 'token_embd',
      'embeddings.norm': 'token_embd_norm',
      'attn.Wqkv': 'attn_qkv',
      'attn.Wo': 'attn_output',
      attn_norm: 'attn_norm',
      'mlp.Wi': 'ffn_up',
      'mlp.Wo': 'ffn_down',
      mlp_norm: 'ffn_norm',
      final_norm: 'output_norm',
      'head.dense': null,
      'head.norm': null,
      decoder: null,
    },
    metadata: (c) => ({
      'attention.causal': false,
      hidden_act: c.text('hidden_activation'),
      'attention.layer_norm_epsilon': c.number('norm_eps'),
      'attention.layer_norm_rms_epsilon': undefined,
      'attention.sliding_window': c.number('local_attention'),
      'attention.sliding_window_pattern': c.number('global_attn_every_n_layers'),
      'rope.scaling.type': 'none',
      'rope.freq_base':
        c.part('rope_parameters')?.part('full_attention')?.number('rope_theta') ??
        c.number('global_rope_theta'),
      'rope.freq_base_swa':
        c.part('rope_parameters')?.part('sliding_attention')?.number('rope_theta') ??
        c.number('local_rope_theta'),
    }),
  },

  read(m) {
    const sizes = m.transformer();
    const width = m.optional('attention.sliding_window');
    const every = m.size('attention.sliding_window_pattern', GLOBAL_EVERY);
    return {
      ...sizes,
      eps: m.positive('attention.layer_norm_epsilon'),
      fn: m.text('hidden_act') === 'silu' ? 'silu' : 'gelu-erf',
      rope: m.rope('half', sizes.headDim),
      windowRope: m.plainRope('half', sizes.headDim, m.positive('rope.freq_base_swa', 10_000)),
      window: width ? Math.floor(width / 2) + 1 : undefined,
      isLocal: Array.from({ length: sizes.nLayers }, (_, layer) => layer % every !== 0),
    };
  },

  build(g, c) {
    const { embeddingLength: C, feedForwardLength: F, nHeads: heads, nKvHeads: kvHeads, headDim, eps } = c;
    let x = g.layerNorm(g.embed('token_embd', c.vocabularySize, C), 'token_embd_norm', eps); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const isLocal = c.window !== undefined && c.isLocal[b.index];
      const [rope, window] = isLocal ? [c.windowRope, c.window] : [c.rope, undefined];
      const h = g.has(`${b('attn_norm')}.weight`) ? g.layerNorm(x, b('attn_norm'), eps) : x;
      const prepared = rotated(g, joinedProjections(g, h, b, c), { ...c, rope });
      let attended = g.attention(prepared, { heads, kvHeads, headDim, window, causal: false });
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.linear(attended, b('attn_output'), C));
      const [up, gate] = g.linears(g.layerNorm(x, b('ffn_norm'), eps), b('ffn_up'), [F, F]);
      x = g.add(x, g.linear(g.mul(g.map(c.fn, up!), gate!), b('ffn_down'), C));
    }
    return g.layerNorm(x, 'output_norm', eps); // [S, C]
  },
};
