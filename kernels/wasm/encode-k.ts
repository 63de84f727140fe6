/**
 * What the encoders of the K types share: their work space, and steps of the search for scales. It runs in 4 groups at
 * once, one in each lane: no sums across lanes, and every lane takes its own choices.
 */
import { WORK } from './encode-layout';

export const XS: usize = WORK; // f32 [32][4]: the weights of 4 groups
export const WS: usize = XS + 512; // f32 [32][4]: what their errors count
export const TRIED: usize = WS + 512; // f32 [32][4]: codes
export const SCALES: usize = TRIED + 512; // f32 [16]
export const MINIMA: usize = SCALES + 64; // f32 [8]
export const SUMS: usize = MINIMA + 32; // f32 [8] of WS, by group
export const SCALE_CODES: usize = SUMS + 32; // u8 [8] or i8 [16]
export const MINIMUM_CODES: usize = SCALE_CODES + 16; // u8 [8]
export const CODES: usize = MINIMUM_CODES + 16; // u8 [256]
export const SECOND: usize = CODES + 256; // u8 [256]: codes of the scale fitted to the first ones
export const COUNTS: usize = SECOND + 256; // f32 [256]: what each weight's error counts, in their order

/** Below this a group counts as zeros (ggml, GROUP_MAX_EPS). */
export const TINY: f32 = 1e-15;

/** Four numbers of each of 4 rows, `pitch` bytes apart, as 4 vectors with one of each row. */
// @ts-ignore: decorator
@inline
export function transpose(from: usize, pitch: usize, to: usize): void {
  const a = v128.load(from), b = v128.load(from + pitch), c = v128.load(from + 2 * pitch), d = v128.load(from + 3 * pitch);
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i32>(ab, cd, 0, 1, 4, 5));
  v128.store(to, v128.shuffle<i32>(ab, cd, 2, 3, 6, 7), 16);
  v128.store(to, v128.shuffle<i32>(AB, CD, 0, 1, 4, 5), 32);
  v128.store(to, v128.shuffle<i32>(AB, CD, 2, 3, 6, 7), 48);
}

// @ts-ignore: decorator
@inline
export function codeOf(value: v128, low: v128, high: v128): v128 {
  return f32x4.relaxed_min(f32x4.relaxed_max(f32x4.nearest(value), low), high);
}

/** An f16 as f32; what has all bits of the exponent set becomes a large number. */
// @ts-ignore: decorator
@inline
export function floatOf(half: u32): f32 {
  return reinterpret<f32>((<i32><i16>half << 13) & 0x8fffe000) * reinterpret<f32>(0x77800000);
}
