/**
 * Integer products of one token, out[r] = sum over k of W[r][k] x[k] for 16 rows r, in blocks b of 32 k:
 *
 *   W[r][k] = d[r][b] * (q[r][k] - offset)    or    d[r][b] * q[r][k] + m[r][b]
 *   x[k] = scale[b] * c[k]
 *
 *   for (b = 0; b < blocks; b++) {
 *     dot = sum over the 32 k of q[r][k] * c[k], less offset * sum of c[k]      // exact, in i32
 *     y[r] = fma(float(dot), d[r][b] * scale[b], y[r])
 *     y[r] = fma(m[r][b], scale[b] * sum of c[k], y[r])                         // types with a minimum
 *   }
 *
 *   w    a group of 16 rows: d (and m) of a block, then its codes [step][16 rows][4 k] (weight-layout.ts)
 *   x    codes c s8 [block][8 steps][4 k]
 *   s    records [block]{scale, scale * sum, -sum ...} (layout.ts, BLOCK_SCALE ...)
 *
 * Accumulators a0 to a3 hold 4 rows each; AssemblyScript has no arrays of locals. All integer kernels, here and in the
 * other matmul-int-*.ts, add these floats in this order. So the result of a token has the same bits in every tile,
 * batch and thread, and on every class of CPU (dot.ts).
 */
import { dot, dot16 } from './dot';
import {
  BLOCK_SCALE, FIFTH_BITS, HALF_MASK, HALF_SCALE, HIGH_NIBBLES, LOW_NIBBLES, NEGATIVE_SUM, SCALE_BYTES, SCALED_SUM,
  SIGN_BYTES, SIGNED, UNSIGNED,
} from './layout';
import { highHalf, lowHalf, madd, store16 } from './simd';

/** One token, 16 rows of Q4_1 (`MIN`) or Q4_0: out[16]. */
// @ts-ignore: decorator
@inline
function gemvQ4(w: usize, x: usize, s: usize, out: usize, blocks: i32, MIN: bool): void {
  const low = v128.load32_splat(LOW_NIBBLES);
  const high = v128.load32_splat(HIGH_NIBBLES);
  const mask = v128.load32_splat(HALF_MASK);
  const unbias = v128.load32_splat(HALF_SCALE);
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, y2 = zero, y3 = zero;
  for (let b = 0; b < blocks; b++) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
    let h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    let q = w + (MIN ? 64 : 32);
    for (let k = 0; k < 4; k++) {
      const xl = v128.load32_splat(x);
      const xh = v128.load32_splat(x, 16);
      const q0 = v128.load(q), q1 = v128.load(q, 16), q2 = v128.load(q, 32), q3 = v128.load(q, 48);
      if (DOT_CLASS == UNSIGNED) {
        // The high nibbles stay in place, 16 times too large; their sums are shifted once a block.
        a0 = dot(xl, v128.and(q0, low), a0);
        a1 = dot(xl, v128.and(q1, low), a1);
        a2 = dot(xl, v128.and(q2, low), a2);
        a3 = dot(xl, v128.and(q3, low), a3);
        h0 = dot(xh, v128.and(q0, high), h0);
        h1 = dot(xh, v128.and(q1, high), h1);
        h2 = dot(xh, v128.and(q2, high), h2);
        h3 = dot(xh, v128.and(q3, high), h3);
      } else if (DOT_CLASS == SIGNED) {
        a0 = dot(xl, v128.and(q0, low), a0);
        a1 = dot(xl, v128.and(q1, low), a1);
        a2 = dot(xl, v128.and(q2, low), a2);
        a3 = dot(xl, v128.and(q3, low), a3);
        h0 = dot(xh, v128.and(i16x8.shr_u(q0, 4), low), h0);
        h1 = dot(xh, v128.and(i16x8.shr_u(q1, 4), low), h1);
        h2 = dot(xh, v128.and(i16x8.shr_u(q2, 4), low), h2);
        h3 = dot(xh, v128.and(i16x8.shr_u(q3, 4), low), h3);
      } else {
        a0 = dot16(xl, v128.and(q0, low), a0);
        a1 = dot16(xl, v128.and(q1, low), a1);
        a2 = dot16(xl, v128.and(q2, low), a2);
        a3 = dot16(xl, v128.and(q3, low), a3);
        a0 = dot16(xh, v128.and(i16x8.shr_u(q0, 4), low), a0);
        a1 = dot16(xh, v128.and(i16x8.shr_u(q1, 4), low), a1);
        a2 = dot16(xh, v128.and(i16x8.shr_u(q2, 4), low), a2);
        a3 = dot16(xh, v128.and(i16x8.shr_u(q3, 4), low), a3);
      }
      q += 64;
      x += 4;
    }
    a0 = joinQ4(a0, h0);
    a1 = joinQ4(a1, h1);
    a2 = joinQ4(a2, h2);
    a3 = joinQ4(a3, h3);
    const f = f32x4.mul(v128.load32_splat(s, BLOCK_SCALE), unbias);
    const p0 = v128.load(w), p1 = v128.load(w, 16);
    if (MIN) {
      const g = f32x4.mul(v128.load32_splat(s, SCALED_SUM), unbias);
      const p2 = v128.load(w, 32), p3 = v128.load(w, 48);
      y0 = madd(highHalf(p0, mask), g, madd(f32x4.convert_i32x4_s(a0), f32x4.mul(lowHalf(p0, mask), f), y0));
      y1 = madd(highHalf(p1, mask), g, madd(f32x4.convert_i32x4_s(a1), f32x4.mul(lowHalf(p1, mask), f), y1));
      y2 = madd(highHalf(p2, mask), g, madd(f32x4.convert_i32x4_s(a2), f32x4.mul(lowHalf(p2, mask), f), y2));
      y3 = madd(highHalf(p3, mask), g, madd(f32x4.convert_i32x4_s(a3), f32x4.mul(lowHalf(p3, mask), f), y3));
    } else {
      const bias = i32x4.shl(v128.load32_splat(s, NEGATIVE_SUM), 3); // -8 * sum: codes 0..15 mean values -8..7
      y0 = madd(f32x4.convert_i32x4_s(i32x4.add(a0, bias)), f32x4.mul(lowHalf(p0, mask), f), y0);
      y1 = madd(f32x4.convert_i32x4_s(i32x4.add(a1, bias)), f32x4.mul(lowHalf(p1, mask), f), y1);
      y2 = madd(f32x4.convert_i32x4_s(i32x4.add(a2, bias)), f32x4.mul(highHalf(p0, mask), f), y2);
      y3 = madd(f32x4.convert_i32x4_s(i32x4.add(a3, bias)), f32x4.mul(highHalf(p1, mask), f), y3);
    }
    w = q;
    x += 16;
    s += SCALE_BYTES;
  }
  store16(out, y0, y1, y2, y3);
}

/** i32 sums of a block from the accumulators of low and high nibbles. */
// @ts-ignore: decorator
@inline
function joinQ4(a: v128, h: v128): v128 {
  if (DOT_CLASS == UNSIGNED) return i32x4.add(a, i32x4.shr_s(h, 4));
  if (DOT_CLASS == SIGNED) return i32x4.add(a, h);
  return i32x4.extadd_pairwise_i16x8_s(a);
}

/** One token, 16 rows of Q5_1 (`MIN`) or Q5_0: out[16]. Codes up to 31 are exact on every class of CPU. */
// @ts-ignore: decorator
@inline
function gemvQ5(w: usize, x: usize, s: usize, out: usize, blocks: i32, MIN: bool): void {
  const low = v128.load32_splat(LOW_NIBBLES);
  const fifth = v128.load32_splat(FIFTH_BITS);
  const mask = v128.load32_splat(HALF_MASK);
  const unbias = v128.load32_splat(HALF_SCALE);
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, y2 = zero, y3 = zero;
  for (let b = 0; b < blocks; b++) {
    // -16 * sum: codes 0..31 mean values -16..15
    let a0 = MIN ? zero : i32x4.shl(v128.load32_splat(s, NEGATIVE_SUM), 4);
    let a1 = a0, a2 = a0, a3 = a0;
    let q = w + (MIN ? 64 : 32);
    // The bits of steps j and j + 4 are bits 0 and 4 of a byte; each iteration shifts them down by one.
    let h0 = v128.load(q, 256), h1 = v128.load(q, 272), h2 = v128.load(q, 288), h3 = v128.load(q, 304);
    for (let k = 0; k < 4; k++) {
      const xl = v128.load32_splat(x);
      const xh = v128.load32_splat(x, 16);
      const q0 = v128.load(q), q1 = v128.load(q, 16), q2 = v128.load(q, 32), q3 = v128.load(q, 48);
      a0 = dot(xl, v128.or(v128.and(q0, low), v128.and(i16x8.shl(h0, 4), fifth)), a0);
      a1 = dot(xl, v128.or(v128.and(q1, low), v128.and(i16x8.shl(h1, 4), fifth)), a1);
      a2 = dot(xl, v128.or(v128.and(q2, low), v128.and(i16x8.shl(h2, 4), fifth)), a2);
      a3 = dot(xl, v128.or(v128.and(q3, low), v128.and(i16x8.shl(h3, 4), fifth)), a3);
      a0 = dot(xh, v128.or(v128.and(i16x8.shr_u(q0, 4), low), v128.and(h0, fifth)), a0);
      a1 = dot(xh, v128.or(v128.and(i16x8.shr_u(q1, 4), low), v128.and(h1, fifth)), a1);
      a2 = dot(xh, v128.or(v128.and(i16x8.shr_u(q2, 4), low), v128.and(h2, fifth)), a2);
      a3 = dot(xh, v128.or(v128.and(i16x8.shr_u(q3, 4), low), v128.and(h3, fifth)), a3);
      h0 = i16x8.shr_u(h0, 1);
      h1 = i16x8.shr_u(h1, 1);
      h2 = i16x8.shr_u(h2, 1);
      h3 = i16x8.shr_u(h3, 1);
      q += 64;
      x += 4;
    }
    const f = f32x4.mul(v128.load32_splat(s, BLOCK_SCALE), unbias);
    const p0 = v128.load(w), p1 = v128.load(w, 16);
    if (MIN) {
      const g = f32x4.mul(v128.load32_splat(s, SCALED_SUM), unbias);
      const p2 = v128.load(w, 32), p3 = v128.load(w, 48);
      y0 = madd(highHalf(p0, mask), g, madd(f32x4.convert_i32x4_s(a0), f32x4.mul(lowHalf(p0, mask), f), y0));
      y1 = madd(highHalf(p1, mask), g, madd(f32x4.convert_i32x4_s(a1), f32x4.mul(lowHalf(p1, mask), f), y1));
      y2 = madd(highHalf(p2, mask), g, madd(f32x4.convert_i32x4_s(a2), f32x4.mul(lowHalf(p2, mask), f), y2));
      y3 = madd(highHalf(p3, mask), g, madd(f32x4.convert_i32x4_s(a3), f32x4.mul(lowHalf(p3, mask), f), y3));
    } else {
      y0 = madd(f32x4.convert_i32x4_s(a0), f32x4.mul(lowHalf(p0, mask), f), y0);
      y1 = madd(f32x4.convert_i32x4_s(a1), f32x4.mul(lowHalf(p1, mask), f), y1);
      y2 = madd(f32x4.convert_i32x4_s(a2), f32x4.mul(highHalf(p0, mask), f), y2);
      y3 = madd(f32x4.convert_i32x4_s(a3), f32x4.mul(highHalf(p1, mask), f), y3);
    }
    w = q + 64;
    x += 16;
    s += SCALE_BYTES;
  }
  store16(out, y0, y1, y2, y3);
}

/** One token, 16 rows of Q8_0: out[16]. */
export function gemvQ8_0(w: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  const low = v128.load32_splat(LOW_NIBBLES);
  const sign = v128.load32_splat(SIGN_BYTES);
  const mask = v128.load32_splat(HALF_MASK);
  const unbias = v128.load32_splat(HALF_SCALE);
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, y2 = zero, y3 = zero;
  for (let b = 0; b < blocks; b++) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
    let h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    let q = w + 32;
    for (let k = 0; k < 8; k++) {
      const t = v128.load32_splat(x);
      const q0 = v128.load(q), q1 = v128.load(q, 16), q2 = v128.load(q, 32), q3 = v128.load(q, 48);
      if (DOT_CLASS == UNSIGNED) {
        a0 = dot(t, q0, a0);
        a1 = dot(t, q1, a1);
        a2 = dot(t, q2, a2);
        a3 = dot(t, q3, a3);
      } else if (DOT_CLASS == SIGNED) {
        a0 = dot(t, v128.xor(q0, sign), a0);
        a1 = dot(t, v128.xor(q1, sign), a1);
        a2 = dot(t, v128.xor(q2, sign), a2);
        a3 = dot(t, v128.xor(q3, sign), a3);
      } else {
        a0 = dot16(t, v128.and(q0, low), a0);
        a1 = dot16(t, v128.and(q1, low), a1);
        a2 = dot16(t, v128.and(q2, low), a2);
        a3 = dot16(t, v128.and(q3, low), a3);
        h0 = dot16(t, v128.and(i16x8.shr_u(q0, 4), low), h0);
        h1 = dot16(t, v128.and(i16x8.shr_u(q1, 4), low), h1);
        h2 = dot16(t, v128.and(i16x8.shr_u(q2, 4), low), h2);
        h3 = dot16(t, v128.and(i16x8.shr_u(q3, 4), low), h3);
      }
      q += 64;
      x += 4;
    }
    const f = f32x4.mul(v128.load32_splat(s, BLOCK_SCALE), unbias);
    const bias = i32x4.shl(v128.load32_splat(s, NEGATIVE_SUM), 7); // -128 * sum: codes are value + 128
    const p0 = v128.load(w), p1 = v128.load(w, 16);
    y0 = madd(f32x4.convert_i32x4_s(joinQ8(a0, h0, bias)), f32x4.mul(lowHalf(p0, mask), f), y0);
    y1 = madd(f32x4.convert_i32x4_s(joinQ8(a1, h1, bias)), f32x4.mul(lowHalf(p1, mask), f), y1);
    y2 = madd(f32x4.convert_i32x4_s(joinQ8(a2, h2, bias)), f32x4.mul(highHalf(p0, mask), f), y2);
    y3 = madd(f32x4.convert_i32x4_s(joinQ8(a3, h3, bias)), f32x4.mul(highHalf(p1, mask), f), y3);
    w = q;
    s += SCALE_BYTES;
  }
  store16(out, y0, y1, y2, y3);
}

/** i32 sums of a block of signed 8-bit weights. */
// @ts-ignore: decorator
@inline
function joinQ8(a: v128, h: v128, bias: v128): v128 {
  if (DOT_CLASS == UNSIGNED) return i32x4.add(a, bias);
  if (DOT_CLASS == SIGNED) return a;
  const low = i32x4.extadd_pairwise_i16x8_s(a);
  return i32x4.add(i32x4.add(low, i32x4.shl(i32x4.extadd_pairwise_i16x8_s(h), 4)), bias);
}

// --- one function for each weight type -------------------------------------------------------------------------------

export function gemvQ4_0(w: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  gemvQ4(w, x, s, out, blocks, false);
}

export function gemvQ4_1(w: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  gemvQ4(w, x, s, out, blocks, true);
}

export function gemvQ5_0(w: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  gemvQ5(w, x, s, out, blocks, false);
}

export function gemvQ5_1(w: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  gemvQ5(w, x, s, out, blocks, true);
}
