/**
 * GPT-NeoX (Black et al., GPT-NeoX-20B; Pythia): attention and feed-forward side by side, each after a layer norm of its own,
 * and rotation of a part of each head in halves.
 */
import type { RopeSpec } from '../../backends/backend.ts';
import type { Config } from '../checkpoint/config.ts';
import { headsSwapped, type Stored } from '../checkpoint/stored.ts';
import { headsOf } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import { rotated } from './decoder.ts';
import type { TransformerSizes } from './metadata.ts';

interface GptneoxConfig extends TransformerSizes {
  readonly eps: number;
  readonly rope: RopeSpec;
  readonly parallel: boolean; // the feed-forward reads what attention reads, not what it makes
}

export const gptneox: Architecture<GptneoxConfig> = {
  checkpoint: {
    types: { gpt_neox: 'gptneox' },
    functions: ['gelu'],
    names: {
      embed_in: 'token_embd',
      embed_out: 'output',
      final_layer_norm: 'output_norm',
      'attention.query_key_value': 'attn_qkv',
      'attention.dense': 'attn_output',
      'mlp.dense_h_to_4h': 'ffn_up',
      'mlp.dense_4h_to_h': 'ffn_down',
    },
    convert: { 'attn_qkv.weight': headsApart, 'attn_qkv.bias': headsApart },
    metadata: (c) => ({ use_parallel_residual: c.flag('use_parallel_residual') ?? true }),
  },

  read(m) {
    const sizes = m.transformer();
    return {
      ...sizes,
      rope: m.rope('half', sizes.headDim),
      eps: m.positive('attention.layer_norm_epsilon'),
      parallel: m.flag('use_parallel_residual'),
    };
  },

  build(g, c) {
    const { embeddingLength: C, feedForwardLength: F, nHeads: heads, headDim, eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const [q, k, v] = g.linears(g.layerNorm(x, b('attn_norm'), eps), b('attn_qkv'), [C, C, C]);
      const prepared = rotated(g, { q: q!, k: k!, v: v! }, c);
      let attended = g.attention(prepared, { heads, kvHeads: heads, headDim });
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C]
      const withAttention = g.add(x, g.linear(attended, b('attn_output'), C));
      const h = g.layerNorm(c.parallel ? x : withAttention, b('ffn_norm'), eps);
      const f = g.map('gelu-erf', g.linear(h, b('ffn_up'), F)); // [T, F]
      x = g.add(withAttention, g.linear(f, b('ffn_down'), C));
    }
    return g.head(g.layerNorm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};

/** Queries, keys and values of each head one after the other, as those of all heads. */
function headsApart(x: Stored, c: Config): Stored {
  const { heads, headDim } = headsOf(c);
  return headsSwapped(x, heads, 3, headDim);
}
