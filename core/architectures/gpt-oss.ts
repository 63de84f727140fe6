/**
 * gpt-oss (OpenAI, gpt-oss-120b & gpt-oss-20b Model Card): every other layer sees a window, heads have sinks, and every
 * feed-forward is a mixture of experts with a clamped gate.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, projections, readDecoder, rotated } from './decoder.ts';
import { type ExpertsConfig, picksOf, readExperts } from './experts.ts';
import type { Block, Graph } from './graph.ts';

interface GptOssConfig extends DecoderConfig {
  readonly experts: ExpertsConfig;
}

export const gptOss: Architecture<GptOssConfig> = {
  read: (m) => ({
    ...readDecoder(m, 'half'),
    rope: m.rope('half', m.size('attention.key_length'), { whole: false }),
    window: m.size('attention.sliding_window'),
    experts: readExperts(m, { by: 'softmax', normalized: true }),
  }),

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const window = b.index % 2 === 0 ? c.window : undefined;
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
