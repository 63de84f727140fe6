/**
 * Layout of integer weights in memory: interleaved groups of 16 rows, which a thread reads once, from front to back.
 *
 * A group is a run of superblocks of 32 or 256 k. A superblock is a head of scales, then for each block of 32 k the
 * codes in planes. A plane is 1, 2, 4 or 8 bits wide. Step s of a block is k 4s..4s+3; a vector holds 4 rows x 4 k.
 *
 *   nibbles [4 j][16 rows][4 k]   steps j (low) and j + 4 (high)           256 bytes
 *   crumbs  [2 j][16 rows][4 k]   steps j, j + 2, j + 4, j + 6, 2 bits     128
 *   bits    [16 rows][4 k]        bit s is step s                           64
 *   bytes   [8 s][16 rows][4 k]   value + 128                              512
 *
 * Heads, for 16 rows:
 *   pairs   [8 words] f16 d of row r | d of row r + 8 << 16                 32
 *   both    [16 words] f16 d | minimum << 16                               64
 *   subs    [scales / 4][16 rows][4 scales], a byte for each 16 or 32 k
 */
import {
  BLOCK, GROUP, W_BF16, W_F32, W_IQ4_NL, W_IQ4_XS, W_MXFP4, W_Q2_K, W_Q3_K, W_Q4_0, W_Q4_1, W_Q4_K, W_Q5_0, W_Q5_1,
  W_Q5_K, W_Q6_K, W_Q8_0, W_TQ1_0, W_TQ2_0,
} from './layout';

/** Number of k in a superblock. */
// @ts-ignore: decorator
@inline
export function superblock(type: i32): i32 {
  return type <= W_MXFP4 ? BLOCK : 256;
}

/** Bytes before the codes of a superblock. */
export function headBytes(type: i32): usize {
  if (type == W_Q4_0 || type == W_Q5_0 || type == W_Q8_0 || type == W_IQ4_NL) return 32;
  if (type == W_Q4_1 || type == W_Q5_1) return 64;
  if (type == W_MXFP4) return 16; // exponents
  if (type == W_TQ1_0 || type == W_TQ2_0) return 32;
  if (type == W_Q4_K || type == W_Q5_K) return 64 + 8 * GROUP + 8 * GROUP; // both, subs: scales and minima of 32
  if (type == W_Q2_K) return 64 + 16 * GROUP; // both, subs: scale | minimum << 4 of 16
  if (type == W_IQ4_XS) return 32 + 8 * GROUP; // pairs, subs: signed scales of 32
  return 32 + 16 * GROUP; // Q3_K, Q6_K: pairs, subs: signed scales of 16
}

/** Bytes of the codes of a block of 32 k. */
export function codeBytes(type: i32): usize {
  if (type == W_Q8_0) return 512;
  if (type == W_Q6_K) return 256 + 128;
  if (type == W_Q5_0 || type == W_Q5_1 || type == W_Q5_K) return 256 + 64;
  if (type == W_Q3_K) return 128 + 64;
  if (type == W_Q2_K || type == W_TQ1_0 || type == W_TQ2_0) return 128;
  return 256;
}

/** Bytes of a group of 16 rows of `cols` weights; f32 is [k][16 rows], half types [k / 2][16 rows][2 k]. */
export function groupBytes(type: i32, cols: i32): usize {
  if (type == W_F32) return <usize>(cols * GROUP) << 2;
  if (type <= W_BF16) return <usize>((cols + 1) / 2 * GROUP) << 2;
  const k = superblock(type);
  return <usize>(cols / k) * (headBytes(type) + <usize>(k / BLOCK) * codeBytes(type));
}
