/**
 * Integer products of 4 tokens t, out[t][r] += sum over k of W[r][k] x[t][k] for 16 rows r; the formula is in
 * matmul-int-gemv.ts.
 *
 *   w    a panel: codes u8 [block][8 steps][16 rows][4 k], unpacked once for many tiles (panel.ts)
 *   d    its scales f32 [block]{d [16 rows], m [16 rows]}
 *   x    codes s8 [block][8 steps][4 tokens][4 k]
 *   s    records [block][4 tokens] (layout.ts, BLOCK_SCALE ...)
 *   out  f32 [4 tokens][16 rows]
 *
 * Accumulators a, b, c and e belong to tokens 0 to 3; each is 4 vectors of 4 rows: 16 dot products for 8 loads.
 */
import { dot, dot16, NARROW_NIBBLES, WIDE_SHIFT } from './dot';
import { KEY_BLOCK_BYTES, KEY_CODE_BYTES } from './kv-cache';
import {
  BLOCK_SCALE, LOW_NIBBLES, LOW_SUM, NEGATIVE_SUM, SATURATING, SCALE_BYTES, SCALED_SUM, TILE,
} from './layout';
import { madd, store16 } from './simd';

/**
 * Adds to out[TOKENS][16]. MIN: weights are d * code + m, for each 32 k or, if FINE, each 16; otherwise
 * d * (code - 2^SHIFT), or d * code where SHIFT is -1. BESIDE: the 16 d of a block follow its codes. NARROW: sums have
 * 16 bits (dot.ts). Do not unroll the loops over steps: V8 would order the sums chain by chain and spill registers.
 */
// @ts-ignore: decorator
@inline
function tile(
  w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32, BESIDE: bool, MIN: bool, FINE: bool, SHIFT: i32,
  NARROW: bool, TOKENS: i32,
): void {
  const zero = i32x4.splat(0);
  let half: usize = 0; // FINE: 0, or HIGH_SUM - LOW_SUM in the second half of a block
  for (let b = FINE ? 2 * blocks : blocks; b > 0; b--) {
    let a0 = start(s, SHIFT, NARROW), a1 = a0, a2 = a0, a3 = a0;
    let b0 = start(s + SCALE_BYTES, SHIFT, NARROW), b1 = b0, b2 = b0, b3 = b0;
    let c0 = start(s + 2 * SCALE_BYTES, SHIFT, NARROW), c1 = c0, c2 = c0, c3 = c0;
    let e0 = start(s + 3 * SCALE_BYTES, SHIFT, NARROW), e1 = e0, e2 = e0, e3 = e0;
    for (let k = FINE ? 4 : 8; k > 0; k--) {
      const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
      let t = v128.load32_splat(x);
      a0 = step(t, w0, a0, NARROW);
      a1 = step(t, w1, a1, NARROW);
      a2 = step(t, w2, a2, NARROW);
      a3 = step(t, w3, a3, NARROW);
      t = v128.load32_splat(x, 4);
      b0 = step(t, w0, b0, NARROW);
      b1 = step(t, w1, b1, NARROW);
      b2 = step(t, w2, b2, NARROW);
      b3 = step(t, w3, b3, NARROW);
      t = v128.load32_splat(x, 8);
      c0 = step(t, w0, c0, NARROW);
      c1 = step(t, w1, c1, NARROW);
      c2 = step(t, w2, c2, NARROW);
      c3 = step(t, w3, c3, NARROW);
      if (TOKENS > 3) {
        t = v128.load32_splat(x, 12);
        e0 = step(t, w0, e0, NARROW);
        e1 = step(t, w1, e1, NARROW);
        e2 = step(t, w2, e2, NARROW);
        e3 = step(t, w3, e3, NARROW);
      }
      w += 64;
      x += 16;
    }
    if (BESIDE) d = w;
    flush(out, d, s, half, a0, a1, a2, a3, MIN, FINE, SHIFT, NARROW);
    flush(out + 64, d, s + SCALE_BYTES, half, b0, b1, b2, b3, MIN, FINE, SHIFT, NARROW);
    flush(out + 128, d, s + 2 * SCALE_BYTES, half, c0, c1, c2, c3, MIN, FINE, SHIFT, NARROW);
    if (TOKENS > 3) flush(out + 192, d, s + 3 * SCALE_BYTES, half, e0, e1, e2, e3, MIN, FINE, SHIFT, NARROW);
    d += 128;
    if (BESIDE) w += 64;
    if (FINE) {
      s += half * SCALE_BYTES; // 4 records after the second half
      half ^= 4;
    } else s += 4 * SCALE_BYTES;
  }
}

/** Initial sum: -2^SHIFT * sum of the token's codes; if sums have 16 bits it is 0, and `total` adds that later. */
// @ts-ignore: decorator
@inline
export function start(s: usize, SHIFT: i32, NARROW: bool): v128 {
  return SHIFT < 0 || NARROW ? i32x4.splat(0) : i32x4.shl(v128.load32_splat(s, NEGATIVE_SUM), SHIFT);
}

// @ts-ignore: decorator
@inline
export function step(x: v128, w: v128, acc: v128, NARROW: bool): v128 {
  return NARROW ? dot16(x, w, acc) : dot(x, w, acc);
}

/** Adds the sums of one token over a block, or half a block, to its 16 results. */
// @ts-ignore: decorator
@inline
export function flush(
  out: usize, d: usize, s: usize, half: usize, a0: v128, a1: v128, a2: v128, a3: v128, MIN: bool, FINE: bool,
  SHIFT: i32, NARROW: bool,
): void {
  const f = v128.load32_splat(s, BLOCK_SCALE);
  const o0 = v128.load(out), o1 = v128.load(out, 16), o2 = v128.load(out, 32), o3 = v128.load(out, 48);
  const d0 = v128.load(d), d1 = v128.load(d, 16), d2 = v128.load(d, 32), d3 = v128.load(d, 48);
  let y0 = madd(f32x4.convert_i32x4_s(total(a0, s, SHIFT, NARROW)), f32x4.mul(d0, f), o0);
  let y1 = madd(f32x4.convert_i32x4_s(total(a1, s, SHIFT, NARROW)), f32x4.mul(d1, f), o1);
  let y2 = madd(f32x4.convert_i32x4_s(total(a2, s, SHIFT, NARROW)), f32x4.mul(d2, f), o2);
  let y3 = madd(f32x4.convert_i32x4_s(total(a3, s, SHIFT, NARROW)), f32x4.mul(d3, f), o3);
  if (MIN) {
    const g = FINE ? v128.load32_splat(s + half, LOW_SUM) : v128.load32_splat(s, SCALED_SUM);
    y0 = madd(v128.load(d, 64), g, y0);
    y1 = madd(v128.load(d, 80), g, y1);
    y2 = madd(v128.load(d, 96), g, y2);
    y3 = madd(v128.load(d, 112), g, y3);
  }
  store16(out, y0, y1, y2, y3);
}

// @ts-ignore: decorator
@inline
function total(a: v128, s: usize, SHIFT: i32, NARROW: bool): v128 {
  if (!NARROW) return a;
  const sum = i32x4.extadd_pairwise_i16x8_s(a);
  return SHIFT < 0 ? sum : i32x4.add(sum, i32x4.shl(v128.load32_splat(s, NEGATIVE_SUM), SHIFT));
}

/**
 * A block of 8-bit weights as two planes of nibbles, times tokens 0 and 1 of a tile of 4. The planes are separate, or
 * the two halves of bytes (`BYTES`).
 */
// @ts-ignore: decorator
@inline
export function planesPair(w: usize, d: usize, x: usize, s: usize, out: usize, BYTES: bool): void {
  const low = v128.load32_splat(LOW_NIBBLES);
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, h0 = zero, h1 = zero, h2 = zero, h3 = zero;
  let b0 = zero, b1 = zero, b2 = zero, b3 = zero, g0 = zero, g1 = zero, g2 = zero, g3 = zero;
  for (let k = 0; k < 8; k++) {
    const t = v128.load32_splat(x), u = v128.load32_splat(x, 4);
    let w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    let v0: v128, v1: v128, v2: v128, v3: v128;
    if (BYTES) {
      v0 = v128.and(i16x8.shr_u(w0, 4), low);
      v1 = v128.and(i16x8.shr_u(w1, 4), low);
      v2 = v128.and(i16x8.shr_u(w2, 4), low);
      v3 = v128.and(i16x8.shr_u(w3, 4), low);
      w0 = v128.and(w0, low);
      w1 = v128.and(w1, low);
      w2 = v128.and(w2, low);
      w3 = v128.and(w3, low);
    } else {
      v0 = v128.load(w, 64);
      v1 = v128.load(w, 80);
      v2 = v128.load(w, 96);
      v3 = v128.load(w, 112);
    }
    a0 = dot16(t, w0, a0);
    a1 = dot16(t, w1, a1);
    a2 = dot16(t, w2, a2);
    a3 = dot16(t, w3, a3);
    b0 = dot16(u, w0, b0);
    b1 = dot16(u, w1, b1);
    b2 = dot16(u, w2, b2);
    b3 = dot16(u, w3, b3);
    h0 = dot16(t, v0, h0);
    h1 = dot16(t, v1, h1);
    h2 = dot16(t, v2, h2);
    h3 = dot16(t, v3, h3);
    g0 = dot16(u, v0, g0);
    g1 = dot16(u, v1, g1);
    g2 = dot16(u, v2, g2);
    g3 = dot16(u, v3, g3);
    w += BYTES ? 64 : 128;
    x += 16;
  }
  const s1 = s + SCALE_BYTES;
  const p = start(s, 7, false), q = start(s1, 7, false);
  a0 = i32x4.add(planes(a0, h0), p);
  a1 = i32x4.add(planes(a1, h1), p);
  a2 = i32x4.add(planes(a2, h2), p);
  a3 = i32x4.add(planes(a3, h3), p);
  b0 = i32x4.add(planes(b0, g0), q);
  b1 = i32x4.add(planes(b1, g1), q);
  b2 = i32x4.add(planes(b2, g2), q);
  b3 = i32x4.add(planes(b3, g3), q);
  flush(out, d, s, 0, a0, a1, a2, a3, false, false, -1, false);
  flush(out + 64, d, s1, 0, b0, b1, b2, b3, false, false, -1, false);
}

/** i32 sums of two planes of nibbles. */
// @ts-ignore: decorator
@inline
export function planes(low: v128, high: v128): v128 {
  return i32x4.add(i32x4.extadd_pairwise_i16x8_s(low), i32x4.shl(i32x4.extadd_pairwise_i16x8_s(high), 4));
}

// --- one function for each kind of panel ---------------------------------------------------------------------------

/** d * (code - 8), codes up to 15. */
export function tileShift3(w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  tile(w, d, x, s, out, blocks, false, false, false, 3, NARROW_NIBBLES, TILE);
}

/** d * (code - 16), codes up to 31. */
export function tileShift4(w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  tile(w, d, x, s, out, blocks, false, false, false, 4, false, TILE);
}

/** d * code + m, codes up to 127. */
export function tileMin(w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  tile(w, d, x, s, out, blocks, false, true, false, -1, false, TILE);
}

/** d * code + m, codes up to 15, for CPUs with narrow sums. */
export function tileMinNarrow(w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  tile(w, d, x, s, out, blocks, false, true, false, -1, true, TILE);
}

/** d * code + m for each 16 k, codes up to 127. */
export function tileFine(w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  tile(w, d, x, s, out, blocks, false, true, true, -1, false, TILE);
}

/** 8-bit weights, in the form for the class of CPU (panel.ts). */
export function tileWide(w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  if (DOT_CLASS != SATURATING) return tile(w, d, x, s, out, blocks, false, false, false, WIDE_SHIFT, false, TILE);
  for (let pair: usize = 0; pair < 2; pair++) {
    let codes = w, scales = d, t = x + (pair << 3), r = s + pair * 2 * SCALE_BYTES;
    for (let b = blocks; b > 0; b--, codes += 1024, scales += 128, t += 128, r += 4 * SCALE_BYTES) {
      planesPair(codes, scales, t, r, out + (pair << 7), false);
    }
  }
}

/** 8-bit keys, {codes, scales} in each block (kv-cache.ts), times 4 queries. */
export function tileKeys(w: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  if (DOT_CLASS != SATURATING) return tile(w, 0, x, s, out, blocks, true, false, false, WIDE_SHIFT, false, TILE);
  for (; blocks > 0; blocks--, w += KEY_BLOCK_BYTES, x += 128, s += 4 * SCALE_BYTES) {
    planesPair(w, w + KEY_CODE_BYTES, x, s, out, true);
    planesPair(w, w + KEY_CODE_BYTES, x + 8, s + 2 * SCALE_BYTES, out + 128, true);
  }
}

/** The same, times the first 3 queries; planes compute queries in pairs, so they compute 4. */
export function tileKeys3(w: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  if (DOT_CLASS != SATURATING) tile(w, 0, x, s, out, blocks, true, false, false, WIDE_SHIFT, false, 3);
  else tileKeys(w, x, s, out, blocks);
}
