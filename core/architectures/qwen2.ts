/** Qwen 2 and 2.5 (Yang et al., Qwen2): llama with biases on q, k and v, and rotation in halves. */
import type { Architecture } from './architecture.ts';
import { type LlamaConfig, llama } from './llama.ts';

export const qwen2: Architecture<LlamaConfig> = {
  read(m) {
    const sizes = m.transformer();
    return {
      ...sizes,
      rope: m.rope('half', sizes.headDim),
      rmsEps: m.positive('attention.layer_norm_rms_epsilon'),
    };
  },

  build: llama.build,
};
