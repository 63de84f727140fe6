/**
 * Ministral 3 (Mistral AI): llama with YaRN, whose queries grow with the position, as in Llama 4, so that attention over a
 * long context stays sharp.
 */
import type { RopeSpec } from '../../backends/backend.ts';
import { ROTATED_PAIRS } from '../checkpoint/layouts.ts';
import { ropeOf } from '../checkpoint/usual-metadata.ts';
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, readDecoder } from './decoder.ts';

interface Mistral3Config extends DecoderConfig {
  readonly queryRope: RopeSpec;
}

export const mistral3: Architecture<Mistral3Config> = {
  checkpoint: {
    types: { ministral3: 'mistral3' },
    convert: ROTATED_PAIRS,
    metadata: (c) => ({
      'attention.temperature_scale':
        ropeOf(c)?.number('llama_4_scaling_beta') ?? c.number('llama_4_scaling_beta'),
    }),
  },

  read(m) {
    const config = readDecoder(m, 'interleaved');
    const by = m.optional('attention.temperature_scale') || 0;
    if (by === 0) return { ...config, queryRope: config.rope };
    const every = m.size('rope.scaling.original_context_length');
    return { ...config, queryRope: { ...config.rope, growth: { every, by } } };
  },

  build(g, c) {
    const rotated = (x: number, heads: number, rope: RopeSpec) => g.rope(x, heads, rope);
    return decoder(g, c, ({ q, k, v }) => ({
      q: rotated(q, c.nHeads, c.queryRope),
      k: rotated(k, c.nKvHeads, c.rope),
      v,
    }));
  },
};
