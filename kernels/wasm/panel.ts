/**
 * Unpacks a group of 16 rows (weight-layout.ts) into the layout of the tile kernels, in the thread's own scratch.
 *
 * Integer panel: codes u8 [block][8 steps][16 rows][4 k], and scales f32 [16 d][16 m] for each 32 k, or for each 16 k
 * (isFine). A weight is d * code + m; types with a shift are d * (code - 2^SHIFT) and leave m unused.
 * Codes of 8-bit types depend on the class of CPU (dot.ts): value + 128 where dot products are unsigned, the value
 * where they are signed; where they saturate, each step is two planes of nibbles [low 16 rows, high 16 rows] of value
 * + 128. Float panel: f32 [k][16 rows].
 */
import {
  BLOCK, GROUP, LOW_NIBBLES, SATURATING, SIGN_BYTES, SIGNED, UPPER_HALF, W_BF16, W_IQ4_NL, W_IQ4_XS, W_MXFP4,
  W_Q2_K, W_Q3_K, W_Q4_1, W_Q4_K, W_Q5_1, W_Q5_K, W_Q6_K, W_Q8_0, W_TQ1_0,
} from './layout';
import { highF32, lowF32, store16 } from './simd';
import { signedSub, subByte, unsignedSub } from './sub-scales';
import { codeBytes, headBytes, superblock } from './weight-layout';

/** Whether each 16 k have a scale, instead of each 32. */
// @ts-ignore: decorator
@inline
export function isFine(type: i32): bool {
  return type == W_Q6_K || type == W_Q3_K || type == W_Q2_K;
}

/** Whether codes are 8 bits wide in the panel. */
// @ts-ignore: decorator
@inline
export function isWide(type: i32): bool {
  return type == W_Q8_0 || type == W_IQ4_NL || type == W_IQ4_XS || type == W_MXFP4;
}

/** Bytes of the codes of a panel. */
export function panelCodeBytes(type: i32, cols: i32): usize {
  return <usize>(cols * GROUP) << (isWide(type) && DOT_CLASS == SATURATING ? 1 : 0);
}

/** Unpacks the integer group at `w` into a panel. */
export function unpackInt(type: i32, w: usize, codes: usize, scales: usize, cols: i32): void {
  const k = superblock(type);
  const step = <usize>(BLOCK * GROUP) << (isWide(type) && DOT_CLASS == SATURATING ? 1 : 0);
  for (let done = 0; done < cols; done += k) {
    unpackHead(type, w, scales);
    scales += <usize>(k / BLOCK) << (isFine(type) ? 8 : 7);
    w += headBytes(type);
    for (let i = 0; i < k; i += BLOCK, w += codeBytes(type), codes += step) {
      unpackCodes(type, w, codes);
      if (isWide(type)) fitClass(codes);
    }
  }
}

// --- codes ----------------------------------------------------------------------------------------------------------

function unpackCodes(type: i32, w: usize, codes: usize): void {
  const size = codeBytes(type);
  if (size == 512) memory.copy(codes, w, 512);
  else if (size >= 256) {
    unpackNibbles(w, codes);
    if (size == 256 + 64) addBits(w + 256, codes, 4);
    else if (size == 256 + 128) addCrumbs(w + 256, codes, 4);
    if (isWide(type)) lookUp(type, codes);
  } else {
    memory.fill(codes, 0, 512);
    addCrumbs(w, codes, 0);
    if (size == 128 + 64) addBits(w + 128, codes, 2);
  }
}

function unpackNibbles(w: usize, codes: usize): void {
  const low = v128.load32_splat(LOW_NIBBLES);
  for (let i: usize = 0; i < 256; i += 16) {
    const q = v128.load(w + i);
    v128.store(codes + i, v128.and(q, low));
    v128.store(codes + i, v128.and(i16x8.shr_u(q, 4), low), 256);
  }
}

function addBits(plane: usize, codes: usize, shift: i32): void {
  const one = i8x16.splat(1);
  for (let s = 0; s < 8; s++) {
    for (let i: usize = 0; i < 64; i += 16, codes += 16) {
      const bits = v128.and(i16x8.shr_u(v128.load(plane + i), s), one);
      v128.store(codes, v128.or(v128.load(codes), i16x8.shl(bits, shift)));
    }
  }
}

function addCrumbs(plane: usize, codes: usize, shift: i32): void {
  const three = i8x16.splat(3);
  for (let s = 0; s < 8; s++) {
    const half = plane + <usize>((s & 1) << 6);
    for (let i: usize = 0; i < 64; i += 16, codes += 16) {
      const crumbs = v128.and(i16x8.shr_u(v128.load(half + i), s & ~1), three);
      v128.store(codes, v128.or(v128.load(codes), i16x8.shl(crumbs, shift)));
    }
  }
}

/** Replaces nibbles by their values + 128: kvalues_iq4nl and kvalues_mxfp4 (doubled) of ggml-common.h. */
function lookUp(type: i32, codes: usize): void {
  const table = type == W_MXFP4
    ? i8x16(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)
    : i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
  const sign = v128.load32_splat(SIGN_BYTES);
  for (let i: usize = 0; i < 512; i += 16) {
    v128.store(codes + i, v128.xor(i8x16.swizzle(table, v128.load(codes + i)), sign));
  }
}

/** Converts 512 codes of value + 128 to the form that this CPU multiplies exactly; planes are written from the end. */
function fitClass(codes: usize): void {
  if (DOT_CLASS == SIGNED) {
    const sign = v128.load32_splat(SIGN_BYTES);
    for (let i: usize = 0; i < 512; i += 16) v128.store(codes + i, v128.xor(v128.load(codes + i), sign));
  } else if (DOT_CLASS == SATURATING) {
    const low = v128.load32_splat(LOW_NIBBLES);
    for (let s: i32 = 7; s >= 0; s--) {
      const from = codes + <usize>(s << 6), to = codes + <usize>(s << 7);
      const q0 = v128.load(from), q1 = v128.load(from, 16), q2 = v128.load(from, 32), q3 = v128.load(from, 48);
      v128.store(to, v128.and(q0, low));
      v128.store(to, v128.and(q1, low), 16);
      v128.store(to, v128.and(q2, low), 32);
      v128.store(to, v128.and(q3, low), 48);
      v128.store(to, v128.and(i16x8.shr_u(q0, 4), low), 64);
      v128.store(to, v128.and(i16x8.shr_u(q1, 4), low), 80);
      v128.store(to, v128.and(i16x8.shr_u(q2, 4), low), 96);
      v128.store(to, v128.and(i16x8.shr_u(q3, 4), low), 112);
    }
  }
}

/** Code `k` of row `r`; its low nibble if codes are in two planes. */
export function codeAt(panel: usize, r: i32, k: i32): i32 {
  return <i32>load<u8>(panel + <usize>(((k >> 2) << 6) + (r << 2) + (k & 3)));
}

/** Value of an 8-bit code, in any of the forms. */
export function wideCode(panel: usize, r: i32, k: i32): i32 {
  if (DOT_CLASS != SATURATING) return <i32><i8>(codeAt(panel, r, k) ^ (DOT_CLASS == SIGNED ? 0 : 0x80));
  const step = panel + <usize>((k >> 2) << 6); // steps are twice as large
  return (codeAt(step, r, k) | (codeAt(step + 64, r, k) << 4)) - 128;
}

// --- scales ---------------------------------------------------------------------------------------------------------

/** Scales of one superblock: [16 d][16 m] for each block of 32 or half block. */
// @ts-ignore: decorator
@inline
export function unpackHead(type: i32, head: usize, scales: usize): void {
  if (type == W_MXFP4) return unpackExponents(head, scales);
  const p0 = v128.load(head), p1 = v128.load(head, 16);
  if (type == W_Q4_1 || type == W_Q5_1 || type == W_Q4_K || type == W_Q5_K || type == W_Q2_K) {
    const p2 = v128.load(head, 32), p3 = v128.load(head, 48);
    store16(scales, lowF32(p0), lowF32(p1), lowF32(p2), lowF32(p3));
    store16(scales + 64, highF32(p0), highF32(p1), highF32(p2), highF32(p3));
  } else store16(scales, lowF32(p0), lowF32(p1), highF32(p0), highF32(p1));
  if (type == W_Q4_K || type == W_Q5_K) return subScales(head + 64, head + 64 + 8 * GROUP, scales);
  if (type == W_Q2_K) return nibbleScales(head + 64, scales);
  if (type == W_Q6_K) return signedScales(head + 32, scales, 16, -32);
  if (type == W_Q3_K) return signedScales(head + 32, scales, 16, -4);
  if (type == W_IQ4_XS) return signedScales(head + 32, scales, 8, 0);
  if (type >= W_TQ1_0) ternaryScales(scales);
}

/** 2^(e - 128), because values are doubled. */
function unpackExponents(head: usize, scales: usize): void {
  for (let r = 0; r < GROUP; r++) {
    const e = <u32>load<u8>(head + r);
    store<u32>(scales + (r << 2), e < 2 ? 0x200000 << e : (e - 1) << 23);
  }
}

/** d * scale and -dmin * minimum of 8 blocks; on entry, d and dmin are in the place of the first block. */
function subScales(sub: usize, minima: usize, scales: usize): void {
  const d0 = v128.load(scales), d1 = v128.load(scales, 16), d2 = v128.load(scales, 32), d3 = v128.load(scales, 48);
  const m0 = f32x4.neg(v128.load(scales, 64)), m1 = f32x4.neg(v128.load(scales, 80));
  const m2 = f32x4.neg(v128.load(scales, 96)), m3 = f32x4.neg(v128.load(scales, 112));
  for (let j = 0; j < 8; j++, scales += 128) {
    store16(
      scales, f32x4.mul(d0, unsignedSub(sub, j)), f32x4.mul(d1, unsignedSub(sub + 16, j)),
      f32x4.mul(d2, unsignedSub(sub + 32, j)), f32x4.mul(d3, unsignedSub(sub + 48, j)),
    );
    store16(
      scales + 64, f32x4.mul(m0, unsignedSub(minima, j)), f32x4.mul(m1, unsignedSub(minima + 16, j)),
      f32x4.mul(m2, unsignedSub(minima + 32, j)), f32x4.mul(m3, unsignedSub(minima + 48, j)),
    );
  }
}

/** The same for 16 half blocks; scale and minimum are the nibbles of a byte. */
function nibbleScales(sub: usize, scales: usize): void {
  const low = i32x4.splat(15);
  for (let i: usize = 0; i < 64; i += 16) {
    const d = v128.load(scales + i), dmin = f32x4.neg(v128.load(scales + i, 64));
    for (let j = 0; j < 16; j++) {
      const to = scales + <usize>(j << 7) + i;
      const byte = subByte(sub + i, j);
      v128.store(to, f32x4.mul(d, f32x4.convert_i32x4_s(v128.and(byte, low))));
      v128.store(to, f32x4.mul(dmin, f32x4.convert_i32x4_s(i32x4.shr_u(byte, 4))), 64);
    }
  }
}

/** d * scale, and as the minimum `offset` times that. */
function signedScales(sub: usize, scales: usize, count: i32, offset: f32): void {
  const d0 = v128.load(scales), d1 = v128.load(scales, 16), d2 = v128.load(scales, 32), d3 = v128.load(scales, 48);
  const times = f32x4.splat(offset);
  for (let j = 0; j < count; j++, scales += 128) {
    const y0 = f32x4.mul(d0, signedSub(sub, j)), y1 = f32x4.mul(d1, signedSub(sub + 16, j));
    const y2 = f32x4.mul(d2, signedSub(sub + 32, j)), y3 = f32x4.mul(d3, signedSub(sub + 48, j));
    store16(scales, y0, y1, y2, y3);
    store16(scales + 64, f32x4.mul(y0, times), f32x4.mul(y1, times), f32x4.mul(y2, times), f32x4.mul(y3, times));
  }
}

/** One d for 8 blocks; codes 0, 1, 2 mean -1, 0, 1. */
function ternaryScales(scales: usize): void {
  for (let i: usize = 0; i < 64; i += 16) {
    const d = v128.load(scales + i);
    for (let j: usize = 0; j < 8; j++) {
      v128.store(scales + (j << 7) + i, d);
      v128.store(scales + (j << 7) + i, f32x4.neg(d), 64);
    }
  }
}

// --- floats ---------------------------------------------------------------------------------------------------------

/** Unpacks the group of F16 or BF16 at `w` into f32 [cols, rounded up to even][16]. */
export function unpackHalf(type: i32, w: usize, panel: usize, cols: i32): void {
  const end = panel + <usize>((cols + 1) / 2 << 7);
  const upper = v128.load32_splat(UPPER_HALF);
  for (; panel < end; panel += 128, w += 64) {
    const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    if (type == W_BF16) {
      store16(panel, i32x4.shl(w0, 16), i32x4.shl(w1, 16), i32x4.shl(w2, 16), i32x4.shl(w3, 16));
      store16(panel + 64, v128.and(w0, upper), v128.and(w1, upper), v128.and(w2, upper), v128.and(w3, upper));
    } else {
      store16(panel, lowF32(w0), lowF32(w1), lowF32(w2), lowF32(w3));
      store16(panel + 64, highF32(w0), highF32(w1), highF32(w2), highF32(w3));
    }
  }
}
