/**
 * The block that most decoders share since Llama: an RMS norm before attention and one before a gated feed-forward. T
 * tokens, S of them selected for output, C embedding, F feed-forward, H heads, G kv heads, D head size, V vocabulary.
 */
import type { RopeSpec, ValueId } from '../../backends/backend.ts';
import type { Block, Graph } from './graph.ts';
import type { Metadata, TransformerSizes } from './metadata.ts';

export interface DecoderConfig extends TransformerSizes {
  readonly rmsEps: number;
  readonly rope: RopeSpec;
  readonly window?: number; // positions that a token attends to; default all
}

/** Queries [T, H * D], keys and values [T, G * D] of one layer. */
export interface Heads {
  readonly q: ValueId;
  readonly k: ValueId;
  readonly v: ValueId;
}

export function readDecoder(m: Metadata, layout: RopeSpec['layout']): DecoderConfig {
  const sizes = m.transformer();
  return {
    ...sizes,
    rope: m.rope(layout, sizes.headDim),
    rmsEps: m.positive('attention.layer_norm_rms_epsilon'),
  };
}

/** What mixes the tokens of a block: its result before the output projection, and the tensor of that. */
export interface Mixed {
  readonly y: ValueId;
  readonly output: string;
}

/** What differs between the families. */
interface DecoderParts {
  readonly outputNorm?: string; // default output_norm
  readonly mixer?: (x: ValueId, b: Block) => Mixed | undefined; // in place of attention, where it gives something
  readonly feedForwardNorm?: string; // tensor of the norm before the feed-forward; default ffn_norm
  readonly feedForward?: (x: ValueId, b: Block) => ValueId; // default: gated by SiLU
}

/** @param prepare what happens to queries and keys before they meet */
export function decoder(
  g: Graph,
  c: DecoderConfig,
  prepare: (heads: Heads, b: Block) => Heads,
  parts: DecoderParts = {},
): ValueId {
  const { feedForward = (x, b) => gatedFeedForward(g, x, b, c) } = parts;
  const { feedForwardNorm = 'ffn_norm', outputNorm = 'output_norm' } = parts;
  const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, rmsEps: eps, window } = c;
  let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
  for (const b of g.blocks(c.nLayers)) {
    const normed = g.norm(x, b('attn_norm'), eps);
    const attend = () => {
      const prepared = prepare(projections(g, normed, b, c), b);
      return { y: g.attention(prepared, { heads, kvHeads, headDim, window }), output: b('attn_output') };
    };
    let { y, output } = parts.mixer?.(normed, b) ?? attend(); // [T, H * D]
    if (b.last) [x, y] = [g.select(x), g.select(y)]; // [S, C], [S, H * D]
    x = g.add(x, g.linear(y, output, C)); // [T, C]
    x = g.add(x, feedForward(g.norm(x, b(feedForwardNorm), eps), b));
  }
  return g.head(g.norm(x, outputNorm, eps), c.vocabularySize); // [S, V]
}

export function projections(g: Graph, x: ValueId, b: Block, c: TransformerSizes): Heads {
  const { nHeads: H, nKvHeads: G, headDim: D } = c;
  return {
    q: g.linear(x, b('attn_q'), H * D),
    k: g.linear(x, b('attn_k'), G * D),
    v: g.linear(x, b('attn_v'), G * D),
  };
}

/** Queries and keys rotated by their positions. */
export function rotated(
  g: Graph,
  { q, k, v }: Heads,
  c: Pick<DecoderConfig, 'nHeads' | 'nKvHeads' | 'rope'>,
): Heads {
  return { q: g.rope(q, c.nHeads, c.rope), k: g.rope(k, c.nKvHeads, c.rope), v };
}

/** Every head of queries and keys normalized by itself. */
export function normalizedHeads(g: Graph, { q, k, v }: Heads, b: Block, c: DecoderConfig): Heads {
  const { nHeads: H, nKvHeads: G, rmsEps: eps } = c;
  return { q: g.norm(q, b('attn_q_norm'), eps, H), k: g.norm(k, b('attn_k_norm'), eps, G), v };
}

/** Queries and keys normalized over all heads. */
export function normalizedRows(
  g: Graph,
  { q, k, v }: Heads,
  b: Block,
  { rmsEps: eps }: DecoderConfig,
): Heads {
  return { q: g.norm(q, b('attn_q_norm'), eps), k: g.norm(k, b('attn_k_norm'), eps), v };
}

/**
 * fn(x gate^T) * x up^T, back to C columns (Shazeer, GLU Variants Improve Transformer). [T, C]
 *
 * @param suffix of the names of the tensors
 */
export function gatedFeedForward(
  g: Graph,
  x: ValueId,
  b: Block,
  c: TransformerSizes,
  fn: 'silu' | 'gelu' = 'silu',
  suffix = '',
): ValueId {
  const { embeddingLength: C, feedForwardLength: F } = c;
  const gate = g.map(fn, g.linear(x, b(`ffn_gate${suffix}`), F)); // [T, F]
  const up = g.linear(x, b(`ffn_up${suffix}`), F); // [T, F]
  return g.linear(g.mul(gate, up), b(`ffn_down${suffix}`), C);
}
