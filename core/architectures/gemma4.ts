/**
 * Gemma 4 (Gemma Team): Gemma 3's norms, with heads of two sizes (layers that see a window have the smaller), values
 * normalized too, last layers that share keys and values with earlier ones, inputs of each layer by token, and experts beside
 * the feed-forward.
 */

import type { RopeSpec, ValueId } from '../../backends/backend.ts';
import type { Config } from '../checkpoint/config.ts';
import type { StoredTensors, Values } from '../checkpoint/family.ts';
import { GELU_TANH } from '../checkpoint/family.ts';
import { numbers, rowsOf } from '../checkpoint/stored.ts';
import { headsOf, windowPattern } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import { gatedFeedForward } from './decoder.ts';
import { type ExpertsConfig, readExperts } from './experts.ts';
import type { Block, Graph } from './graph.ts';
import type { Metadata, TransformerSizes } from './metadata.ts';

interface Layer {
  readonly isLocal: boolean;
  readonly headDim: number;
  readonly kvHeads: number;
  readonly feedForwardLength: number;
  readonly shares: number | undefined; // layer whose keys and values it reads
}

interface Gemma4Config extends TransformerSizes {
  readonly eps: number;
  readonly layers: readonly Layer[];
  readonly window: number;
  readonly rope: RopeSpec;
  readonly windowRope: RopeSpec;
  readonly inputLength: number; // columns of a layer's input by token; 0 without
  readonly experts: ExpertsConfig | undefined;
  readonly logitCap: number | undefined;
}

export const gemma4: Architecture<Gemma4Config> = {
  checkpoint: {
    types: { gemma4_text: 'gemma4' },
    functions: GELU_TANH,
    names: {
      post_attention_layernorm: 'post_attention_norm',
      pre_feedforward_layernorm: 'ffn_norm',
      post_feedforward_layernorm: 'post_ffw_norm',
      post_feedforward_layernorm_1: 'post_ffw_norm_1',
      post_feedforward_layernorm_2: 'post_ffw_norm_2',
      pre_feedforward_layernorm_2: 'pre_ffw_norm_2',
      'router.proj': 'ffn_gate_inp',
      'router.scale': 'ffn_gate_inp.scale',
      'router.per_expert_scale': 'ffn_down_exps.scale',
      'experts.gate_up_proj': 'ffn_gate_up_exps.weight',
      'experts.down_proj': 'ffn_down_exps.weight',
      layer_scalar: 'layer_output_scale.weight',
      per_layer_input_gate: 'inp_gate',
      per_layer_projection: 'proj',
      post_per_layer_input_norm: 'post_norm',
      embed_tokens_per_layer: 'per_layer_token_embd',
      per_layer_model_projection: 'per_layer_model_proj',
      per_layer_projection_norm: 'per_layer_proj_norm',
    },
    metadata: checkpointMetadata,
    // A vocabulary of its own may have more rows, which no token of the model reads.
    convert: {
      'per_layer_token_embd.weight': (x, c) => rowsOf(x, 0, Math.min(x.shape[0]!, c.required('vocab_size'))),
    },
    tensors: checkpointTensors,
  },

  read(m) {
    const sizes = m.transformer('feed_forward_length', 'attention.head_count_kv');
    const smallDim = m.size('attention.key_length_swa', sizes.headDim);
    return {
      ...sizes,
      eps: m.positive('attention.layer_norm_rms_epsilon'),
      layers: readLayers(m, sizes, smallDim),
      window: m.size('attention.sliding_window'),
      rope: m.rope('half', sizes.headDim),
      windowRope: m.plainRope(
        'half',
        smallDim,
        m.positive('rope.freq_base_swa', 10_000),
        'rope.dimension_count_swa',
      ),
      inputLength: m.optional('embedding_length_per_layer_input') || 0,
      experts: m.optional('expert_count') ? readExperts(m, { by: 'softmax', normalized: true }) : undefined,
      logitCap: m.optional('final_logit_softcapping') || undefined,
    };
  },

  build(g, c) {
    const { embeddingLength: C, eps } = c;
    let x = g.scaled(g.embed('token_embd', c.vocabularySize, C), Math.sqrt(C)); // [T, C]
    const embedded = x;
    const attentions: ValueId[] = []; // by layer
    for (const b of g.blocks(c.nLayers)) {
      const input = c.inputLength > 0 ? layerInput(g, embedded, b, c) : undefined; // [T, P]
      let attended = attention(g, g.norm(x, b('attn_norm'), eps), b, c, attentions); // [T, H * D]
      attentions.push(attended);
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, ..]
      x = g.add(x, g.norm(g.linear(attended, b('attn_output'), C), b('post_attention_norm'), eps));
      x = g.add(x, g.norm(feedForward(g, x, b, c), b('post_ffw_norm'), eps));
      if (input !== undefined) x = g.add(x, gatedInput(g, x, b.last ? g.select(input) : input, b, c));
      if (g.has(b('layer_output_scale.weight'))) x = g.scaledBy(x, b('layer_output_scale.weight'));
    }
    return g.capped(g.head(g.norm(x, 'output_norm', eps), c.vocabularySize), c.logitCap); // [S, V]
  },
};

function readLayers(m: Metadata, { nLayers, nHeads, headDim }: TransformerSizes, smallDim: number): Layer[] {
  const isLocal = m.flags('attention.sliding_window_pattern', () => false);
  const kvHeads = m.perLayer('attention.head_count_kv', nHeads);
  const lengths = m.perLayer('feed_forward_length');
  const own = nLayers - (m.optional('attention.shared_kv_layers') || 0); // layers with keys and values of their own
  return isLocal.map((local, i) => ({
    isLocal: local,
    headDim: local ? smallDim : headDim,
    kvHeads: kvHeads[i]!,
    feedForwardLength: lengths[i]!,
    shares: i < own ? undefined : isLocal.findLastIndex((other, j) => j < own && other === local),
  }));
}

/** Attention of a layer; `earlier` are those of the layers before. Scores are not scaled. */
function attention(g: Graph, x: ValueId, b: Block, c: Gemma4Config, earlier: readonly ValueId[]): ValueId {
  const { isLocal, headDim, kvHeads, shares } = c.layers[b.index]!;
  const { nHeads: heads, eps } = c;
  const [rope, window] = isLocal ? [c.windowRope, c.window] : [c.rope, undefined];
  const normalized = g.norm(g.linear(x, b('attn_q'), heads * headDim), b('attn_q_norm'), eps, heads);
  const q = g.rope(normalized, heads, rope);
  if (shares !== undefined) {
    g.ignore(...['attn_k', 'attn_v', 'attn_k_norm'].map((name) => b(`${name}.weight`)));
    return g.attentionOver(q, earlier[shares]!, { heads, scale: 1, window });
  }
  const key = g.linear(x, b('attn_k'), kvHeads * headDim);
  const value = g.has(b('attn_v.weight')) ? g.linear(x, b('attn_v'), kvHeads * headDim) : key;
  const k = g.rope(g.norm(key, b('attn_k_norm'), eps, kvHeads), kvHeads, rope);
  const v = g.norm(value, undefined, eps, kvHeads);
  return g.attention({ q, k, v }, { heads, kvHeads, headDim, scale: 1, window });
}

function feedForward(g: Graph, x: ValueId, b: Block, c: Gemma4Config): ValueId {
  const sizes = { ...c, feedForwardLength: c.layers[b.index]!.feedForwardLength };
  const dense = gatedFeedForward(g, g.norm(x, b('ffn_norm'), c.eps), b, sizes, 'gelu');
  if (!c.experts || !g.has(b('ffn_gate_inp.weight'))) return dense;
  const mixed = experts(g, x, b, c, c.experts);
  return g.add(g.norm(dense, b('post_ffw_norm_1'), c.eps), g.norm(mixed, b('post_ffw_norm_2'), c.eps));
}

/** Experts of a norm of x; the router sees another one. [T, C] */
function experts(g: Graph, x: ValueId, b: Block, c: Gemma4Config, e: ExpertsConfig): ValueId {
  const { embeddingLength: C, eps } = c;
  const routed = g.scaled(g.normBy(x, b('ffn_gate_inp.scale'), eps), 1 / Math.sqrt(C));
  const logits = g.linear(routed, b('ffn_gate_inp'), e.experts);
  const picks = g.route(logits, e.routing, { scales: b('ffn_down_exps.scale') });
  const h = g.norm(x, b('pre_ffw_norm_2'), eps);
  const sizes = { count: e.experts, rows: e.expertLength };
  const [gate, up] = g.has(b('ffn_gate_up_exps.weight'))
    ? g.expertPair(h, picks, b('ffn_gate_up_exps'), sizes)
    : [g.experts(h, picks, b('ffn_gate_exps'), sizes), g.experts(h, picks, b('ffn_up_exps'), sizes)];
  const down = { count: e.experts, rows: C, parts: e.routing.count };
  return g.mix(g.experts(g.mul(g.map('gelu', gate), up), picks, b('ffn_down_exps'), down), picks);
}

/** What each layer gets of a token beside the residual stream, from a table and from the embedding. [T, P] */
function layerInput(g: Graph, embedded: ValueId, b: Block, c: Gemma4Config): ValueId {
  const { inputLength: P, nLayers, embeddingLength: C } = c;
  const [first, all] = [b.index * P, nLayers * P];
  const looked = g.embedColumns('per_layer_token_embd', c.vocabularySize, { first, cols: P, of: all });
  const projected = g.linearRows(embedded, 'per_layer_model_proj', { first, rows: P, of: all });
  const normalized = g.norm(g.scaled(projected, 1 / Math.sqrt(C)), 'per_layer_proj_norm', c.eps);
  return g.scaled(g.add(normalized, g.scaled(looked, Math.sqrt(P))), Math.SQRT1_2);
}

/** [T, C] */
function gatedInput(g: Graph, x: ValueId, input: ValueId, b: Block, c: Gemma4Config): ValueId {
  const gate = g.map('gelu', g.linear(x, b('inp_gate'), c.inputLength)); // [T, P]
  return g.norm(g.linear(g.mul(gate, input), b('proj'), c.embeddingLength), b('post_norm'), c.eps);
}

// ----- checkpoints

/** Heads of the layers that see all tokens may be wider. */
function wideHead(c: Config): number {
  const isLocal = windowPattern(c) ?? [];
  const layer = String(isLocal.lastIndexOf(false));
  const own = c.part('per_layer_config')?.part(layer);
  if (own?.has('head_dim')) return own.count('head_dim');
  return c.has('global_head_dim') ? c.count('global_head_dim') : headsOf(c).headDim;
}

function checkpointMetadata(c: Config): Values {
  const { headDim, kvHeads } = headsOf(c);
  const isLocal = windowPattern(c) ?? [];
  const [shared, length] = [c.number('num_kv_shared_layers') ?? 0, c.required('intermediate_size')];
  const own = isLocal.length - shared;
  const wide = shared > 0 && c.flag('use_double_wide_mlp') ? 2 : 1;
  const globalKvHeads = c.number('num_global_key_value_heads') ?? kvHeads;
  const windowed = c.part('rope_parameters')?.part('sliding_attention');
  return {
    feed_forward_length:
      wide === 1 ? length : Int32Array.from(isLocal, (_, i) => (i < own ? length : wide * length)),
    'attention.head_count_kv':
      globalKvHeads === kvHeads
        ? kvHeads
        : Int32Array.from(isLocal, (local) => (local ? kvHeads : globalKvHeads)),
    'attention.key_length': wideHead(c),
    'attention.value_length': wideHead(c),
    'attention.key_length_swa': headDim,
    'attention.value_length_swa': headDim,
    'attention.sliding_window_pattern': isLocal,
    'attention.shared_kv_layers': shared,
    embedding_length_per_layer_input: c.number('hidden_size_per_layer_input') ?? 0,
    final_logit_softcapping: c.number('final_logit_softcapping'),
    'rope.freq_base_swa': windowed?.number('rope_theta'),
    'rope.dimension_count': wideHead(c),
    'rope.dimension_count_swa': headDim,
  };
}

/** A pair that does not rotate is slowed down without end. */
const STANDS_STILL = 1e30;

/** Only a share of the pairs of wide heads rotates, with the speeds that all would have. */
function checkpointTensors(c: Config): StoredTensors {
  const rope = c.part('rope_parameters')?.part('full_attention');
  if (rope?.text('rope_type') !== 'proportional') return {};
  const pairs = wideHead(c) / 2;
  const rotated = Math.trunc((rope.number('partial_rotary_factor') ?? 1) * pairs);
  return {
    'rope_freqs.weight': numbers(Array.from({ length: pairs }, (_, i) => (i < rotated ? 1 : STANDS_STILL))),
  };
}
