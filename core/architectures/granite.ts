/**
 * Granite 3 and 4 (IBM): llama with factors for the embedding, what each part adds, attention's scores and the logits; as
 * a hybrid with blocks of Mamba-2, and with a mixture of experts.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { Config } from '../checkpoint/config.ts';
import type { Values } from '../checkpoint/family.ts';
import { MAMBA_LAYOUT, ROTATED_PAIRS } from '../checkpoint/layouts.ts';
import { halves, split } from '../checkpoint/stored.ts';
import { headsOf, layersOfType } from '../checkpoint/usual-metadata.ts';
import { MAMBA_NAMES } from '../checkpoint/usual-names.ts';
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
  checkpoint: {
    types: { granite: 'granite', granitemoe: 'granitemoe', granitemoehybrid: 'granitehybrid' },
    names: {
      ...MAMBA_NAMES('mamba'),
      'shared_mlp.input_linear': 'shared.input',
      'shared_mlp.output_linear': 'shared.output',
      'block_sparse_moe.router.layer': 'ffn_gate_inp',
      'block_sparse_moe.input_linear': 'experts.input',
      'block_sparse_moe.output_linear': 'ffn_down_exps',
    },
    convert: {
      ...ROTATED_PAIRS,
      ...MAMBA_LAYOUT,
      'shared.input.weight': (x, c) => {
        const [gate, up] = split(x, x.shape[0]! / 2, x.shape[0]! / 2);
        const end = hasExperts(c) ? '_shexp.weight' : '.weight';
        return { [`ffn_gate${end}`]: gate!, [`ffn_up${end}`]: up! };
      },
      'shared.output.weight': (x, c) => ({ [`ffn_down${hasExperts(c) ? '_shexp' : ''}.weight`]: x }),
      'experts.input.weight': (x) => {
        const [gate, up] = halves(x);
        return { 'ffn_gate_exps.weight': gate, 'ffn_up_exps.weight': up };
      },
    },
    metadata: checkpointMetadata,
  },

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

// ----- checkpoints

function hasExperts(c: Config): boolean {
  return (c.number('num_local_experts') ?? 0) > 0;
}

function checkpointMetadata(c: Config): Values {
  const isHybrid = c.text('model_type') === 'granitemoehybrid';
  const attends = layersOfType(c, 'attention', 'full_attention');
  const { kvHeads } = headsOf(c);
  const rotates = !isHybrid || c.text('position_embedding_type') === 'rope';
  const shared = c.number('shared_intermediate_size');
  return {
    embedding_scale: c.number('embedding_multiplier'),
    residual_scale: c.number('residual_multiplier'),
    'attention.scale': c.number('attention_multiplier'),
    logit_scale: c.number('logits_scaling'),
    'rope.scaling.finetuned': isHybrid ? rotates : undefined,
    ...(isHybrid && {
      'attention.head_count_kv': Int32Array.from(attends, (attend) => (attend ? kvHeads : 0)),
      ...recurrentMetadata(c),
    }),
    ...(shared &&
      (hasExperts(c) ? { expert_shared_feed_forward_length: shared } : { feed_forward_length: shared })),
  };
}

function recurrentMetadata(c: Config): Values {
  return {
    'ssm.conv_kernel': c.required('mamba_d_conv'),
    'ssm.state_size': c.required('mamba_d_state'),
    'ssm.group_count': c.required('mamba_n_groups'),
    'ssm.inner_size': c.required('mamba_n_heads') * c.required('mamba_d_head'),
    'ssm.time_step_rank': c.required('mamba_n_heads'),
  };
}
