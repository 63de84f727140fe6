/**
 * LFM 2 (Liquid AI): blocks of a gated short convolution, and blocks of attention with heads normalized one by one; from
 * some block on a mixture of experts in place of the feed-forward.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { Config } from '../checkpoint/config.ts';
import type { Values } from '../checkpoint/family.ts';
import { headsOf, layersOfType } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import {
  type DecoderConfig,
  decoder,
  gatedFeedForward,
  type Mixed,
  normalizedHeads,
  rotated,
} from './decoder.ts';
import { type ExpertsConfig, mixedFeedForward, readExperts } from './experts.ts';
import type { Block, Graph } from './graph.ts';

interface Lfm2Config extends DecoderConfig {
  readonly taps: number; // weights a column of a convolution
  readonly convolves: readonly boolean[]; // by block
  readonly experts?: ExpertsConfig;
}

export const lfm2: Architecture<Lfm2Config> = {
  checkpoint: {
    types: { lfm2: 'lfm2', lfm2_moe: 'lfm2moe' },
    names: {
      embedding_norm: 'token_embd_norm',
      operator_norm: 'attn_norm',
      ffn_norm: 'ffn_norm',
      'self_attn.out_proj': 'attn_output',
      'self_attn.q_layernorm': 'attn_q_norm',
      'self_attn.k_layernorm': 'attn_k_norm',
      'conv.conv': 'shortconv.conv',
      'conv.in_proj': 'shortconv.in_proj',
      'conv.out_proj': 'shortconv.out_proj',
      'feed_forward.w1': 'ffn_gate',
      'feed_forward.w2': 'ffn_down',
      'feed_forward.w3': 'ffn_up',
      'feed_forward.gate': 'ffn_gate_inp',
      'feed_forward.expert_bias': 'exp_probs_b.bias',
      'feed_forward.experts.w1': 'ffn_gate_exps',
      'feed_forward.experts.w2': 'ffn_down_exps',
      'feed_forward.experts.w3': 'ffn_up_exps',
    },
    metadata: checkpointMetadata,
  },

  read(m) {
    const sizes = m.transformer('attention.head_count_kv');
    return {
      ...sizes,
      rope: m.rope('half', sizes.headDim),
      rmsEps: m.positive('attention.layer_norm_rms_epsilon'),
      window: m.optional('attention.sliding_window') || undefined,
      taps: m.size('shortconv.l_cache'),
      convolves: m.perLayer('attention.head_count_kv', sizes.nKvHeads).map((heads) => heads === 0),
      experts: m.optional('expert_count') ? readExperts(m, { by: 'sigmoid', normalized: true }) : undefined,
    };
  },

  build: (g, c) =>
    decoder(g, c, (heads, b) => rotated(g, normalizedHeads(g, heads, b, c), c), {
      mixer: (x, b) => (c.convolves[b.index] ? shortConvolution(g, x, b, c) : undefined),
      feedForward: (x, b) =>
        c.experts ? mixedFeedForward(g, x, b, { ...c, experts: c.experts }) : gatedFeedForward(g, x, b, c),
      outputNorm: g.has('output_norm.weight') ? 'output_norm' : 'token_embd_norm',
    }),
};

/** out_gate * conv(in_gate * x) */
function shortConvolution(g: Graph, x: ValueId, b: Block, { embeddingLength: C, taps }: Lfm2Config): Mixed {
  const [inGate, outGate, values] = g.linears(x, b('shortconv.in_proj'), [C, C, C]); // [T, C] each
  const convolved = g.conv(g.mul(inGate!, values!), b('shortconv.conv'), taps);
  return { y: g.mul(outGate!, convolved), output: b('shortconv.out_proj') };
}

// ----- checkpoints

function checkpointMetadata(c: Config): Values {
  const attends = layersOfType(c, 'full_attention');
  const { kvHeads } = headsOf(c);
  const isMixture = c.text('model_type') === 'lfm2_moe';
  return {
    'shortconv.l_cache': c.required('conv_L_cache'),
    'attention.head_count_kv': Int32Array.from(attends, (attend) => (attend ? kvHeads : 0)),
    feed_forward_length: isMixture ? c.required('intermediate_size') : denseLength(c),
    expert_gating_func: isMixture ? 2 : undefined,
  };
}

/** Some configs give the length before it is cut to that of a gated feed-forward. */
function denseLength(c: Config): number {
  const length = c.number('intermediate_size', 'block_ff_dim') ?? c.required('intermediate_size');
  if (c.flag('block_auto_adjust_ff_dim') !== true) return length;
  const cut = Math.trunc((2 * length) / 3) * (c.number('block_ffn_dim_multiplier') ?? 1);
  const unit = c.number('block_multiple_of') ?? 1;
  return unit * Math.ceil(Math.trunc(cut) / unit);
}
