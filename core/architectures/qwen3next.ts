/**
 * Qwen 3 Next (Qwen Team): three blocks of a gated delta net to each of attention, whose result is gated, and a mixture of
 * experts with one that all tokens use.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { Config } from '../checkpoint/config.ts';
import type { Checkpoint, StoredTensors, Values } from '../checkpoint/family.ts';
import { addingOne } from '../checkpoint/layouts.ts';
import { decays, headsSplit, joined, type Stored } from '../checkpoint/stored.ts';
import { layersOfType } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, type Mixed, normalizedHeads, readDecoder, rotated } from './decoder.ts';
import { type ExpertsConfig, mixedFeedForward, readExperts } from './experts.ts';
import type { Block, Graph } from './graph.ts';
import type { Metadata } from './metadata.ts';
import { type DeltaInputs, gatedDeltaNet, type RecurrentConfig, readRecurrent } from './recurrent.ts';

/** A decoder of which some blocks are recurrent. */
export interface DeltaHybridConfig extends DecoderConfig {
  readonly recurrent: RecurrentConfig;
  readonly recurs: readonly boolean[]; // by block
}

interface Qwen3NextConfig extends DeltaHybridConfig {
  readonly experts: ExpertsConfig;
}

/** Names that checkpoints with gated delta nets share. */
export const DELTA_NAMES: Checkpoint['names'] = {
  post_attention_layernorm: 'post_attention_norm',
  'linear_attn.A_log': 'ssm_a',
  'linear_attn.conv1d': 'ssm_conv1d',
  'linear_attn.dt_bias': 'ssm_dt.bias',
  'linear_attn.norm': 'ssm_norm',
  'linear_attn.out_proj': 'ssm_out',
};

/** All norms but that of the recurrence are stored as what they differ from 1 by. */
export const DELTA_LAYOUT: NonNullable<Checkpoint['convert']> = {
  ...addingOne('attn_norm', 'post_attention_norm', 'attn_q_norm', 'attn_k_norm', 'output_norm'),
  ssm_a: decays,
};

export const qwen3next: Architecture<Qwen3NextConfig> = {
  checkpoint: {
    types: { qwen3_next: 'qwen3next' },
    names: {
      ...DELTA_NAMES,
      'linear_attn.in_proj_qkvz': 'qkvz',
      'linear_attn.in_proj_ba': 'ssm_ba',
    },
    convert: { ...DELTA_LAYOUT, 'qkvz.weight': groupsApart },
    metadata: deltaMetadata,
  },

  read: (m) => ({ ...readDeltaHybrid(m), experts: readExperts(m, { by: 'softmax', normalized: true }) }),

  build(g, c) {
    const mix = (x: ValueId, b: Block) =>
      gatedDeltaNet(g, deltaInputs(g, x, b, c.recurrent), b, c.rmsEps, { ...c.recurrent, cyclic: false });
    return deltaHybrid(g, c, mix, (x, b) => mixedFeedForward(g, x, b, c));
  },
};

/** Without a list in the file, the last of `full_attention_interval` blocks attends. */
export function readDeltaHybrid(m: Metadata): DeltaHybridConfig {
  const every = m.size('full_attention_interval', 4);
  return {
    ...readDecoder(m, 'half'),
    recurrent: readRecurrent(m),
    recurs: m.flags('attention.recurrent_layers', (layer) => (layer + 1) % every !== 0),
  };
}

export function deltaHybrid(
  g: Graph,
  c: DeltaHybridConfig,
  recur: (x: ValueId, b: Block) => Mixed,
  feedForward: (x: ValueId, b: Block) => ValueId,
): ValueId {
  g.ignoreBlocks(c.nLayers);
  return decoder(g, c, (heads) => heads, {
    mixer: (x, b) => (c.recurs[b.index] ? recur(x, b) : gatedAttention(g, x, b, c)),
    feedForwardNorm: 'post_attention_norm',
    feedForward,
  });
}

/** Attention whose result is multiplied with the sigmoid of a gate; a head's rows of the gate lie after its queries. */
function gatedAttention(g: Graph, x: ValueId, b: Block, c: DecoderConfig): Mixed {
  const { nHeads: heads, nKvHeads: kvHeads, headDim: D } = c;
  const [q, gate] = g.headParts(x, b('attn_q'), heads, [D, D]);
  const k = g.linear(x, b('attn_k'), kvHeads * D);
  const v = g.linear(x, b('attn_v'), kvHeads * D);
  const prepared = rotated(g, normalizedHeads(g, { q, k, v }, b, c), c);
  const attended = g.attention(prepared, { heads, kvHeads, headDim: D }); // [T, H * D]
  return { y: g.mul(attended, g.map('sigmoid', gate)), output: b('attn_output') };
}

/** Rows of ssm_ba, and in older files of ssm_in, lie group after group. */
function deltaInputs(g: Graph, x: ValueId, b: Block, c: RecurrentConfig): DeltaInputs {
  const { groups: G, heads: H, innerLength: I, stateLength: N } = c;
  const [beta, alpha] = g.headParts(x, b('ssm_ba'), G, [H / G, H / G], { 1: b('ssm_dt.bias') });
  if (g.has(b('ssm_in.weight'))) {
    const [q, k, v, z] = g.headParts(x, b('ssm_in'), G, [N, N, I / G, I / G]);
    return { q, k, v, z, alpha, beta };
  }
  const [q, k, v] = g.linears(x, b('attn_qkv'), [G * N, G * N, I]);
  return { q: q!, k: k!, v: v!, z: g.linear(x, b('attn_gate'), I), alpha, beta };
}

// ----- checkpoints

export function deltaMetadata(c: Config): Values {
  const recurs = layersOfType(c, 'linear_attention');
  const valueHeads = c.required('linear_num_value_heads');
  return {
    'ssm.conv_kernel': c.required('linear_conv_kernel_dim'),
    'ssm.state_size': c.required('linear_key_head_dim'),
    'ssm.group_count': c.required('linear_num_key_heads'),
    'ssm.time_step_rank': valueHeads,
    'ssm.inner_size': valueHeads * c.required('linear_value_head_dim'),
    'attention.recurrent_layers': recurs.length > 0 ? recurs : undefined,
    full_attention_interval: c.number('full_attention_interval') ?? 4,
  };
}

/** Queries, keys, values and gates of each group, as those of all groups. */
function groupsApart(x: Stored, c: Config): StoredTensors {
  const groups = c.required('linear_num_key_heads');
  const keys = c.required('linear_key_head_dim');
  const values = (c.required('linear_num_value_heads') * c.required('linear_value_head_dim')) / groups;
  const [q, k, v, z] = headsSplit(x, groups, keys, keys, values, values);
  return { 'attn_qkv.weight': joined(q!, k!, v!), 'attn_gate.weight': z! };
}
