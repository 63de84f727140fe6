/**
 * Nemotron H (NVIDIA): each block is either Mamba-2, or attention without positions, or a feed-forward with squared ReLUs,
 * plain or as a mixture of experts with one that all tokens use.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { Config } from '../checkpoint/config.ts';
import type { Values } from '../checkpoint/family.ts';
import { MAMBA_LAYOUT } from '../checkpoint/layouts.ts';
import { reshaped } from '../checkpoint/stored.ts';
import { headsOf } from '../checkpoint/usual-metadata.ts';
import { MAMBA_NAMES } from '../checkpoint/usual-names.ts';
import type { Architecture } from './architecture.ts';
import { type Mixed, projections } from './decoder.ts';
import { type ExpertsConfig, picksOf, readExperts } from './experts.ts';
import type { Block, Graph } from './graph.ts';
import type { TransformerSizes } from './metadata.ts';
import { mamba2, type RecurrentConfig, readRecurrent } from './recurrent.ts';

interface NemotronHConfig extends TransformerSizes {
  readonly rmsEps: number;
  readonly scale: number; // of attention's scores
  readonly kinds: readonly ('recurrent' | 'attention' | 'feed-forward')[]; // by block
  readonly feedForwardLengths: readonly number[]; // by block
  readonly recurrent: RecurrentConfig;
  readonly experts?: ExpertsConfig;
  readonly latentLength?: number; // columns that experts read; default all
}

export const nemotronH: Architecture<NemotronHConfig> = {
  checkpoint: {
    types: { nemotron_h: 'nemotron_h' },
    functions: ['relu2'],
    untied: true,
    names: {
      embeddings: 'token_embd',
      norm_f: 'output_norm',
      norm: 'attn_norm',
      ...MAMBA_NAMES('mixer'),
      'mixer.q_proj': 'attn_q',
      'mixer.k_proj': 'attn_k',
      'mixer.v_proj': 'attn_v',
      'mixer.o_proj': 'attn_output',
      'mixer.up_proj': 'ffn_up',
      'mixer.down_proj': 'ffn_down',
      'mixer.gate': 'ffn_gate_inp',
      'mixer.gate.e_score_correction_bias': 'exp_probs_b.bias',
      'mixer.experts.up_proj': 'ffn_up_exps',
      'mixer.experts.down_proj': 'ffn_down_exps',
      'mixer.shared_experts.up_proj': 'ffn_up_shexp',
      'mixer.shared_experts.down_proj': 'ffn_down_shexp',
      'mixer.fc1_latent_proj': 'ffn_latent_down',
      'mixer.fc2_latent_proj': 'ffn_latent_up',
    },
    convert: {
      ...MAMBA_LAYOUT,
      'ssm_norm.weight': (x, c) => {
        const groups = c.required('n_groups');
        return reshaped(x, groups, x.shape[0]! / groups);
      },
    },
    metadata: checkpointMetadata,
  },

  read(m) {
    const sizes = m.transformer('attention.head_count_kv', 'feed_forward_length');
    const kvHeads = m.perLayer('attention.head_count_kv', sizes.nKvHeads);
    const feedForwardLengths = m.perLayer('feed_forward_length');
    const kind = (i: number) => {
      if (feedForwardLengths[i]! > 0) return 'feed-forward';
      return kvHeads[i]! > 0 ? 'attention' : 'recurrent';
    };
    const eps = 'attention.layer_norm_rms_epsilon';
    return {
      ...sizes,
      rmsEps: m.positive(m.has(eps) ? eps : 'attention.layer_norm_epsilon'),
      scale: m.positive('attention.scale', 1 / Math.sqrt(sizes.headDim)),
      kinds: Array.from({ length: sizes.nLayers }, (_, i) => kind(i)),
      feedForwardLengths,
      recurrent: readRecurrent(m),
      experts: m.optional('expert_count') ? readExperts(m, { by: 'sigmoid', normalized: true }) : undefined,
      latentLength: m.optional('moe_latent_size') || undefined,
    };
  },

  build(g, c) {
    const { embeddingLength: C, rmsEps: eps } = c;
    g.ignoreBlocks(c.nLayers);
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      let normed = g.norm(x, b('attn_norm'), eps);
      if (c.kinds[b.index] === 'feed-forward') {
        if (b.last) [x, normed] = [g.select(x), g.select(normed)]; // [S, C] each
        x = g.add(x, feedForward(g, normed, b, c));
        continue;
      }
      const attends = c.kinds[b.index] === 'attention';
      let { y, output } = attends ? attend(g, normed, b, c) : mamba2(g, normed, b, eps, c.recurrent);
      if (b.last) [x, y] = [g.select(x), g.select(y)]; // [S, C], [S, H * D]
      x = g.add(x, g.linear(y, output, C));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};

function attend(g: Graph, x: ValueId, b: Block, c: NemotronHConfig): Mixed {
  const { nHeads: heads, nKvHeads: kvHeads, headDim, scale } = c;
  const y = g.attention(projections(g, x, b, c), { heads, kvHeads, headDim, scale });
  return { y, output: b('attn_output') };
}

function feedForward(g: Graph, x: ValueId, b: Block, c: NemotronHConfig): ValueId {
  const { experts, embeddingLength: C } = c;
  const plain = (suffix: string, F: number) =>
    g.linear(g.map('relu-squared', g.linear(x, b(`ffn_up${suffix}`), F)), b(`ffn_down${suffix}`), C);
  if (!experts) return plain('', c.feedForwardLengths[b.index]!);
  const routed = expertsOf(g, x, b, c, experts);
  return experts.sharedLength > 0 ? g.add(routed, plain('_shexp', experts.sharedLength)) : routed;
}

function expertsOf(g: Graph, x: ValueId, b: Block, c: NemotronHConfig, experts: ExpertsConfig): ValueId {
  const { embeddingLength: C, latentLength } = c;
  const picks = picksOf(g, x, b, experts);
  const inside = latentLength ? g.linear(x, b('ffn_latent_down'), latentLength) : x;
  const { experts: count, expertLength, routing } = experts;
  const up = g.experts(inside, picks, b('ffn_up_exps'), { count, rows: expertLength });
  const h = g.map('relu-squared', up); // [T, k * F]
  const rows = latentLength ?? C;
  const down = g.mix(g.experts(h, picks, b('ffn_down_exps'), { count, rows, parts: routing.count }), picks);
  return latentLength ? g.linear(down, b('ffn_latent_up'), C) : down;
}

// ----- checkpoints

/** The kinds of blocks, spelt out or one letter each. */
function kindsOf(c: Config): readonly string[] {
  const list = c.list('layers_block_type') ?? c.list('layer_types');
  return (list ?? [...(c.text('hybrid_override_pattern') ?? '')]).map(String);
}

function checkpointMetadata(c: Config): Values {
  const kinds = kindsOf(c);
  const attends = (kind: string) => ['full_attention', 'attention', '*'].includes(kind);
  const recurs = (kind: string) => ['linear_attention', 'mamba', 'M'].includes(kind);
  const mixes = kinds.some((kind) => kind === 'moe' || kind === 'E');
  const { kvHeads } = headsOf(c);
  const length = mixes ? c.required('moe_intermediate_size') : c.required('intermediate_size');
  return {
    'attention.head_count_kv': Int32Array.from(kinds, (kind) => (attends(kind) ? kvHeads : 0)),
    feed_forward_length: Int32Array.from(kinds, (kind) => (attends(kind) || recurs(kind) ? 0 : length)),
    'attention.layer_norm_rms_epsilon': c.number('layer_norm_epsilon', 'norm_eps'),
    'ssm.conv_kernel': c.required('conv_kernel'),
    'ssm.state_size': c.required('ssm_state_size'),
    'ssm.group_count': c.required('n_groups'),
    'ssm.inner_size': c.required('mamba_num_heads') * c.required('mamba_head_dim'),
    'ssm.time_step_rank': c.required('mamba_num_heads'),
    expert_count: mixes ? c.required('n_routed_experts') : undefined,
    expert_shared_feed_forward_length: mixes ? c.number('moe_shared_expert_intermediate_size') : undefined,
    moe_latent_size: mixes ? c.number('moe_latent_size') : undefined,
  };
}
