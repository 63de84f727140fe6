/**
 * Layers that keep a state of fixed size in place of keys and values: the state space of Mamba-2 and the gated delta rule.
 * H heads of P columns, G groups of heads with the same queries and keys of N columns, K weights a column of a
 * convolution.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { Mixed } from './decoder.ts';
import type { Block, Graph } from './graph.ts';
import { type Metadata, unsupported } from './metadata.ts';

export interface RecurrentConfig {
  readonly taps: number; // K
  readonly innerLength: number; // H * P
  readonly stateLength: number; // N
  readonly heads: number; // H
  readonly groups: number; // G
}

export function readRecurrent(m: Metadata): RecurrentConfig {
  const heads = m.size('ssm.time_step_rank');
  const groups = m.size('ssm.group_count', 1);
  const innerLength = m.size('ssm.inner_size');
  if (heads % groups !== 0 || innerLength % heads !== 0 || innerLength % groups !== 0) {
    throw unsupported(`A state space of ${heads} heads in ${groups} groups and ${innerLength} columns`);
  }
  const taps = m.size('ssm.conv_kernel');
  return { taps, innerLength, stateLength: m.size('ssm.state_size'), heads, groups };
}

/** Mamba-2 (Dao & Gu, Transformers are SSMs), gated before its norm. [T, H * P] */
export function mamba2(g: Graph, x: ValueId, b: Block, eps: number, c: RecurrentConfig): Mixed {
  const { innerLength: I, heads: H, groups: G, taps: K } = c;
  const keys = G * c.stateLength;
  const sizes = [I, I, keys, keys, H];
  const [z, ...parts] = g.linears(x, b('ssm_in'), sizes, { 4: b('ssm_dt.bias') });
  const convolved = (part: ValueId, first: number) =>
    g.map('silu', g.conv(part, b('ssm_conv1d'), K, { first, of: I + 2 * keys }));
  const v = convolved(parts[0]!, 0);
  const k = convolved(parts[1]!, I);
  const q = convolved(parts[2]!, I + keys);
  const dt = g.map('softplus', parts[3]!);
  const weights = { a: b('ssm_a'), skip: b('ssm_d') };
  const scanned = g.scan({ q, k, v, dt, beta: dt }, { rule: 'ssm', groups: G, ...weights });
  const gated = g.mul(g.map('silu', z!), scanned);
  const normed = g.has(b('ssm_norm.weight')) ? g.groupNorm(gated, b('ssm_norm'), eps, G) : gated;
  return { y: normed, output: b('ssm_out') };
}

/** Added to the squared length of queries and keys, whatever the norms add (transformers modeling_qwen3_next.py, l2norm). */
const LENGTH_EPS = 1e-6;

/** What a gated delta net reads: queries, keys, values and gates of its output, then decays and betas before their functions. */
export interface DeltaInputs {
  readonly q: ValueId; // [T, G * N]
  readonly k: ValueId; // [T, G * N]
  readonly v: ValueId; // [T, H * P]
  readonly z: ValueId; // [T, H * P]
  readonly alpha: ValueId; // [T, H]
  readonly beta: ValueId; // [T, H]
}

/**
 * Gated delta net (Yang et al., Gated Delta Networks): convolved queries, keys and values, and a norm before the gate.
 *
 * @param cyclic whether heads of values take turns with the heads of keys
 */
export function gatedDeltaNet(
  g: Graph,
  inputs: DeltaInputs,
  b: Block,
  eps: number,
  { cyclic, ...c }: RecurrentConfig & { readonly cyclic: boolean },
): Mixed {
  const { innerLength: I, heads: H, groups: G, stateLength: N, taps: K } = c;
  const of = 2 * G * N + I;
  const convolved = (x: ValueId, first: number) =>
    g.map('silu', g.conv(x, b('ssm_conv1d'), K, { first, of }));
  const values = {
    q: g.ofLength(convolved(inputs.q, 0), 1 / Math.sqrt(N), LENGTH_EPS, G),
    k: g.ofLength(convolved(inputs.k, G * N), 1, LENGTH_EPS, G),
    v: convolved(inputs.v, 2 * G * N),
    dt: g.map('softplus', inputs.alpha),
    beta: g.map('sigmoid', inputs.beta),
  };
  const scanned = g.scan(values, { rule: 'delta', groups: G, cyclic, a: b('ssm_a') });
  const normed = g.norm(scanned, b('ssm_norm'), eps, H);
  return { y: g.mul(normed, g.map('silu', inputs.z)), output: b('ssm_out') };
}
