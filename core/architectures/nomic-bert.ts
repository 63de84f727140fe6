/** Nomic Embed (Nussbaum et al., Nomic Embed): BERT with rotated positions and a gated feed-forward. */
import type { RopeSpec, ValueId } from '../../backends/backend.ts';
import type { Architecture } from './architecture.ts';
import { type EncoderConfig, encoder } from './bert.ts';
import { gatedFeedForward, rotated } from './decoder.ts';
import type { Block } from './graph.ts';
import { unsupported } from './metadata.ts';

interface NomicConfig extends EncoderConfig {
  readonly rope: RopeSpec;
}

/** Positions of the texts that it was trained with, where its config has only those it may be stretched to. */
const TRAINED_POSITIONS = 2048;

export const nomicBert: Architecture<NomicConfig> = {
  checkpoint: {
    types: { nomic_bert: 'nomic-bert' },
    functions: ['silu', 'swiglu'],
    names: {
      'embeddings.word_embeddings': 'token_embd',
      'embeddings.token_type_embeddings': 'token_types',
      emb_ln: 'token_embd_norm',
      'attn.Wqkv': 'attn_qkv',
      'attn.out_proj': 'attn_output',
      norm1: 'attn_output_norm',
      norm2: 'layer_output_norm',
      'mlp.fc11': 'ffn_up',
      'mlp.fc12': 'ffn_gate',
      'mlp.fc2': 'ffn_down',
    },
    metadata(c) {
      if (c.number('moe_every_n_layers')) throw unsupported('A nomic-bert with experts');
      const stretched = c.number('n_positions');
      return {
        'attention.causal': false,
        context_length:
          stretched === undefined
            ? c.required('max_position_embeddings')
            : Math.min(stretched, c.number('max_trained_positions') ?? TRAINED_POSITIONS),
      };
    },
  },

  read(m) {
    const sizes = m.transformer();
    return {
      ...sizes,
      eps: m.positive('attention.layer_norm_epsilon'),
      rope: m.rope('half', sizes.headDim),
    };
  },

  build(g, c) {
    const x = g.embedPlus('token_embd', c.vocabularySize, c.embeddingLength, 'token_types'); // [T, C]
    const feedForward = (x: ValueId, b: Block) => gatedFeedForward(g, x, b, c);
    return encoder(g, x, c, { prepare: (heads) => rotated(g, heads, c), feedForward });
  },
};
