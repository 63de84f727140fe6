/**
 * Integer products of 4 tokens with a group of 16 rows, read in place (weight-layout.ts), for steps of few tiles. The
 * next blocks are fetched from memory while one is multiplied; unpacking a panel first would wait for them idle.
 * Tiles, results and the order of float operations are those of matmul-int-tile.ts.
 */
import { NARROW_NIBBLES, WIDE_SHIFT } from './dot';
import {
  BLOCK, FIFTH_BITS, HIGH_CRUMBS, LOW_NIBBLES, SATURATING, SCALE_BYTES, SIGN_BYTES, SIGNED, W_Q4_0, W_Q4_1, W_Q4_K,
  W_Q5_0, W_Q5_1, W_Q5_K, W_Q6_K, W_Q8_0,
} from './layout';
import { flush, planesPair, start, step } from './matmul-int-tile';
import { unpackHead } from './panel';
import { codeBytes, headBytes, superblock } from './weight-layout';

/** Adds to out[4][16]. `scales` is scratch for the scales of a superblock, in the layout of a panel (panel.ts). */
// @ts-ignore: decorator
@inline
function stream(TYPE: i32, w: usize, x: usize, s: usize, out: usize, cols: i32, scales: usize): void {
  for (; cols > 0; cols -= superblock(TYPE)) {
    unpackHead(TYPE, w, scales);
    w += headBytes(TYPE);
    let d = scales;
    for (let b = superblock(TYPE) / BLOCK; b > 0; b--) {
      if (TYPE == W_Q6_K) {
        wide(TYPE, false, w, x, s, out, d);
        d += 128;
        wide(TYPE, true, w, x + 64, s, out, d);
      } else if (TYPE != W_Q8_0) nibbles(TYPE, w, x, s, out, d);
      else if (DOT_CLASS != SATURATING) wide(TYPE, false, w, x, s, out, d);
      else {
        planesPair(w, d, x, s, out, true);
        planesPair(w, d, x + 8, s + 2 * SCALE_BYTES, out + 128, true);
      }
      d += 128;
      w += codeBytes(TYPE);
      x += 4 * BLOCK;
      s += 4 * SCALE_BYTES;
    }
  }
}

/** A block of nibbles, for some types with fifth bits: a load serves two steps. */
// @ts-ignore: decorator
@inline
function nibbles(TYPE: i32, w: usize, x: usize, s: usize, out: usize, d: usize): void {
  const FIFTH = TYPE == W_Q5_0 || TYPE == W_Q5_1 || TYPE == W_Q5_K;
  const SHIFT = TYPE == W_Q4_0 ? 3 : TYPE == W_Q5_0 ? 4 : -1;
  const MIN = SHIFT < 0;
  const NARROW = NARROW_NIBBLES && !FIFTH;
  const low = v128.load32_splat(LOW_NIBBLES);
  const fifth = v128.load32_splat(FIFTH_BITS);
  const bits = w + 256;
  let a0 = start(s, SHIFT, NARROW), a1 = a0, a2 = a0, a3 = a0;
  let b0 = start(s + SCALE_BYTES, SHIFT, NARROW), b1 = b0, b2 = b0, b3 = b0;
  let c0 = start(s + 2 * SCALE_BYTES, SHIFT, NARROW), c1 = c0, c2 = c0, c3 = c0;
  let e0 = start(s + 3 * SCALE_BYTES, SHIFT, NARROW), e1 = e0, e2 = e0, e3 = e0;
  for (let k = 0; k < 4; k++, w += 64, x += 16) {
    const q0 = v128.load(w), q1 = v128.load(w, 16), q2 = v128.load(w, 32), q3 = v128.load(w, 48);
    let w0 = v128.and(q0, low), w1 = v128.and(q1, low), w2 = v128.and(q2, low), w3 = v128.and(q3, low);
    if (FIFTH) {
      w0 = v128.or(w0, v128.and(i16x8.shl(i16x8.shr_u(v128.load(bits), k), 4), fifth));
      w1 = v128.or(w1, v128.and(i16x8.shl(i16x8.shr_u(v128.load(bits, 16), k), 4), fifth));
      w2 = v128.or(w2, v128.and(i16x8.shl(i16x8.shr_u(v128.load(bits, 32), k), 4), fifth));
      w3 = v128.or(w3, v128.and(i16x8.shl(i16x8.shr_u(v128.load(bits, 48), k), 4), fifth));
    }
    let t = v128.load32_splat(x);
    a0 = step(t, w0, a0, NARROW); a1 = step(t, w1, a1, NARROW); a2 = step(t, w2, a2, NARROW); a3 = step(t, w3, a3, NARROW);
    t = v128.load32_splat(x, 4);
    b0 = step(t, w0, b0, NARROW); b1 = step(t, w1, b1, NARROW); b2 = step(t, w2, b2, NARROW); b3 = step(t, w3, b3, NARROW);
    t = v128.load32_splat(x, 8);
    c0 = step(t, w0, c0, NARROW); c1 = step(t, w1, c1, NARROW); c2 = step(t, w2, c2, NARROW); c3 = step(t, w3, c3, NARROW);
    t = v128.load32_splat(x, 12);
    e0 = step(t, w0, e0, NARROW); e1 = step(t, w1, e1, NARROW); e2 = step(t, w2, e2, NARROW); e3 = step(t, w3, e3, NARROW);
    w0 = v128.and(i16x8.shr_u(q0, 4), low);
    w1 = v128.and(i16x8.shr_u(q1, 4), low);
    w2 = v128.and(i16x8.shr_u(q2, 4), low);
    w3 = v128.and(i16x8.shr_u(q3, 4), low);
    if (FIFTH) {
      w0 = v128.or(w0, v128.and(i16x8.shr_u(v128.load(bits), k), fifth));
      w1 = v128.or(w1, v128.and(i16x8.shr_u(v128.load(bits, 16), k), fifth));
      w2 = v128.or(w2, v128.and(i16x8.shr_u(v128.load(bits, 32), k), fifth));
      w3 = v128.or(w3, v128.and(i16x8.shr_u(v128.load(bits, 48), k), fifth));
    }
    t = v128.load32_splat(x, 64);
    a0 = step(t, w0, a0, NARROW); a1 = step(t, w1, a1, NARROW); a2 = step(t, w2, a2, NARROW); a3 = step(t, w3, a3, NARROW);
    t = v128.load32_splat(x, 68);
    b0 = step(t, w0, b0, NARROW); b1 = step(t, w1, b1, NARROW); b2 = step(t, w2, b2, NARROW); b3 = step(t, w3, b3, NARROW);
    t = v128.load32_splat(x, 72);
    c0 = step(t, w0, c0, NARROW); c1 = step(t, w1, c1, NARROW); c2 = step(t, w2, c2, NARROW); c3 = step(t, w3, c3, NARROW);
    t = v128.load32_splat(x, 76);
    e0 = step(t, w0, e0, NARROW); e1 = step(t, w1, e1, NARROW); e2 = step(t, w2, e2, NARROW); e3 = step(t, w3, e3, NARROW);
  }
  flush(out, d, s, 0, a0, a1, a2, a3, MIN, false, SHIFT, NARROW);
  flush(out + 64, d, s + SCALE_BYTES, 0, b0, b1, b2, b3, MIN, false, SHIFT, NARROW);
  flush(out + 128, d, s + 2 * SCALE_BYTES, 0, c0, c1, c2, c3, MIN, false, SHIFT, NARROW);
  flush(out + 192, d, s + 3 * SCALE_BYTES, 0, e0, e1, e2, e3, MIN, false, SHIFT, NARROW);
}

/** A block of Q8_0, or the half of a block of Q6_K with its low or `HIGH` nibbles: a load serves one step. */
// @ts-ignore: decorator
@inline
function wide(TYPE: i32, HIGH: bool, w: usize, x: usize, s: usize, out: usize, d: usize): void {
  const FINE = TYPE == W_Q6_K;
  const SHIFT = FINE ? -1 : WIDE_SHIFT;
  const half: usize = HIGH ? 4 : 0;
  const low = v128.load32_splat(LOW_NIBBLES);
  const sign = v128.load32_splat(SIGN_BYTES);
  const top = v128.load32_splat(HIGH_CRUMBS);
  const crumbs = w + 256;
  let a0 = start(s, SHIFT, false), a1 = a0, a2 = a0, a3 = a0;
  let b0 = start(s + SCALE_BYTES, SHIFT, false), b1 = b0, b2 = b0, b3 = b0;
  let c0 = start(s + 2 * SCALE_BYTES, SHIFT, false), c1 = c0, c2 = c0, c3 = c0;
  let e0 = start(s + 3 * SCALE_BYTES, SHIFT, false), e1 = e0, e2 = e0, e3 = e0;
  const count = FINE ? 4 : 8;
  for (let k = 0; k < count; k++, w += 64, x += 16) {
    let w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    if (FINE) {
      const c = crumbs + <usize>((k & 1) << 6);
      w0 = sixBits(w0, i16x8.shr_u(v128.load(c), k & 2), low, top, HIGH);
      w1 = sixBits(w1, i16x8.shr_u(v128.load(c, 16), k & 2), low, top, HIGH);
      w2 = sixBits(w2, i16x8.shr_u(v128.load(c, 32), k & 2), low, top, HIGH);
      w3 = sixBits(w3, i16x8.shr_u(v128.load(c, 48), k & 2), low, top, HIGH);
    } else if (DOT_CLASS == SIGNED) {
      w0 = v128.xor(w0, sign);
      w1 = v128.xor(w1, sign);
      w2 = v128.xor(w2, sign);
      w3 = v128.xor(w3, sign);
    }
    let t = v128.load32_splat(x);
    a0 = step(t, w0, a0, false); a1 = step(t, w1, a1, false); a2 = step(t, w2, a2, false); a3 = step(t, w3, a3, false);
    t = v128.load32_splat(x, 4);
    b0 = step(t, w0, b0, false); b1 = step(t, w1, b1, false); b2 = step(t, w2, b2, false); b3 = step(t, w3, b3, false);
    t = v128.load32_splat(x, 8);
    c0 = step(t, w0, c0, false); c1 = step(t, w1, c1, false); c2 = step(t, w2, c2, false); c3 = step(t, w3, c3, false);
    t = v128.load32_splat(x, 12);
    e0 = step(t, w0, e0, false); e1 = step(t, w1, e1, false); e2 = step(t, w2, e2, false); e3 = step(t, w3, e3, false);
  }
  flush(out, d, s, half, a0, a1, a2, a3, FINE, FINE, SHIFT, false);
  flush(out + 64, d, s + SCALE_BYTES, half, b0, b1, b2, b3, FINE, FINE, SHIFT, false);
  flush(out + 128, d, s + 2 * SCALE_BYTES, half, c0, c1, c2, c3, FINE, FINE, SHIFT, false);
  flush(out + 192, d, s + 3 * SCALE_BYTES, half, e0, e1, e2, e3, FINE, FINE, SHIFT, false);
}

/** Nibbles with two more bits. */
// @ts-ignore: decorator
@inline
function sixBits(q: v128, crumbs: v128, low: v128, top: v128, HIGH: bool): v128 {
  if (HIGH) return v128.or(v128.and(i16x8.shr_u(q, 4), low), v128.and(crumbs, top));
  return v128.or(v128.and(q, low), v128.and(i16x8.shl(crumbs, 4), top));
}

// --- one function for each weight type -------------------------------------------------------------------------------

export function streamQ4_0(w: usize, x: usize, s: usize, out: usize, cols: i32, scales: usize): void {
  stream(W_Q4_0, w, x, s, out, cols, scales);
}
export function streamQ4_1(w: usize, x: usize, s: usize, out: usize, cols: i32, scales: usize): void {
  stream(W_Q4_1, w, x, s, out, cols, scales);
}
export function streamQ4_K(w: usize, x: usize, s: usize, out: usize, cols: i32, scales: usize): void {
  stream(W_Q4_K, w, x, s, out, cols, scales);
}
export function streamQ5_0(w: usize, x: usize, s: usize, out: usize, cols: i32, scales: usize): void {
  stream(W_Q5_0, w, x, s, out, cols, scales);
}
export function streamQ5_1(w: usize, x: usize, s: usize, out: usize, cols: i32, scales: usize): void {
  stream(W_Q5_1, w, x, s, out, cols, scales);
}
export function streamQ5_K(w: usize, x: usize, s: usize, out: usize, cols: i32, scales: usize): void {
  stream(W_Q5_K, w, x, s, out, cols, scales);
}
export function streamQ6_K(w: usize, x: usize, s: usize, out: usize, cols: i32, scales: usize): void {
  stream(W_Q6_K, w, x, s, out, cols, scales);
}
export function streamQ8_0(w: usize, x: usize, s: usize, out: usize, cols: i32, scales: usize): void {
  stream(W_Q8_0, w, x, s, out, cols, scales);
}
