/** Apertus (Swiss AI Initiative): heads normalized one by one, and a feed-forward without a gate over xIELU. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, normalizedHeads, projections, readDecoder, rotated } from './decoder.ts';

interface ApertusConfig extends DecoderConfig {
  /** Of each layer: the factors of x^2 and of e^x - 1 - x (kernels/reference/map.ts). */
  readonly xielu: readonly (readonly [positive: number, negative: number])[];
}

const softplus = (x: number) => Math.log1p(Math.exp(x));

export const apertus: Architecture<ApertusConfig> = {
  checkpoint: {
    types: { apertus: 'apertus' },
    functions: ['xielu'],
    names: {
      attention_layernorm: 'attn_norm',
      feedforward_layernorm: 'ffn_norm',
    },
    numbers: {
      'mlp.act_fn.alpha_p': 'xielu.alpha_p',
      'mlp.act_fn.alpha_n': 'xielu.alpha_n',
      'mlp.act_fn.beta': 'xielu.beta',
      'mlp.act_fn.eps': 'xielu.eps',
    },
  },

  read(m) {
    const config = readDecoder(m, 'half');
    const { nLayers } = config;
    const [positive, negative, beta] = ['alpha_p', 'alpha_n', 'beta'].map((name) =>
      m.numbers(`xielu.${name}`, nLayers),
    );
    const xielu = Array.from(
      positive!,
      (p, i) => [softplus(p), beta![i]! + softplus(negative![i]!)] as const,
    );
    return { ...config, xielu };
  },

  build(g, c) {
    const { embeddingLength: C, feedForwardLength: F, nHeads: heads, nKvHeads: kvHeads } = c;
    const { headDim, rmsEps: eps } = c;
    let x = g.embed('token_embd', c.vocabularySize, C); // [T, C]
    for (const b of g.blocks(c.nLayers)) {
      const projected = projections(g, g.norm(x, b('attn_norm'), eps), b, c);
      const prepared = rotated(g, normalizedHeads(g, projected, b, c), c);
      let attended = g.attention(prepared, { heads, kvHeads, headDim });
      if (b.last) [x, attended] = [g.select(x), g.select(attended)]; // [S, C], [S, H * D]
      x = g.add(x, g.linear(attended, b('attn_output'), C));
      const up = g.linear(g.norm(x, b('ffn_norm'), eps), b('ffn_up'), F); // [T, F]
      x = g.add(x, g.linear(g.map('xielu', up, c.xielu[b.index]), b('ffn_down'), C));
    }
    return g.head(g.norm(x, 'output_norm', eps), c.vocabularySize); // [S, V]
  },
};
