/** GPT-2 (Radford et al., Language Models are Unsupervised Multitask Learners): learned positions, layer norms, one qkv. */
import { GELU_TANH } from '../checkpoint/family.ts';
import { transposed } from '../checkpoint/stored.ts';
import type { Architecture } from './architecture.ts';
import type { TransformerSizes } from './metadata.ts';

interface Gpt2Config extends TransformerSizes {
  readonly eps: number;
}

export const gpt2: Architecture<Gpt2Config> = {
  checkpoint: {
    types: { gpt2: 'gpt2' },
    functions: GELU_TANH,
    names: {
      wte: 'token_embd',
      wpe: 'position_embd',
      ln_f: 'output_norm',
      ln_1: 'attn_norm',
      ln_2: 'ffn_norm',
      'attn.c_attn': 'attn_qkv',
      'attn.c_proj': 'attn_output',
      'mlp.c_fc': 'ffn_up',
      'mlp.c_proj': 'ffn_down',
    },
    convert: {
      'attn_qkv.weight': transposed,
      'attn_output.weight': transposed,
      'ffn_up.weight': transposed,
      'ffn_down.weight': transposed,
    },
    metadata: (c) => ({ feed_forward_length: c.number('n_inner') ?? 4 * c.required('n_embd') }),
  },

  read: (m) => ({ ...m.transformer(), eps: m.positive('attention.layer_norm_epsilon') }),

  build(g, c) {
    const { embeddingLength: C, feedForwardLength: F, nHeads: heads, headDim, eps } = c;
    const positions = g.embed('position_embd', c.contextLength, C, 'position');
    let x = g.add(g.embed('token_embd', c.vocabularySize, C), positions); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const h = g.layerNorm(x, b('attn_norm'), eps);
      const [q, k, v] = g.linears(h, b('attn_qkv'), [C, C, C]);
      let attended = g.attention({ q: q!, k: k!, v: v! }, { heads, kvHeads: heads, headDim });
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C]
      x = g.add(x, g.linear(attended, b('attn_output'), C));
      const f = g.map('gelu', g.linear(g.layerNorm(x, b('ffn_norm'), eps), b('ffn_up'), F)); // [T, F]
      x = g.add(x, g.linear(f, b('ffn_down'), C));
    }
    return g.head(g.layerNorm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
