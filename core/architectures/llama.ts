/**
 * Llama (Touvron et al., LLaMA; grouped-query attention as in Llama 2): SmolLM2, TinyLlama, Mistral 7B and
 * many more. C embedding, F feed-forward, H heads, G kv heads, D head size, V vocabulary.
 */
import type { BufferId, Op, Program } from '../../backends/backend.ts';
import type { ModelConfig } from '../config.ts';
import type { TensorSpec, WeightIds } from '../weights.ts';

/** The forward pass over T tokens, S of them selected. `weights` are the ids of `llamaTensors`. */
export function buildLlama(
  config: ModelConfig,
  weights: WeightIds,
): Pick<Program, 'buffers' | 'ops' | 'logits'> {
  const { embeddingLength: C, feedForwardLength: F, nHeads: H, nKvHeads: G, headDim: D, rope } = config;
  const buffers: number[] = [];
  const buffer = (cols: number) => buffers.push(cols) - 1;
  const x = buffer(C); // the residual stream
  const h = buffer(C); // what a block reads, and in the end adds to x
  const [q, k, v, attended] = [buffer(H * D), buffer(G * D), buffer(G * D), buffer(H * D)];
  const [gate, up] = [buffer(F), buffer(F)];
  const [selected, logits] = [buffer(C), buffer(config.vocabularySize)];

  const weight = (name: string) => weights.get(name)!;
  const norm = (x: BufferId, name: string, out: BufferId): Op => {
    return { op: 'rms-norm', x, weight: weight(`${name}.weight`), eps: config.rmsEps, out };
  };
  const linear = (x: BufferId, name: string, out: BufferId): Op => {
    return { op: 'matmul', x, weight: weight(`${name}.weight`), bias: weights.get(`${name}.bias`), out };
  };

  const layer = (i: number): Op[] => [
    norm(x, `blk.${i}.attn_norm`, h), // [T, C]
    linear(h, `blk.${i}.attn_q`, q), // [T, H * D]
    linear(h, `blk.${i}.attn_k`, k), // [T, G * D]
    linear(h, `blk.${i}.attn_v`, v), // [T, G * D]
    { op: 'rope', x: q, heads: H, rope, out: q }, // [T, H * D]
    { op: 'rope', x: k, heads: G, rope, out: k }, // [T, G * D]
    { op: 'attention', q, k, v, layer: i, heads: H, scale: 1 / Math.sqrt(D), out: attended }, // [T, H * D]
    linear(attended, `blk.${i}.attn_output`, h), // [T, C]
    { op: 'add', a: x, b: h, out: x }, // [T, C]

    norm(x, `blk.${i}.ffn_norm`, h), // [T, C]
    linear(h, `blk.${i}.ffn_gate`, gate), // [T, F]
    linear(h, `blk.${i}.ffn_up`, up), // [T, F]
    { op: 'silu', x: gate, out: gate }, // [T, F]
    { op: 'mul', a: gate, b: up, out: gate }, // [T, F]
    linear(gate, `blk.${i}.ffn_down`, h), // [T, C]
    { op: 'add', a: x, b: h, out: x }, // [T, C]
  ];

  const ops: Op[] = [
    { op: 'embed', table: weight('token_embd.weight'), out: x }, // [T, C]
    ...Array.from({ length: config.nLayers }, (_, i) => layer(i)).flat(), // [T, C]
    { op: 'select', x, out: selected }, // [S, C]
    norm(selected, 'output_norm', selected), // [S, C]
    linear(selected, headOf(config), logits), // [S, V]
  ];
  return { buffers, ops, logits };
}

/** Every tensor, layer by layer: a wrong layer count ends at the first layer that is not there. */
export function* llamaTensors(config: ModelConfig): Generator<TensorSpec> {
  const { embeddingLength: C, feedForwardLength: F, nHeads: H, nKvHeads: G, headDim: D } = config;
  const V = config.vocabularySize;
  yield { name: 'token_embd.weight', rows: V, cols: C, op: 'embed' };
  for (let i = 0; i < config.nLayers; i++) {
    yield vector(`blk.${i}.attn_norm`, C);
    yield* matrix(`blk.${i}.attn_q`, H * D, C);
    yield* matrix(`blk.${i}.attn_k`, G * D, C);
    yield* matrix(`blk.${i}.attn_v`, G * D, C);
    yield* matrix(`blk.${i}.attn_output`, C, H * D);
    yield vector(`blk.${i}.ffn_norm`, C);
    yield* matrix(`blk.${i}.ffn_gate`, F, C);
    yield* matrix(`blk.${i}.ffn_up`, F, C);
    yield* matrix(`blk.${i}.ffn_down`, C, F);
  }
  yield vector('output_norm', C);
  yield { name: `${headOf(config)}.weight`, rows: V, cols: C, op: 'matmul' };
}

function vector(name: string, cols: number): TensorSpec {
  return { name: `${name}.weight`, rows: 1, cols, op: 'rms-norm' };
}

function* matrix(name: string, rows: number, cols: number): Generator<TensorSpec> {
  yield { name: `${name}.weight`, rows, cols, op: 'matmul' };
  yield { name: `${name}.bias`, rows: 1, cols: rows, op: 'add', optional: true };
}

/** A tied head is the embedding table again. */
function headOf({ tiedHead }: ModelConfig): string {
  return tiedHead ? 'token_embd' : 'output';
}
