/**
 * Integer products of one token with the superblock types of 256 k: Q4_K, Q5_K and Q6_K. As matmul-int-gemv.ts, with
 * d[r][b] = d[r] * sub[r][b] and m[r][b] = -dmin[r] * min[r][b], both exact; Q6_K has a sub-scale for each 16 k.
 *
 *   w    a group of 16 rows: d, dmin and subs of 8 blocks, then the codes of each (weight-layout.ts)
 */
import { dot } from './dot';
import {
  BLOCK_SCALE, FIFTH_BITS, GROUP, HIGH_CRUMBS, HIGH_SUM, LOW_NIBBLES, LOW_SUM, SCALE_BYTES, SCALED_SUM,
} from './layout';
import { highF32, lowF32, madd, store16 } from './simd';
import { signedSub, unsignedSub } from './sub-scales';

/** 16 rows of Q5_K (`FIFTH`) or Q4_K: out[16]. */
// @ts-ignore: decorator
@inline
function gemvQ45K(w: usize, x: usize, s: usize, out: usize, superblocks: i32, FIFTH: bool): void {
  const low = v128.load32_splat(LOW_NIBBLES);
  const fifth = v128.load32_splat(FIFTH_BITS);
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, y2 = zero, y3 = zero;
  for (; superblocks > 0; superblocks--) {
    const sub = w + 64, minima = w + 64 + 8 * GROUP;
    const p0 = v128.load(w), p1 = v128.load(w, 16), p2 = v128.load(w, 32), p3 = v128.load(w, 48);
    let q = w + 64 + 16 * GROUP;
    for (let b = 0; b < 8; b++) {
      let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
      let h0 = zero, h1 = zero, h2 = zero, h3 = zero;
      if (FIFTH) {
        h0 = v128.load(q, 256);
        h1 = v128.load(q, 272);
        h2 = v128.load(q, 288);
        h3 = v128.load(q, 304);
      }
      for (let k = 0; k < 4; k++) {
        const xl = v128.load32_splat(x);
        const xh = v128.load32_splat(x, 16);
        const q0 = v128.load(q), q1 = v128.load(q, 16), q2 = v128.load(q, 32), q3 = v128.load(q, 48);
        let l0 = v128.and(q0, low), l1 = v128.and(q1, low), l2 = v128.and(q2, low), l3 = v128.and(q3, low);
        if (FIFTH) {
          l0 = v128.or(l0, v128.and(i16x8.shl(h0, 4), fifth));
          l1 = v128.or(l1, v128.and(i16x8.shl(h1, 4), fifth));
          l2 = v128.or(l2, v128.and(i16x8.shl(h2, 4), fifth));
          l3 = v128.or(l3, v128.and(i16x8.shl(h3, 4), fifth));
        }
        a0 = dot(xl, l0, a0);
        a1 = dot(xl, l1, a1);
        a2 = dot(xl, l2, a2);
        a3 = dot(xl, l3, a3);
        l0 = v128.and(i16x8.shr_u(q0, 4), low);
        l1 = v128.and(i16x8.shr_u(q1, 4), low);
        l2 = v128.and(i16x8.shr_u(q2, 4), low);
        l3 = v128.and(i16x8.shr_u(q3, 4), low);
        if (FIFTH) {
          l0 = v128.or(l0, v128.and(h0, fifth));
          l1 = v128.or(l1, v128.and(h1, fifth));
          l2 = v128.or(l2, v128.and(h2, fifth));
          l3 = v128.or(l3, v128.and(h3, fifth));
          h0 = i16x8.shr_u(h0, 1);
          h1 = i16x8.shr_u(h1, 1);
          h2 = i16x8.shr_u(h2, 1);
          h3 = i16x8.shr_u(h3, 1);
        }
        a0 = dot(xh, l0, a0);
        a1 = dot(xh, l1, a1);
        a2 = dot(xh, l2, a2);
        a3 = dot(xh, l3, a3);
        q += 64;
        x += 4;
      }
      const f = v128.load32_splat(s, BLOCK_SCALE);
      const g = v128.load32_splat(s, SCALED_SUM);
      y0 = madd(f32x4.convert_i32x4_s(a0), f32x4.mul(f32x4.mul(lowF32(p0), unsignedSub(sub, b)), f), y0);
      y1 = madd(f32x4.convert_i32x4_s(a1), f32x4.mul(f32x4.mul(lowF32(p1), unsignedSub(sub + 16, b)), f), y1);
      y2 = madd(f32x4.convert_i32x4_s(a2), f32x4.mul(f32x4.mul(lowF32(p2), unsignedSub(sub + 32, b)), f), y2);
      y3 = madd(f32x4.convert_i32x4_s(a3), f32x4.mul(f32x4.mul(lowF32(p3), unsignedSub(sub + 48, b)), f), y3);
      y0 = madd(f32x4.mul(f32x4.neg(highF32(p0)), unsignedSub(minima, b)), g, y0);
      y1 = madd(f32x4.mul(f32x4.neg(highF32(p1)), unsignedSub(minima + 16, b)), g, y1);
      y2 = madd(f32x4.mul(f32x4.neg(highF32(p2)), unsignedSub(minima + 32, b)), g, y2);
      y3 = madd(f32x4.mul(f32x4.neg(highF32(p3)), unsignedSub(minima + 48, b)), g, y3);
      if (FIFTH) q += 64;
      x += 16;
      s += SCALE_BYTES;
    }
    w = q;
  }
  store16(out, y0, y1, y2, y3);
}

export function gemvQ4_K(w: usize, x: usize, s: usize, out: usize, superblocks: i32): void {
  gemvQ45K(w, x, s, out, superblocks, false);
}

export function gemvQ5_K(w: usize, x: usize, s: usize, out: usize, superblocks: i32): void {
  gemvQ45K(w, x, s, out, superblocks, true);
}

/** 16 rows of Q6_K: out[16]. Each half of a block has a scale; codes 0..63 mean values -32..31. */
export function gemvQ6_K(w: usize, x: usize, s: usize, out: usize, superblocks: i32): void {
  const low = v128.load32_splat(LOW_NIBBLES);
  const top = v128.load32_splat(HIGH_CRUMBS);
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, y2 = zero, y3 = zero;
  for (; superblocks > 0; superblocks--) {
    const sub = w + 32;
    const p0 = v128.load(w), p1 = v128.load(w, 16);
    let q = w + 32 + 16 * GROUP;
    for (let b = 0; b < 8; b++) {
      let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
      let h0 = zero, h1 = zero, h2 = zero, h3 = zero;
      const crumbs = q + 256;
      for (let k = 0; k < 4; k++) {
        const xl = v128.load32_splat(x);
        const xh = v128.load32_splat(x, 16);
        const c = crumbs + <usize>((k & 1) << 6);
        const shift = k & 2;
        const c0 = i16x8.shr_u(v128.load(c), shift), c1 = i16x8.shr_u(v128.load(c, 16), shift);
        const c2 = i16x8.shr_u(v128.load(c, 32), shift), c3 = i16x8.shr_u(v128.load(c, 48), shift);
        const q0 = v128.load(q), q1 = v128.load(q, 16), q2 = v128.load(q, 32), q3 = v128.load(q, 48);
        a0 = dot(xl, v128.or(v128.and(q0, low), v128.and(i16x8.shl(c0, 4), top)), a0);
        a1 = dot(xl, v128.or(v128.and(q1, low), v128.and(i16x8.shl(c1, 4), top)), a1);
        a2 = dot(xl, v128.or(v128.and(q2, low), v128.and(i16x8.shl(c2, 4), top)), a2);
        a3 = dot(xl, v128.or(v128.and(q3, low), v128.and(i16x8.shl(c3, 4), top)), a3);
        h0 = dot(xh, v128.or(v128.and(i16x8.shr_u(q0, 4), low), v128.and(c0, top)), h0);
        h1 = dot(xh, v128.or(v128.and(i16x8.shr_u(q1, 4), low), v128.and(c1, top)), h1);
        h2 = dot(xh, v128.or(v128.and(i16x8.shr_u(q2, 4), low), v128.and(c2, top)), h2);
        h3 = dot(xh, v128.or(v128.and(i16x8.shr_u(q3, 4), low), v128.and(c3, top)), h3);
        q += 64;
        x += 4;
      }
      const f = v128.load32_splat(s, BLOCK_SCALE);
      y0 = fine(y0, a0, lowF32(p0), sub, 2 * b, f, v128.load32_splat(s, LOW_SUM));
      y1 = fine(y1, a1, lowF32(p1), sub + 16, 2 * b, f, v128.load32_splat(s, LOW_SUM));
      y2 = fine(y2, a2, highF32(p0), sub + 32, 2 * b, f, v128.load32_splat(s, LOW_SUM));
      y3 = fine(y3, a3, highF32(p1), sub + 48, 2 * b, f, v128.load32_splat(s, LOW_SUM));
      y0 = fine(y0, h0, lowF32(p0), sub, 2 * b + 1, f, v128.load32_splat(s, HIGH_SUM));
      y1 = fine(y1, h1, lowF32(p1), sub + 16, 2 * b + 1, f, v128.load32_splat(s, HIGH_SUM));
      y2 = fine(y2, h2, highF32(p0), sub + 32, 2 * b + 1, f, v128.load32_splat(s, HIGH_SUM));
      y3 = fine(y3, h3, highF32(p1), sub + 48, 2 * b + 1, f, v128.load32_splat(s, HIGH_SUM));
      q += 128;
      x += 16;
      s += SCALE_BYTES;
    }
    w = q;
  }
  store16(out, y0, y1, y2, y3);
}

/** y + d * scale * (dot * f - 32 * g), rounded as with the scale and minimum of a panel. */
// @ts-ignore: decorator
@inline
function fine(y: v128, sums: v128, d: v128, sub: usize, j: i32, f: v128, g: v128): v128 {
  const scale = f32x4.mul(d, signedSub(sub, j));
  y = madd(f32x4.convert_i32x4_s(sums), f32x4.mul(scale, f), y);
  return madd(f32x4.mul(scale, f32x4.splat(-32)), g, y);
}
