/** GGUF metadata from config.json: what all families have in common. Keys are llama.cpp's. */

import { UserError } from '../../errors.ts';
import type { Config } from './config.ts';
import type { Values } from './family.ts';

/** Heads of a config, with the defaults that transformers has. */
export function headsOf(c: Config): { heads: number; kvHeads: number; headDim: number } {
  const heads = c.count('num_attention_heads', 'n_head');
  const kvHeads = c.number('num_key_value_heads') ?? heads;
  const headDim = c.has('head_dim') ? c.count('head_dim') : c.count('hidden_size', 'n_embd') / heads;
  return { heads, kvHeads, headDim };
}

export function layersOf(c: Config): number {
  return (
    c.number('num_hidden_layers', 'n_layer') ??
    c.list('layers_block_type')?.length ??
    c.required('num_hidden_layers')
  );
}

/** Sizes, norms, windows, experts and rotation of a model. */
export function usualMetadata(c: Config): Values {
  const { heads, kvHeads, headDim } = headsOf(c);
  const window = c.flag('use_sliding_window') === false ? undefined : c.number('sliding_window');
  return {
    block_count: layersOf(c),
    context_length: c.required('max_position_embeddings', 'n_positions', 'n_ctx'),
    embedding_length: c.required('hidden_size', 'n_embd'),
    feed_forward_length: c.number('intermediate_size', 'n_inner'),
    vocab_size: c.required('vocab_size'),
    'attention.head_count': heads,
    'attention.head_count_kv': kvHeads,
    'attention.key_length': headDim,
    'attention.value_length': headDim,
    'attention.layer_norm_rms_epsilon': c.number('rms_norm_eps', 'norm_eps'),
    'attention.layer_norm_epsilon': c.number('layer_norm_eps', 'layer_norm_epsilon', 'norm_epsilon'),
    'attention.sliding_window': window,
    ...expertMetadata(c),
    ...ropeMetadata(c, headDim),
  };
}

function expertMetadata(c: Config): Values {
  const count = c.number('num_experts', 'num_local_experts', 'n_routed_experts');
  if (!count) return {};
  return {
    expert_count: count,
    expert_used_count: c.required('num_experts_per_tok', 'top_k_experts'),
    expert_feed_forward_length: c.number('moe_intermediate_size', 'intermediate_size'),
    expert_shared_count: c.number('n_shared_experts') || undefined,
    expert_shared_feed_forward_length: c.number('shared_expert_intermediate_size') || undefined,
    expert_weights_norm: c.flag('norm_topk_prob'),
    expert_weights_scale: c.number('routed_scaling_factor'),
    expert_group_count: c.number('n_group'),
    expert_group_used_count: c.number('topk_group'),
    leading_dense_block_count: c.number('first_k_dense_replace', 'num_dense_layers'),
  };
}

const LONG_ROPE: readonly string[] = ['longrope', 'su'];
/** Of these, dynamic and mrope rotate texts within the trained context as default does, and families read proportional. */
const ROPE_TYPES = ['default', 'linear', 'yarn', 'llama3', ...LONG_ROPE, 'dynamic', 'mrope', 'proportional'];

/** The rotation of the layers that see all tokens. */
export function ropeOf(c: Config): Config | undefined {
  const parameters = c.part('rope_parameters');
  return parameters?.part('full_attention') ?? parameters;
}

/** rope_parameters, or in older checkpoints rope_theta and rope_scaling. */
export function ropeMetadata(c: Config, headDim: number): Values {
  const rope = ropeOf(c);
  const scaling = rope ?? c.part('rope_scaling');
  const share = rope?.number('partial_rotary_factor') ?? c.number('partial_rotary_factor', 'rotary_pct') ?? 1;
  const type = scaling?.text('rope_type') ?? scaling?.text('type') ?? 'default';
  if (!ROPE_TYPES.includes(type)) {
    throw new UserError(
      `Expected positions to be rotated in one of the ways ${ROPE_TYPES.join(', ')}, got "${type}" in config.json.`,
      'This way of extending the context is not supported yet: choose another model.',
    );
  }
  const scales = type === 'yarn' || type === 'linear';
  return {
    'rope.freq_base': rope?.number('rope_theta') ?? c.number('rope_theta', 'rotary_emb_base'),
    'rope.dimension_count': Math.trunc(share * headDim),
    'rope.scaling.type': scales ? type : undefined,
    'rope.scaling.factor': scales ? scaling?.required('factor') : undefined,
    ...(type === 'yarn' ? yarnMetadata(c, scaling!) : {}),
    ...(LONG_ROPE.includes(type) ? longRopeMetadata(c, scaling!) : {}),
  };
}

function yarnMetadata(c: Config, scaling: Config): Values {
  const factor = scaling.required('factor');
  const usual = 1 + 0.1 * Math.log(Math.max(1, factor));
  const magnitude = yarnMagnitude(scaling, factor);
  return {
    'rope.scaling.original_context_length':
      scaling.number('original_max_position_embeddings') ?? c.required('max_position_embeddings'),
    'rope.scaling.yarn_beta_fast': scaling.number('beta_fast'),
    'rope.scaling.yarn_beta_slow': scaling.number('beta_slow'),
    // The reader multiplies with the usual magnitude.
    'rope.scaling.yarn_attn_factor':
      Math.abs(magnitude - usual) < 1e-9 ? undefined : factor > 1 ? magnitude / usual : magnitude,
  };
}

/** The factor of rotated queries and keys (transformers modeling_rope_utils.py, _compute_yarn_parameters). */
export function yarnMagnitude(scaling: Config, factor: number): number {
  const given = scaling.number('attention_factor');
  if (given !== undefined) return given;
  const growth = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  const [by, byAll] = [scaling.number('mscale'), scaling.number('mscale_all_dim')];
  return by && byAll ? growth(by) / growth(byAll) : growth(1);
}

/** LongRoPE (Ding et al.): transformers modeling_rope_utils.py, _compute_longrope_parameters. */
function longRopeMetadata(c: Config, scaling: Config): Values {
  const original = originalContext(c, scaling);
  const factor = scaling.number('factor') ?? c.required('max_position_embeddings') / original;
  const growth = factor > 1 ? Math.sqrt(1 + Math.log(factor) / Math.log(original)) : 1;
  return {
    'rope.scaling.original_context_length': original,
    'rope.scaling.attn_factor': scaling.number('attention_factor') ?? growth,
  };
}

function originalContext(c: Config, scaling: Config): number {
  const key = 'original_max_position_embeddings';
  return scaling.number(key) ?? c.number(key) ?? c.required('max_position_embeddings');
}

/** The factors of LongRoPE by which each pair slows, by tensor: within the original context, and for a longer one. */
export function longRopeFactors(c: Config, headDim: number): ReadonlyMap<string, readonly number[]> {
  const scaling = ropeOf(c) ?? c.part('rope_scaling');
  const type = scaling?.text('rope_type') ?? scaling?.text('type') ?? '';
  if (!LONG_ROPE.includes(type)) return new Map();
  const share = scaling!.number('partial_rotary_factor') ?? c.number('partial_rotary_factor') ?? 1;
  const pairs = Math.trunc(share * headDim) / 2;
  const factors = (key: string) => {
    const list = scaling!.list(key)?.map(Number);
    if (list?.length === pairs && list.every((factor) => factor > 0)) return list;
    throw new UserError(
      `Expected ${pairs} positive numbers as ${key} in config.json, got ${list ? list.length : 'none'}.`,
      'Get config.json again.',
    );
  };
  return new Map([
    ['rope_factors_long.weight', factors('long_factor')],
    ['rope_factors_short.weight', factors('short_factor')],
  ]);
}

/** The factors by which Llama 3 slows each pair (transformers modeling_rope_utils.py, _compute_llama3_parameters). */
export function llama3Factors(c: Config, headDim: number): readonly number[] | undefined {
  const rope = ropeOf(c) ?? c.part('rope_scaling');
  if ((rope?.text('rope_type') ?? rope?.text('type')) !== 'llama3') return undefined;
  const base = rope!.number('rope_theta') ?? c.number('rope_theta') ?? 10_000;
  const factor = rope!.required('factor');
  const [low, high] = [rope!.number('low_freq_factor') ?? 1, rope!.number('high_freq_factor') ?? 4];
  const original = rope!.number('original_max_position_embeddings') ?? 8192;
  return Array.from({ length: headDim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * base ** ((2 * i) / headDim);
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const smooth = (original / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/** Whether each layer sees a window; undefined where the config does not say so. */
export function windowPattern(c: Config): readonly boolean[] | undefined {
  return c.list('layer_types')?.map((type) => type === 'sliding_attention');
}

/** For each layer, whether it is one of these types. */
export function layersOfType(c: Config, ...types: readonly string[]): readonly boolean[] {
  const list = c.list('layer_types') ?? c.list('layers_block_type') ?? [];
  return list.map((type) => types.includes(String(type)));
}
