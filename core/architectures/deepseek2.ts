/**
 * DeepSeek V2 and V3 (DeepSeek-AI, DeepSeek-V3 Technical Report): attention over latent rows, which the cache keeps as they
 * are. Each token leaves one row of L compressed numbers and R rotated ones for all heads; queries are brought to the
 * latent space, and what they attend to comes back out of it, head by head. The feed-forward is a mixture of experts.
 */
import type { RopeSpec, ValueId } from '../../backends/backend.ts';
import type { Config } from '../checkpoint/config.ts';
import type { StoredTensors, Values } from '../checkpoint/family.ts';
import { reshaped, type Stored, split, stacked, transposed } from '../checkpoint/stored.ts';
import { ropeOf, yarnMagnitude } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import type { DecoderConfig } from './decoder.ts';
import { type ExpertsConfig, mixedFeedForward, readExperts } from './experts.ts';
import type { Block, Graph } from './graph.ts';
import type { Metadata } from './metadata.ts';

/** Of the norms of latent rows, whatever the others have (transformers modeling_deepseek_v3.py, DeepseekV3RMSNorm). */
const LATENT_EPS = 1e-6;

interface Deepseek2Config extends DecoderConfig {
  readonly queryRank: number | undefined; // columns of compressed queries; undefined: they are not
  readonly latentDim: number; // L
  readonly plainDim: number; // of a query head, unrotated
  readonly rotatedDim: number; // R
  readonly valueDim: number; // of a head
  readonly scale: number; // of scores
  readonly experts: ExpertsConfig;
}

export const deepseek2: Architecture<Deepseek2Config> = {
  checkpoint: {
    types: { deepseek_v3: 'deepseek2', deepseek_v2: 'deepseek2' },
    names: {
      'self_attn.q_a_proj': 'attn_q_a',
      'self_attn.q_a_layernorm': 'attn_q_a_norm',
      'self_attn.q_b_proj': 'attn_q_b',
      'self_attn.kv_a_proj_with_mqa': 'attn_kv_a_mqa',
      'self_attn.kv_a_layernorm': 'attn_kv_a_norm',
      'self_attn.kv_b_proj': 'attn_kv_b',
    },
    convert: { 'attn_kv_b.weight': latentMatrices },
    metadata: checkpointMetadata,
  },

  read(m) {
    const rotatedDim = m.size('rope.dimension_count');
    const headDim = m.size('attention.key_length_mla');
    const scaling = contextScaling(m);
    const rope = m.rope('interleaved', rotatedDim);
    return {
      nLayers: m.size('block_count'),
      embeddingLength: m.size('embedding_length'),
      feedForwardLength: m.size('feed_forward_length'),
      nHeads: m.size('attention.head_count'),
      nKvHeads: 1,
      headDim,
      ...m.lengths(),
      rmsEps: m.positive('attention.layer_norm_rms_epsilon'),
      rope: m.has('rope.scaling.yarn_attn_factor') ? rope : { ...rope, magnitude: 1 },
      queryRank: m.optional('attention.q_lora_rank'),
      latentDim: m.size('attention.kv_lora_rank'),
      plainDim: headDim - rotatedDim,
      rotatedDim,
      valueDim: m.size('attention.value_length_mla'),
      scale: scaling ** 2 / Math.sqrt(headDim),
      // V3 scores by sigmoid, and corrects the scores; files do not always say so.
      experts: readExperts(m, {
        by: m.hasTensor('exp_probs_b.bias') ? 'sigmoid' : 'softmax',
        normalized: false,
      }),
    };
  },

  build(g, c) {
    const { embeddingLength: C, rmsEps: eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      let attended = latentAttention(g, g.norm(x, b('attn_norm'), eps), b, c); // [T, H * L]
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, ..]
      const values = g.headwise(attended, b('attn_v_b'), c.nHeads, c.valueDim); // [T, H * valueDim]
      x = g.add(x, g.linear(values, b('attn_output'), C));
      x = g.add(x, mixedFeedForward(g, g.norm(x, b('ffn_norm'), eps), b, c));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};

/** YaRN's growth of scores. llama.cpp's converter writes a tenth of the multiplier that the paper's code has. */
function contextScaling(m: Metadata): number {
  const multiplier = (m.optional('rope.scaling.yarn_log_multiplier') ?? 0) / 0.1;
  return 1 + 0.1 * multiplier * Math.log(Math.max(1, m.optional('rope.scaling.factor') ?? 1));
}

function latentAttention(g: Graph, x: ValueId, b: Block, c: Deepseek2Config): ValueId {
  const { nHeads: heads, latentDim: L, rotatedDim: R, scale } = c;
  const parts = [c.plainDim, R] as const;
  const compressed =
    c.queryRank && g.norm(g.linear(x, b('attn_q_a'), c.queryRank), b('attn_q_a_norm'), LATENT_EPS);
  const [plain, turned] = compressed
    ? g.headParts(compressed, b('attn_q_b'), heads, parts)
    : g.headParts(x, b('attn_q'), heads, parts);
  const latentQuery = g.headwise(plain, b('attn_k_b'), heads, L); // [T, H * L]
  const q = g.concat(latentQuery, rotated(g, turned, heads, c.rope), heads); // [T, H * (L + R)]
  const [latent, key] = g.linears(x, b('attn_kv_a_mqa'), [L, R]);
  const v = g.norm(latent!, b('attn_kv_a_norm'), LATENT_EPS); // [T, L]
  const k = g.concat(v, rotated(g, key!, 1, c.rope), 1); // [T, L + R]
  return g.attention({ q, k, v }, { heads, kvHeads: 1, headDim: L + R, valueDim: L, scale });
}

function rotated(g: Graph, x: ValueId, heads: number, rope: RopeSpec): ValueId {
  return g.rope(x, heads, rope);
}

/** Each head's rows of one matrix, for keys and for values; keys are used transposed. */
function latentMatrices(x: Stored, c: Config): StoredTensors {
  const heads = c.count('num_attention_heads');
  const sizes = [c.count('qk_nope_head_dim'), c.count('v_head_dim')];
  const [, cols = 1] = x.shape;
  const runs = Array.from({ length: heads }, () => sizes).flat();
  const matrices = split(x, ...runs).map((part) => reshaped(part, part.shape[0]!, cols));
  const keys = matrices.filter((_, i) => i % 2 === 0).map(transposed);
  const values = matrices.filter((_, i) => i % 2 === 1);
  return { 'attn_k_b.weight': stacked(keys), 'attn_v_b.weight': stacked(values) };
}

/** Keys and values of one latent head; scores grow by mscale_all_dim, and rotated numbers by their share of mscale. */
function checkpointMetadata(c: Config): Values {
  const [plain, turned] = [c.required('qk_nope_head_dim'), c.required('qk_rope_head_dim')];
  const latent = c.required('kv_lora_rank');
  const yarn = ropeOf(c) ?? c.part('rope_scaling');
  const factor = yarn?.number('factor') ?? 1;
  const isScaled = factor > 1;
  return {
    'attention.head_count_kv': 1,
    'attention.key_length': latent + turned,
    'attention.value_length': latent,
    'attention.key_length_mla': plain + turned,
    'attention.value_length_mla': c.required('v_head_dim'),
    'attention.q_lora_rank': c.number('q_lora_rank'),
    'attention.kv_lora_rank': latent,
    'rope.dimension_count': turned,
    'rope.scaling.yarn_log_multiplier': isScaled ? 0.1 * (yarn!.number('mscale_all_dim') ?? 0) : undefined,
    'rope.scaling.yarn_attn_factor': isScaled
      ? yarnMagnitude(yarn!, factor) / (1 + 0.1 * Math.log(factor))
      : undefined,
  };
}
