/**
 * LFM 2 (Liquid AI): blocks of a gated short convolution, and blocks of attention with heads normalized one by one; from
 * some block on a mixture of experts in place of the feed-forward.
 */
import type { ValueId } from '../../backends/backend.ts';
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
