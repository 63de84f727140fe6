/** SmolLM 3 (Hugging Face): llama in which every fourth layer does not rotate (Yang et al., RoPE to NoPE and back again). */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, readDecoder, rotated } from './decoder.ts';

/** GGUF files do not say it: the models have it so (llama.cpp src/models/smollm3.cpp, n_no_rope_layer_step). */
const UNROTATED_EVERY = 4;

export const smollm3: Architecture<DecoderConfig> = {
  read: (m) => readDecoder(m, 'interleaved'),
  build: (g, c) =>
    decoder(g, c, (heads, b) => ((b.index + 1) % UNROTATED_EVERY === 0 ? heads : rotated(g, heads, c))),
};
