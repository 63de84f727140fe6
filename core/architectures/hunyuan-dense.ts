/** Hunyuan dense (Tencent): as Qwen 3, but heads are normalized after their rotation. */
import type { Architecture } from './architecture.ts';
import { type DecoderConfig, decoder, normalizedHeads, readDecoder, rotated } from './decoder.ts';

export const hunyuanDense: Architecture<DecoderConfig> = {
  read: (m) => readDecoder(m, 'half'),
  build: (g, c) => decoder(g, c, (heads, b) => normalizedHeads(g, rotated(g, heads, c), b, c)),
};
