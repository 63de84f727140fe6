/** Qwen 3.5 (Qwen Team), text: Qwen 3 Next with heads of values that take turns, dense or with a mixture of experts. */
import type { ValueId } from '../../backends/backend.ts';
import type { Architecture } from './architecture.ts';
import { gatedFeedForward } from './decoder.ts';
import { type ExpertsConfig, mixedFeedForward, readExperts } from './experts.ts';
import type { Block } from './graph.ts';
import { type DeltaHybridConfig, deltaHybrid, readDeltaHybrid } from './qwen3next.ts';
import { gatedDeltaNet } from './recurrent.ts';

interface Qwen35Config extends DeltaHybridConfig {
  readonly experts?: ExpertsConfig;
}

export const qwen35: Architecture<Qwen35Config> = {
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
