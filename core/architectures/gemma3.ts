/**
 * Gemma 3 (Gemma Team, Gemma 3), text: norms before and after attention and feed-forward, heads normalized one by one, and
 * layers that see a window, five to each that sees all. Layers with a window rotate with a base of their own.
 */

import type { RopeSpec, ValueId } from '../../backends/backend.ts';
import { GELU_TANH } from '../checkpoint/family.ts';
import { addingOne } from '../checkpoint/layouts.ts';
import { windowPattern } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import {
  type DecoderConfig,
  gatedFeedForward,
  normalizedHeads,
  projections,
  readDecoder,
  rotated,
} from './decoder.ts';
import type { Graph } from './graph.ts';

export interface Gemma3Config extends DecoderConfig {
  readonly window: number | undefined; // tokens; undefined: all layers see all
  readonly isLocal: readonly boolean[]; // by layer
  readonly windowRope: RopeSpec;
  readonly scale: number; // of attention's scores
  readonly causal?: false;
}

/** GGUF files do not say it (llama.cpp src/models/gemma3.cpp). */
const GLOBAL_EVERY = 6;
/** The largest model, of 62 layers, scales scores by the columns a head has in the embedding. */
const LAYERS_OF_27B = 62;

/** Norms that checkpoints store as what they differ from 1 by. */
const NORMS = [
  ...['attn_norm', 'attn_q_norm', 'attn_k_norm', 'post_attention_norm'],
  ...['ffn_norm', 'post_ffw_norm', 'output_norm'],
];

export const gemma3: Architecture<Gemma3Config> = {
  checkpoint: {
    types: {
      gemma3_text: (c) => (c.flag('use_bidirectional_attention') ? 'gemma-embedding' : 'gemma3'),
    },
    functions: GELU_TANH,
    names: {
      post_attention_layernorm: 'post_attention_norm',
      pre_feedforward_layernorm: 'ffn_norm',
      post_feedforward_layernorm: 'post_ffw_norm',
    },
    convert: addingOne(...NORMS),
    metadata: (c) => ({
      'rope.freq_base_swa':
        c.part('rope_parameters')?.part('sliding_attention')?.number('rope_theta') ??
        c.number('rope_local_base_freq'),
      'attention.scale': 1 / Math.sqrt(c.required('query_pre_attn_scalar')),
      'attention.sliding_window_pattern': windowPattern(c),
    }),
  },

  read(m) {
    const config = readDecoder(m, 'half');
    const { nLayers, embeddingLength, nHeads, headDim } = config;
    const windowBase = m.positive('rope.freq_base_swa', 10_000);
    return {
      ...config,
      window: m.optional('attention.sliding_window') || undefined,
      windowRope: m.plainRope('half', headDim, windowBase),
      scale: m.positive(
        'attention.scale',
        1 / Math.sqrt(nLayers === LAYERS_OF_27B ? embeddingLength / nHeads : headDim),
      ),
      isLocal: m.flags('attention.sliding_window_pattern', (layer) => (layer + 1) % GLOBAL_EVERY !== 0),
    };
  },

  build: (g, c) => g.head(gemma3States(g, c), c.vocabularySize), // [S, V]
};

/** Hidden states [S, C]. */
export function gemma3States(g: Graph, c: Gemma3Config): ValueId {
  const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps, scale, causal } = c;
  let x = g.scaled(g.embed('token_embd', c.vocabularySize, C), Math.sqrt(C)); // [T, C]
  for (const b of g.blocks(c.nLayers)) {
    const isLocal = c.window !== undefined && c.isLocal[b.index];
    const [rope, window] = isLocal ? [c.windowRope, c.window] : [c.rope, undefined];
    const projected = projections(g, g.norm(x, b('attn_norm'), eps), b, c);
    const prepared = rotated(g, normalizedHeads(g, projected, b, c), { ...c, rope });
    let attended = g.attention(prepared, { heads, kvHeads, headDim, scale, window, causal }); // [T, H * D]
    if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
    x = g.add(x, g.norm(g.linear(attended, b('attn_output'), C), b('post_attention_norm'), eps));
    const f = gatedFeedForward(g, g.norm(x, b('ffn_norm'), eps), b, c, 'gelu');
    x = g.add(x, g.norm(f, b('post_ffw_norm'), eps));
  }
  return g.norm(x, 'output_norm', eps);
}
