/**
 * A feed-forward of which each token uses a few experts (Shazeer et al., Outrageously Large Neural Networks). E experts, k
 * of them for a token, F columns inside an expert.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { Routing } from '../../kernels/reference/route.ts';
import { type DecoderConfig, gatedFeedForward } from './decoder.ts';
import type { Block, Graph } from './graph.ts';
import { type Metadata, unsupported } from './metadata.ts';

export interface ExpertsConfig {
  readonly experts: number; // E
  readonly expertLength: number; // F of an expert
  readonly sharedLength: number; // F of the experts that every token uses, together; 0 without
  readonly denseLayers: number; // first layers with a plain feed-forward
  readonly routing: Routing;
}

/** How logits become scores: llama.cpp's numbers of expert_gating_func. */
const GATES: Readonly<Record<number, Routing['by']>> = { 1: 'softmax', 2: 'sigmoid' };

/** @param usual what the family does where its files do not say so */
export function readExperts(m: Metadata, usual: Pick<Routing, 'by' | 'normalized'>): ExpertsConfig {
  const gate = m.optional('expert_gating_func');
  const by = gate ? GATES[gate] : usual.by;
  if (!by) throw unsupported(`The expert_gating_func ${gate}`, '; supported: 1 (softmax), 2 (sigmoid)');
  const expertLength = m.size('expert_feed_forward_length', m.size('feed_forward_length'));
  const shared = m.optional('expert_shared_count') || 0;
  const groups = m.optional('expert_group_count') || 1;
  const used = m.optional('expert_group_used_count') || groups;
  return {
    experts: m.size('expert_count'),
    expertLength,
    sharedLength: m.optional('expert_shared_feed_forward_length') || shared * expertLength,
    denseLayers: m.optional('leading_dense_block_count') || 0,
    routing: {
      count: m.size('expert_used_count'),
      by,
      normalized: m.has('expert_weights_norm') ? m.flag('expert_weights_norm') : usual.normalized,
      scale: m.optional('expert_weights_scale') || 1,
      groups: groups > 1 && used < groups ? { count: groups, used } : undefined,
    },
  };
}

/** The sum of what a token's experts make of it. [T, C] */
export function expertFeedForward(g: Graph, x: ValueId, b: Block, C: number, c: ExpertsConfig): ValueId {
  const picks = picksOf(g, x, b, c);
  const up = { count: c.experts, rows: c.expertLength };
  const down = { count: c.experts, rows: C, parts: c.routing.count };
  const gate = g.map('silu', g.experts(x, picks, b('ffn_gate_exps'), up)); // [T, k * F]
  const h = g.mul(gate, g.experts(x, picks, b('ffn_up_exps'), up));
  return g.mix(g.experts(h, picks, b('ffn_down_exps'), down), picks);
}

/** The experts of each token, and their weights. [T, 2 k] */
export function picksOf(g: Graph, x: ValueId, b: Block, c: ExpertsConfig): ValueId {
  const logits = g.linear(x, b('ffn_gate_inp'), c.experts); // [T, E]
  return g.route(logits, c.routing, { bias: b('exp_probs_b.bias') });
}

/** A plain feed-forward in the first layers, experts in the others. [T, C] */
export function mixedFeedForward(
  g: Graph,
  x: ValueId,
  b: Block,
  c: DecoderConfig & { readonly experts: ExpertsConfig },
): ValueId {
  const { experts, embeddingLength: C } = c;
  if (b.index < experts.denseLayers) return gatedFeedForward(g, x, b, c);
  const routed = expertFeedForward(g, x, b, C, experts);
  if (experts.sharedLength === 0) return routed;
  const sizes = { ...c, feedForwardLength: experts.sharedLength };
  const shared = gatedFeedForward(g, x, b, sizes, 'silu', '_shexp');
  if (!g.has(b('ffn_gate_inp_shexp.weight'))) return g.add(routed, shared);
  // A router of this one expert: its weight is the sigmoid of its logit.
  const gate = g.linear(x, b('ffn_gate_inp_shexp'), 1);
  return g.add(
    routed,
    g.mix(shared, g.route(gate, { count: 1, by: 'sigmoid', normalized: false, scale: 1 })),
  );
}
