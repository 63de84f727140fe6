/** Falcon H1 (Technology Innovation Institute): attention and Mamba-2 side by side in every block. */
import type { Config } from '../checkpoint/config.ts';
import { MAMBA_LAYOUT } from '../checkpoint/layouts.ts';
import { numbers, reshaped, type Stored, scaled, withScales } from '../checkpoint/stored.ts';
import { MAMBA_NAMES } from '../checkpoint/usual-names.ts';
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, gatedFeedForward, projections, readDecoder, rotated } from './decoder.ts';
import { mamba2, type RecurrentConfig, readRecurrent } from './recurrent.ts';

interface FalconH1Config extends DecoderConfig {
  readonly recurrent: RecurrentConfig;
  readonly scale: number; // of attention's scores
}

export const falconH1: Architecture<FalconH1Config> = {
  checkpoint: {
    types: { falcon_h1: 'falcon-h1' },
    names: {
      ...MAMBA_NAMES('mamba'),
      final_layernorm: 'output_norm',
      pre_ff_layernorm: 'ffn_norm',
      'feed_forward.gate_proj': 'ffn_gate',
      'feed_forward.up_proj': 'ffn_up',
      'feed_forward.down_proj': 'ffn_down',
    },
    convert: {
      ...MAMBA_LAYOUT,
      'ffn_norm.weight': (x) => ({ ffn_norm: x }), // as llama.cpp's files have it
      'token_embd.weight': (x, c) => scaled(x, c.number('embedding_multiplier') ?? 1),
      'output.weight': (x, c) => scaled(x, c.number('lm_head_multiplier') ?? 1),
      'attn_q.weight': (x, c) => scaled(x, c.number('attention_in_multiplier') ?? 1),
      'attn_k.weight': (x, c) =>
        scaled(x, (c.number('attention_in_multiplier') ?? 1) * (c.number('key_multiplier') ?? 1)),
      'attn_v.weight': (x, c) => scaled(x, c.number('attention_in_multiplier') ?? 1),
      'attn_output.weight': (x, c) => scaled(x, c.number('attention_out_multiplier') ?? 1),
      'ffn_gate.weight': (x, c) => scaled(x, c.numbers('mlp_multipliers')?.[0] ?? 1),
      'ffn_down.weight': (x, c) => scaled(x, c.numbers('mlp_multipliers')?.[1] ?? 1),
      'ssm_in.weight': scaledRows,
      'ssm_out.weight': (x, c) => scaled(x, c.number('ssm_out_multiplier') ?? 1),
    },
    metadata: (c) => ({
      'ssm.conv_kernel': c.required('mamba_d_conv'),
      'ssm.state_size': c.required('mamba_d_state'),
      'ssm.group_count': c.required('mamba_n_groups'),
      'ssm.inner_size': innerLength(c),
      'ssm.time_step_rank': c.required('mamba_n_heads'),
    }),
  },

  read(m) {
    const config = readDecoder(m, 'half');
    const scale = m.positive('attention.scale', 1 / Math.sqrt(config.headDim));
    return { ...config, recurrent: readRecurrent(m), scale };
  },

  build(g, c) {
    const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps, scale } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const normed = g.norm(x, b('attn_norm'), eps);
      const prepared = rotated(g, projections(g, normed, b, c), c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim, scale }); // [T, H * D]
      let { y, output } = mamba2(g, normed, b, eps, c.recurrent);
      if (b.last) [x, attended, y] = [g.select(x), g.select(attended), g.select(y)]; // S rows each
      const mixed = g.add(g.linear(attended, b('attn_output'), C), g.linear(y, output, C));
      x = g.add(x, mixed);
      // llama.cpp's converter leaves the suffix off.
      const suffix = g.has(b('ffn_norm')) ? '' : '.weight';
      x = g.add(x, gatedFeedForward(g, g.normBy(x, b(`ffn_norm${suffix}`), eps), b, c));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};

function innerLength(c: Config): number {
  return c.has('mamba_d_ssm') ? c.count('mamba_d_ssm') : c.count('mamba_expand') * c.count('hidden_size');
}

/** Gates, values, keys, queries and steps, each with a multiplier of its own. */
function scaledRows(x: Stored, c: Config): Stored {
  const [inner, heads] = [innerLength(c), c.count('mamba_n_heads')];
  const keys = c.count('mamba_n_groups') * c.count('mamba_d_state');
  const [z = 1, v = 1, k = 1, q = 1, dt = 1] = c.numbers('ssm_multipliers') ?? [];
  const all = c.number('ssm_in_multiplier') ?? 1;
  if ([z, v, k, q, dt, all].every((factor) => factor === 1)) return x;
  const rows = [
    ...[z, v].flatMap((factor) => new Array<number>(inner).fill(all * factor)),
    ...[k, q].flatMap((factor) => new Array<number>(keys).fill(all * factor)),
    ...new Array<number>(heads).fill(all * dt),
  ];
  return withScales(x, reshaped(numbers(rows), rows.length, 1));
}
