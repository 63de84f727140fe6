/** ERNIE 4.5 (Baidu), dense: llama as its authors store it, with neighbours as pairs. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, readDecoder } from './decoder.ts';
import { llama } from './llama.ts';

export const ernie45: Architecture<DecoderConfig> = {
  checkpoint: { types: { ernie4_5: 'ernie4_5' } },

  read: (m) => readDecoder(m, 'interleaved'),
  build: llama.build,
};
