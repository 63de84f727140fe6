/** SmolLM 3 (Hugging Face): llama in which every fourth layer does not rotate (Yang et al., RoPE to NoPE and back again). */
import { ROTATED_PAIRS } from '../checkpoint/layouts.ts';
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, readDecoder, rotated } from './decoder.ts';

/** llama.cpp's files do not say it: the models have it so (llama.cpp src/models/smollm3.cpp, n_no_rope_layer_step). */
const UNROTATED_EVERY = 4;

interface Smollm3Config extends DecoderConfig {
  readonly rotates: readonly boolean[]; // by layer
}

export const smollm3: Architecture<Smollm3Config> = {
  checkpoint: {
    types: { smollm3: 'smollm3' },
    convert: ROTATED_PAIRS,
    metadata: (c) => ({
      'rope.rotated_layers': c.numbers('no_rope_layers')?.map((rotates) => rotates === 1),
    }),
  },

  read: (m) => ({
    ...readDecoder(m, 'interleaved'),
    rotates: m.flags('rope.rotated_layers', (layer) => (layer + 1) % UNROTATED_EVERY !== 0),
  }),
  build: (g, c) => decoder(g, c, (heads, b) => (c.rotates[b.index] ? rotated(g, heads, c) : heads)),
};
