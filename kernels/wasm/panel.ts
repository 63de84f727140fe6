/**
 * Unpacks a group of 16 rows once for many tokens: integer types to one byte a code and f32 scales, half floats
 * to f32. A panel lives in a thread's own scratch, in the first or second cache level.
 *
 * Integer panel: codes [block][8 steps][16 rows][4 k]; scales f32 [block][16 d][16 m]. For Q8_0 on a CPU whose
 * dot product saturates the codes are two planes of nibbles [block][8 steps][low 16, high 16 rows][4 k].
 * Float panel: f32 [k][16 rows].
 */
import { HALF_MASK, HALF_SCALE, LOW_NIBBLES, SATURATING, SIGN_BYTES, SIGNED, W_BF16, W_Q4_1, W_Q8_0 } from './layout';

/** Scales of one block: words of two f16 to 16 f32 d (and 16 f32 m). */
// @ts-ignore: decorator
@inline
function unpackScales(w: usize, scales: usize, MIN: bool): void {
  const mask = v128.load32_splat(HALF_MASK);
  const unbias = v128.load32_splat(HALF_SCALE);
  const bytes: usize = MIN ? 64 : 32;
  for (let i: usize = 0; i < bytes; i += 16) {
    const words = v128.load(w + i);
    const low = f32x4.mul(v128.and(i32x4.shr_s(i32x4.shl(words, 16), 3), mask), unbias);
    const high = f32x4.mul(v128.and(i32x4.shr_s(words, 3), mask), unbias);
    v128.store(scales + i, low);
    if (MIN) v128.store(scales + i, high, 64);
    else v128.store(scales + i, high, 32);
  }
}

function unpackQ4(w: usize, codes: usize, scales: usize, blocks: i32, MIN: bool): void {
  const low = v128.load32_splat(LOW_NIBBLES);
  for (let b = 0; b < blocks; b++) {
    unpackScales(w, scales, MIN);
    w += MIN ? 64 : 32;
    for (let i: usize = 0; i < 256; i += 16) {
      const q = v128.load(w + i);
      v128.store(codes + i, v128.and(q, low));
      v128.store(codes + i, v128.and(i16x8.shr_u(q, 4), low), 256);
    }
    w += 256;
    codes += 512;
    scales += 128;
  }
}

function unpackQ8(w: usize, codes: usize, scales: usize, blocks: i32, dotClass: i32): void {
  const low = v128.load32_splat(LOW_NIBBLES);
  const flip = dotClass == SIGNED ? v128.load32_splat(SIGN_BYTES) : i32x4.splat(0);
  for (let b = 0; b < blocks; b++) {
    unpackScales(w, scales, false);
    w += 32;
    if (dotClass == SATURATING) {
      for (let i: usize = 0; i < 512; i += 16) {
        const q = v128.load(w + i);
        const to = codes + ((i & ~63) << 1) + (i & 63);
        v128.store(to, v128.and(q, low));
        v128.store(to, v128.and(i16x8.shr_u(q, 4), low), 64);
      }
      codes += 1024;
    } else {
      for (let i: usize = 0; i < 512; i += 16) v128.store(codes + i, v128.xor(v128.load(w + i), flip));
      codes += 512;
    }
    w += 512;
    scales += 128;
  }
}

/** Integer group at `w` to a panel. */
export function unpackInt(type: i32, w: usize, codes: usize, scales: usize, blocks: i32, dotClass: i32): void {
  if (type == W_Q8_0) unpackQ8(w, codes, scales, blocks, dotClass);
  else if (type == W_Q4_1) unpackQ4(w, codes, scales, blocks, true);
  else unpackQ4(w, codes, scales, blocks, false);
}

/** Group of F16 or BF16 at `w` to f32 [cols][16]. */
export function unpackHalf(type: i32, w: usize, panel: usize, cols: i32): void {
  const end = panel + (<usize>cols << 6);
  if (type == W_BF16) {
    for (; panel < end; panel += 32, w += 16) {
      const h = v128.load(w);
      v128.store(panel, i32x4.shl(i32x4.extend_low_i16x8_u(h), 16));
      v128.store(panel, i32x4.shl(i32x4.extend_high_i16x8_u(h), 16), 16);
    }
    return;
  }
  const mask = v128.load32_splat(HALF_MASK);
  const unbias = v128.load32_splat(HALF_SCALE);
  for (; panel < end; panel += 32, w += 16) {
    const h = v128.load(w);
    v128.store(panel, f32x4.mul(v128.and(i32x4.shl(i32x4.extend_low_i16x8_s(h), 13), mask), unbias));
    v128.store(panel, f32x4.mul(v128.and(i32x4.shl(i32x4.extend_high_i16x8_s(h), 13), mask), unbias), 16);
  }
}
