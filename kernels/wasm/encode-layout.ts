/** Addresses and numbers that the encoder (encode.ts) and its host (backends/encoder.ts) share. Its memory is its own. */

/** Most weights of a call: what is read and written stays in the level-2 cache. */
export const TILE = 16384;

const FLOATS = TILE * 4; // bytes
export const WORK = 1024; // 16 KiB for the search of scales
export const SOURCE = 65536; // the weights as they are stored
export const NUMBERS = SOURCE + FLOATS; // f32 [TILE]
export const IMPORTANCE = NUMBERS + FLOATS; // f32 [TILE]
export const ENCODED = IMPORTANCE + FLOATS; // blocks
export const ENCODER_BYTES = ENCODED + FLOATS;

// Types, as they are read or written.
export const F32 = 0;
export const F16 = 1;
export const BF16 = 2;
export const Q8_0 = 3;
export const Q4_0 = 4;
export const Q4_1 = 5;
export const Q5_0 = 6;
export const Q5_1 = 7;
export const Q4_K = 8;
export const Q5_K = 9;
export const Q6_K = 10;
