/**
 * Llama (Touvron et al., LLaMA; grouped-query attention as in Llama 2): SmolLM2, TinyLlama, Mistral 7B and many more, and
 * Mixtral (Jiang et al., Mixtral of Experts), whose feed-forward is a mixture of experts.
 */
import type { ValueId } from '../../backends/backend.ts';
import { ROTATED_PAIRS } from '../checkpoint/layouts.ts';
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, readDecoder, rotated } from './decoder.ts';
import { type ExpertsConfig, mixedFeedForward, readExperts } from './experts.ts';
import type { Block } from './graph.ts';

interface LlamaConfig extends DecoderConfig {
  readonly experts?: ExpertsConfig;
}

export const llama: Architecture<LlamaConfig> = {
  checkpoint: {
    types: { llama: 'llama', mistral: 'llama', mixtral: 'llama' },
    names: {
      'block_sparse_moe.gate': 'ffn_gate_inp',
      'block_sparse_moe.experts.w1': 'ffn_gate_exps',
      'block_sparse_moe.experts.w2': 'ffn_down_exps',
      'block_sparse_moe.experts.w3': 'ffn_up_exps',
    },
    convert: ROTATED_PAIRS,
  },

  read(m) {
    // llama.cpp's converter reorders the rows of attn_q and attn_k so that neighbours are pairs.
    const config = {
      ...readDecoder(m, 'interleaved'),
      window: m.optional('attention.sliding_window') || undefined,
    };
    if (!m.optional('expert_count')) return config;
    return { ...config, experts: readExperts(m, { by: 'softmax', normalized: true }) };
  },

  build(g, c) {
    const { experts } = c;
    if (!experts) return decoder(g, c, (heads) => rotated(g, heads, c));
    const feedForward = (x: ValueId, b: Block) => mixedFeedForward(g, x, b, { ...c, experts });
    return decoder(g, c, (heads) => rotated(g, heads, c), { feedForward });
  },
};
