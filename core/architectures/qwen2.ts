/** Qwen 2 and 2.5 (Yang et al., Qwen2): llama with biases on q, k and v, and rotation in halves. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, readDecoder } from './decoder.ts';
import { llama } from './llama.ts';

export const qwen2: Architecture<DecoderConfig> = {
  checkpoint: { types: { qwen2: 'qwen2' } },

  read: (m) => readDecoder(m, 'half'),
  build: llama.build,
};
