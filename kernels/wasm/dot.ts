/**
 * Dot products of bytes. Only the result of this instruction depends on the CPU: x is s8, and each class of CPU reads
 * w as
 *
 *   UNSIGNED     0..255      AVX-VNNI               8-bit weights are stored + 128
 *   SIGNED       -128..127   ARM, AVX-VNNI-INT8     8-bit weights as they are
 *   SATURATING   0..255      AVX2                   8-bit weights as two planes of nibbles, because the sum of two
 *                                                   products saturates to -32768..32767
 *
 * Codes 0..127 are exact on every CPU. scripts/build.ts passes two constants to the compiler: DOT_CLASS, the class of
 * the module; and EMULATED, which is 1 in modules for tests. Those compute the result of that class in plain SIMD.
 * Branches on these constants are compiled away.
 */
import { SATURATING, SIGNED } from './layout';

/** Sum nibble products in 16 bits: where dot products saturate, 32-bit sums cost one more instruction. */
export const NARROW_NIBBLES: bool = DOT_CLASS == SATURATING;
/** An 8-bit weight is d * (code - 2^WIDE_SHIFT); at WIDE_SHIFT -1 it is d * code. */
export const WIDE_SHIFT: i32 = DOT_CLASS == SIGNED ? -1 : 7;

/** 4 lanes of i32: acc + the sum over 4 bytes of x * w. */
// @ts-ignore: decorator
@inline
export function dot(x: v128, w: v128, acc: v128): v128 {
  return EMULATED ? emulatedDot(x, w, acc) : v128.relaxed_dot_add<i32>(x, w, acc);
}

/** 8 lanes of i16: acc + the sum over 2 bytes of x * w, with w in 0..127; exact while sums stay below 32768. */
// @ts-ignore: decorator
@inline
export function dot16(x: v128, w: v128, acc: v128): v128 {
  return i16x8.add(acc, EMULATED ? saturatedPairs(x, w) : v128.relaxed_dot<i16>(x, w));
}

function emulatedDot(x: v128, w: v128, acc: v128): v128 {
  if (DOT_CLASS == SATURATING) return i32x4.add(acc, i32x4.extadd_pairwise_i16x8_s(saturatedPairs(x, w)));
  const low = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(x), lowBytes(w)); // sums over 2 bytes
  const high = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(x), highBytes(w));
  const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6), odd = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
  return i32x4.add(acc, i32x4.add(even, odd));
}

/** 8 lanes of i16: sums over 2 bytes, saturated to -32768..32767. */
function saturatedPairs(x: v128, w: v128): v128 {
  const low = i16x8.mul(i16x8.extend_low_i8x16_s(x), lowBytes(w));
  const high = i16x8.mul(i16x8.extend_high_i8x16_s(x), highBytes(w));
  const even = v128.shuffle<i16>(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
  return i16x8.add_sat_s(even, v128.shuffle<i16>(low, high, 1, 3, 5, 7, 9, 11, 13, 15));
}

/** Bytes 0 to 7 of w as i16. */
// @ts-ignore: decorator
@inline
function lowBytes(w: v128): v128 {
  return DOT_CLASS == SIGNED ? i16x8.extend_low_i8x16_s(w) : i16x8.extend_low_i8x16_u(w);
}

/** Bytes 8 to 15 of w as i16. */
// @ts-ignore: decorator
@inline
function highBytes(w: v128): v128 {
  return DOT_CLASS == SIGNED ? i16x8.extend_high_i8x16_s(w) : i16x8.extend_high_i8x16_u(w);
}
