/** Qwen 3.5 (Qwen Team), text: Qwen 3 Next with heads of values that take turns, dense or with a mixture of experts. */
import type { ValueId } from '../../backends/backend.ts';
import type { Config } from '../checkpoint/config.ts';
import { columnsSwapped, decays, headsSwapped, joined, type Stored, split } from '../checkpoint/stored.ts';
import type { Architecture } from './architecture.ts';
import { gatedFeedForward } from './decoder.ts';
import { type ExpertsConfig, mixedFeedForward, readExperts } from './experts.ts';
import type { Block } from './graph.ts';
import {
  DELTA_LAYOUT,
  DELTA_NAMES,
  type DeltaHybridConfig,
  deltaHybrid,
  deltaMetadata,
  readDeltaHybrid,
} from './qwen3next.ts';
import { gatedDeltaNet } from './recurrent.ts';

interface Qwen35Config extends DeltaHybridConfig {
  readonly experts?: ExpertsConfig;
}

export const qwen35: Architecture<Qwen35Config> = {
  checkpoint: {
    types: { qwen3_5_text: 'qwen35', qwen3_5_moe_text: 'qwen35moe' },
    names: {
      ...DELTA_NAMES,
      'linear_attn.in_proj_qkv': 'attn_qkv',
      'linear_attn.in_proj_z': 'attn_gate',
      'linear_attn.in_proj_a': 'ssm_alpha',
      'linear_attn.in_proj_b': 'ssm_beta',
    },
    byColumns: ['ssm_out.weight'],
    convert: {
      ...DELTA_LAYOUT,
      ssm_a: (x, c) => inTurn(decays(x), c, 1),
      'ssm_dt.bias': (x, c) => inTurn(x, c, 1),
      'ssm_alpha.weight': (x, c) => inTurn(x, c, 1),
      'ssm_beta.weight': (x, c) => inTurn(x, c, 1),
      'attn_gate.weight': (x, c) => inTurn(x, c, c.required('linear_value_head_dim')),
      'attn_qkv.weight': valuesInTurn,
      'ssm_conv1d.weight': valuesInTurn,
      'ssm_out.weight': (x, c) => columnsSwapped(x, ...headGroups(c)),
    },
    metadata: deltaMetadata,
  },

  read: (m) => ({
    ...readDeltaHybrid(m),
    experts: m.optional('expert_count') ? readExperts(m, { by: 'softmax', normalized: true }) : undefined,
  }),

  build(g, c) {
    const { groups: G, heads: H, innerLength: I, stateLength: N } = c.recurrent;
    const recur = (x: ValueId, b: Block) => {
      const [q, k, v] = g.linears(x, b('attn_qkv'), [G * N, G * N, I]);
      const z = g.linear(x, b('attn_gate'), I);
      const alpha = g.linear(x, b('ssm_alpha'), H, b('ssm_dt.bias'));
      const beta = g.linear(x, b('ssm_beta'), H);
      const inputs = { q: q!, k: k!, v: v!, z, alpha, beta };
      return gatedDeltaNet(g, inputs, b, c.rmsEps, { ...c.recurrent, cyclic: true });
    };
    return deltaHybrid(g, c, recur, (x, b) =>
      c.experts ? mixedFeedForward(g, x, b, { ...c, experts: c.experts }) : gatedFeedForward(g, x, b, c),
    );
  },
};

// ----- checkpoints

/** Groups of heads with the same keys, and heads of a group. */
function headGroups(c: Config): [groups: number, heads: number] {
  const groups = c.required('linear_num_key_heads');
  return [groups, c.required('linear_num_value_heads') / groups];
}

/** Heads of values group after group, as heads that take turns with the groups. */
function inTurn(x: Stored, c: Config, rows: number): Stored {
  return headsSwapped(x, ...headGroups(c), rows);
}

/** The same of the rows after those of queries and keys. */
function valuesInTurn(x: Stored, c: Config): Stored {
  const keys = 2 * c.required('linear_num_key_heads') * c.required('linear_key_head_dim');
  const [before, values] = split(x, keys, x.shape[0]! - keys);
  return joined(before!, inTurn(values!, c, c.required('linear_value_head_dim')));
}
