/**
 * Granite 3 and 4 (IBM): llama with factors for the embedding, what each part adds, attention's scores and the logits; as
 * a hybrid with blocks of Mamba-2, and with a mixture of experts.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, gatedFeedForward, type Mixed, projections, rotated } from './decoder.ts';
import { type ExpertsConfig, mixedFeedForward, readExperts } from './experts.ts';
import type { Block, Graph } from './graph.ts';
import { mamba2, type RecurrentConfig, readRecurrent } from './recurrent.ts';

interface GraniteConfig extends DecoderConfig {
  readonly embeddingScale: number;
  readonly residualScale: number;
  readonly attentionScale: number;
  readonly logitScale: number; // divides
  readonly rotates: boolean; // hybrids of some sizes know no positions
  readonly recurs: readonly boolean[]; // by block
  readonly recurrent?: RecurrentConfig;
  readonly experts?: ExpertsConfig;
}

export const granite: Architecture<GraniteConfig> = {
  read(m) {
    const sizes = m.transformer('attention.head_count_kv');
    const recurs = m.perLayer('attention.head_count_kv', sizes.nKvHeads).map((heads) => heads === 0);
    return {
      ...sizes,
      rope: m.rope('interleaved', sizes.headDim),
      rmsEps: m.positive('attention.layer_norm_rms_epsilon'),
      embeddingScale: m.positive('embedding_scale', 1),
      residualScale: m.positive('residual_scale', 1),
      attentionScale: m.positive('attention.scale', 1 / Math.sqrt(sizes.headDim)),
      logitScale: m.positive('logit_scale', 1),
      rotates: !m.has('rope.scaling.finetuned') || m.flag('rope.scaling.finetuned'),
      recurs,
      recurrent: recurs.includes(true) ? readRecurrent(m) : undefined,
      experts: m.optional('expert_count') ? readExperts(m, { by: 'softmax', normalized: true }) : undefined,
    };
  },

  build(g, c) {
    const { embeddingLength: C, rmsEps: eps, recurrent, experts } = c;
    let x = g.scaled(g.embed('token_embd', c.vocabularySize, C), c.embeddingScale); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const normed = g.norm(x, b('attn_norm'), eps);
      let { y, output } =
        recurrent && c.recurs[b.index] ? mamba2(g, normed, b, eps, recurrent) : attend(g, normed, b, c);
      if (b.last) [x, y] = [g.select(x), g.select(y)]; // [S, C], [S, H * D]
      x = g.add(x, g.scaled(g.linear(y, output, C), c.residualScale));
      const h = g.norm(x, b('ffn_norm'), eps);
      const f = experts ? mixedFeedForward(g, h, b, { ...c, experts }) : gatedFeedForward(g, h, b, c);
      x = g.add(x, g.scaled(f, c.residualScale));
    }
    const logits = g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
    return g.scaled(logits, 1 / c.logitScale);
  },
};

function attend(g: Graph, x: ValueId, b: Block, c: GraniteConfig): Mixed {
  const { nHeads: heads, nKvHeads: kvHeads, headDim, attentionScale: scale } = c;
  const projected = projections(g, x, b, c);
  const prepared = c.rotates ? rotated(g, projected, c) : projected;
  return { y: g.attention(prepared, { heads, kvHeads, headDim, scale }), output: b('attn_output') };
}
