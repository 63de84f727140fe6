/**
 * gpt-oss (OpenAI, gpt-oss-120b & gpt-oss-20b Model Card): every other layer sees a window, heads have sinks, and every
 * feed-forward is a mixture of experts with a clamped gate.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { StoredTensors } from '../checkpoint/family.ts';
import { everyOther, type Stored, transposed } from '../checkpoint/stored.ts';
import { windowPattern } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, projections, readDecoder, rotated } from './decoder.ts';
import { type ExpertsConfig, picksOf, readExperts } from './experts.ts';
import type { Block, Graph } from './graph.ts';

interface GptOssConfig extends DecoderConfig {
  readonly experts: ExpertsConfig;
  readonly isLocal: readonly boolean[]; // by layer
}

export const gptOss: Architecture<GptOssConfig> = {
  checkpoint: {
    types: { gpt_oss: 'gpt-oss' },
    names: {
      post_attention_layernorm: 'post_attention_norm',
      'self_attn.sinks': 'attn_sinks.weight',
      'mlp.router': 'ffn_gate_inp',
      'mlp.experts.gate_up_proj': 'gate_up.stored',
      'mlp.experts.gate_up_proj_bias': 'gate_up.bias',
      'mlp.experts.down_proj': 'down.stored',
      'mlp.experts.down_proj_bias': 'ffn_down_exps.bias',
    },
    convert: {
      'gate_up.stored': (x) => sides(transposed(x), '.weight'),
      'gate_up.mxfp4': (x) => sides(x, '.weight'),
      'gate_up.bias': (x) => sides(x, '.bias'),
      'down.stored': (x) => ({ 'ffn_down_exps.weight': transposed(x) }),
      'down.mxfp4': (x) => ({ 'ffn_down_exps.weight': x }),
    },
    blocks: { 'mlp.experts.gate_up_proj': 'gate_up.mxfp4', 'mlp.experts.down_proj': 'down.mxfp4' },
    metadata: (c) => ({
      'attention.sliding_window_pattern': windowPattern(c),
      expert_feed_forward_length: c.required('intermediate_size'),
    }),
  },

  read: (m) => ({
    ...readDecoder(m, 'half'),
    rope: m.rope('half', m.size('attention.key_length'), { whole: false }),
    window: m.size('attention.sliding_window'),
    isLocal: m.flags('attention.sliding_window_pattern', (layer) => layer % 2 === 0),
    experts: readExperts(m, { by: 'softmax', normalized: true }),
  }),

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const window = c.isLocal[b.index] ? c.window : undefined;
      const prepared = rotated(g, projections(g, g.norm(x, b('attn_norm'), eps), b, c), c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim, window, sinks: b('attn_sinks') });
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.linear(attended, b('attn_output'), C));
      x = g.add(x, clampedExperts(g, g.norm(x, b('post_attention_norm'), eps), b, c));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};

/** [T, C] */
function clampedExperts(
  g: Graph,
  x: ValueId,
  b: Block,
  { embeddingLength: C, experts }: GptOssConfig,
): ValueId {
  const picks = picksOf(g, x, b, experts);
  const sizes = { count: experts.experts, rows: experts.expertLength };
  const gate = g.experts(x, picks, b('ffn_gate_exps'), sizes); // [T, k * F]
  const h = g.zip('clamped-swiglu', gate, g.experts(x, picks, b('ffn_up_exps'), sizes));
  const down = { count: experts.experts, rows: C, parts: experts.routing.count };
  return g.mix(g.experts(h, picks, b('ffn_down_exps'), down), picks);
}

/** Rows of gates and of ups in turn, as two tensors. */
function sides(x: Stored, end: '.weight' | '.bias'): StoredTensors {
  return {
    [`ffn_gate_exps${end}`]: everyOther(x, 0),
    [`ffn_up_exps${end}`]: everyOther(x, 1),
  };
}
