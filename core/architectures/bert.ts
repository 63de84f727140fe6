/**
 * BERT (Devlin et al., BERT), an encoder: every token attends to all of the text, and a layer norm follows each part. RoBERTa
 * and XLM-R (Conneau et al., XLM-R) are the same with other vocabularies. The result is a hidden state of each token.
 */
import type { ValueId } from '../../backends/backend.ts';
import type { Config } from '../checkpoint/config.ts';
import { rowsOf, type Stored } from '../checkpoint/stored.ts';
import type { Architecture } from './architecture.ts';
import type { Heads } from './decoder.ts';
import type { Block, Graph } from './graph.ts';
import type { TransformerSizes } from './metadata.ts';

export interface EncoderConfig extends TransformerSizes {
  readonly eps: number;
}

/** Positions begin behind that of padding. */
const OFFSET_TYPES = ['roberta', 'xlm-roberta', 'camembert'];

/** Parts of checkpoints beside the encoder: what predicts words and pairs. */
const LEFT_OUT_HEADS = [
  ...['pooler.dense', 'embeddings.position_ids', 'cls.seq_relationship', 'cls.predictions'],
  ...['cls.predictions.decoder', 'cls.predictions.transform.dense', 'cls.predictions.transform.LayerNorm'],
  ...['lm_head', 'lm_head.dense', 'lm_head.layer_norm', 'lm_head.decoder'],
];

export const bert: Architecture<EncoderConfig> = {
  checkpoint: {
    types: { bert: 'bert', ...Object.fromEntries(OFFSET_TYPES.map((type) => [type, 'bert'])) },
    functions: ['gelu'],
    names: {
      'embeddings.word_embeddings': 'token_embd',
      'embeddings.position_embeddings': 'position_embd',
      'embeddings.token_type_embeddings': 'token_types',
      'embeddings.LayerNorm': 'token_embd_norm',
      'attention.self.query': 'attn_q',
      'attention.self.key': 'attn_k',
      'attention.self.value': 'attn_v',
      'attention.output.dense': 'attn_output',
      'attention.output.LayerNorm': 'attn_output_norm',
      'intermediate.dense': 'ffn_up',
      'output.dense': 'ffn_down',
      'output.LayerNorm': 'layer_output_norm',
      ...Object.fromEntries(LEFT_OUT_HEADS.map((name) => [name, null])),
    },
    convert: { 'position_embd.weight': (x, c) => behindPadding(x, c) },
    metadata: (c) => ({
      'attention.causal': false,
      context_length: c.required('max_position_embeddings') - offsetOf(c),
    }),
  },

  read: (m) => ({ ...m.transformer(), eps: m.positive('attention.layer_norm_epsilon') }),

  build(g, c) {
    const { embeddingLength: C, feedForwardLength: F } = c;
    const positions = g.embedPlus('position_embd', c.contextLength, C, 'token_types', 'position');
    const x = g.add(g.embed('token_embd', c.vocabularySize, C), positions); // [T, C]
    const feedForward = (x: ValueId, b: Block) =>
      g.linear(g.map('gelu-erf', g.linear(x, b('ffn_up'), F)), b('ffn_down'), C);
    return encoder(g, x, c, { prepare: (heads) => heads, feedForward });
  },
};

/** Rows of the table of positions that no token has. */
function offsetOf(c: Config): number {
  return OFFSET_TYPES.includes(c.text('model_type') ?? '') ? (c.number('pad_token_id') ?? -1) + 1 : 0;
}

function behindPadding(x: Stored, c: Config): Stored {
  const offset = offsetOf(c);
  return offset === 0 ? x : rowsOf(x, offset, x.shape[0]! - offset);
}

/** Blocks with a norm after attention, and one after the feed-forward. [S, C] */
export function encoder(
  g: Graph,
  embedded: ValueId, // [T, C]
  c: EncoderConfig,
  parts: { prepare: (heads: Heads) => Heads; feedForward: (x: ValueId, b: Block) => ValueId },
): ValueId {
  const { embeddingLength: C, nHeads: heads, nKvHeads: kvHeads, headDim, eps } = c;
  let x = g.layerNorm(embedded, 'token_embd_norm', eps);
  for (const b of g.blocks(c.nLayers)) {
    const prepared = parts.prepare(joinedProjections(g, x, b, c));
    let attended = g.attention(prepared, { heads, kvHeads, headDim, causal: false }); // [T, H * D]
    if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
    x = g.layerNorm(g.add(x, g.linear(attended, b('attn_output'), C)), b('attn_output_norm'), eps);
    x = g.layerNorm(g.add(x, parts.feedForward(x, b)), b('layer_output_norm'), eps);
  }
  return x;
}

/** Queries, keys and values, out of one matrix or of three. */
export function joinedProjections(g: Graph, x: ValueId, b: Block, c: TransformerSizes): Heads {
  const { nHeads: H, nKvHeads: G, headDim: D } = c;
  if (g.has(`${b('attn_qkv')}.weight`)) {
    const [q, k, v] = g.linears(x, b('attn_qkv'), [H * D, G * D, G * D]);
    return { q: q!, k: k!, v: v! };
  }
  return {
    q: g.linear(x, b('attn_q'), H * D),
    k: g.linear(x, b('attn_k'), G * D),
    v: g.linear(x, b('attn_v'), G * D),
  };
}
