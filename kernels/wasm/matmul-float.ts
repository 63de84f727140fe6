/**
 * Float products: 16 weight rows times 1 or 4 tokens. A result is one chain of fused multiply-adds over all of K, so
 * the bits of a token do not depend on the tile. Weights: f32 [k][16 rows], or f16 and bf16 [k / 2][16 rows][2 k].
 * Activations: f32 [k][M].
 */
import { HALF_IN, HALF_MASK, HALF_OUT, HALF_SCALE, UPPER_HALF, W_BF16, W_F16 } from './layout';
import { highHalf, lowHalf, madd, store16 } from './simd';

/** out[4][16] = 4 tokens times a panel of f32; attention uses it for scores and mixing. */
export function tileF32(w: usize, x: usize, out: usize, k: i32): void {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  let b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  let c0 = zero, c1 = zero, c2 = zero, c3 = zero;
  let e0 = zero, e1 = zero, e2 = zero, e3 = zero;
  for (; k > 0; k--) {
    const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    let t = v128.load32_splat(x);
    a0 = madd(w0, t, a0); a1 = madd(w1, t, a1); a2 = madd(w2, t, a2); a3 = madd(w3, t, a3);
    t = v128.load32_splat(x, 4);
    b0 = madd(w0, t, b0); b1 = madd(w1, t, b1); b2 = madd(w2, t, b2); b3 = madd(w3, t, b3);
    t = v128.load32_splat(x, 8);
    c0 = madd(w0, t, c0); c1 = madd(w1, t, c1); c2 = madd(w2, t, c2); c3 = madd(w3, t, c3);
    t = v128.load32_splat(x, 12);
    e0 = madd(w0, t, e0); e1 = madd(w1, t, e1); e2 = madd(w2, t, e2); e3 = madd(w3, t, e3);
    w += 64;
    x += 16;
  }
  store16(out, a0, a1, a2, a3);
  store16(out + 64, b0, b1, b2, b3);
  store16(out + 128, c0, c1, c2, c3);
  store16(out + 192, e0, e1, e2, e3);
}

/** The same with f16 [k / 2][16][2 k]: expects x scaled by 2^100, and its results are 2^-12 too small. */
export function tileF16(w: usize, x: usize, out: usize, k: i32): void {
  tileHalf(W_F16, false, w, x, out, k);
}

/** The same with a group of f16 or bf16 in its layout in memory. */
export function streamHalf(type: i32, w: usize, x: usize, out: usize, k: i32): void {
  if (type == W_F16) tileHalf(W_F16, true, w, x, out, k);
  else tileHalf(W_BF16, false, w, x, out, k);
}

/** `SCALED`: scale f16 weights here, not in the caller. */
// @ts-ignore: decorator
@inline
function tileHalf(TYPE: i32, SCALED: bool, w: usize, x: usize, out: usize, k: i32): void {
  const mask = v128.load32_splat(TYPE == W_F16 ? HALF_MASK : UPPER_HALF);
  const scale = v128.load32_splat(HALF_SCALE);
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  let b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  let c0 = zero, c1 = zero, c2 = zero, c3 = zero;
  let e0 = zero, e1 = zero, e2 = zero, e3 = zero;
  for (let i = 0; i < k; i++) {
    // Even k reads the low halves of the words, odd k the high halves of the same words.
    let w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    const up = (i & 1) == 0 ? 16 : 0;
    w0 = half(TYPE, SCALED, w0, up, mask, scale);
    w1 = half(TYPE, SCALED, w1, up, mask, scale);
    w2 = half(TYPE, SCALED, w2, up, mask, scale);
    w3 = half(TYPE, SCALED, w3, up, mask, scale);
    let t = v128.load32_splat(x);
    a0 = madd(w0, t, a0); a1 = madd(w1, t, a1); a2 = madd(w2, t, a2); a3 = madd(w3, t, a3);
    t = v128.load32_splat(x, 4);
    b0 = madd(w0, t, b0); b1 = madd(w1, t, b1); b2 = madd(w2, t, b2); b3 = madd(w3, t, b3);
    t = v128.load32_splat(x, 8);
    c0 = madd(w0, t, c0); c1 = madd(w1, t, c1); c2 = madd(w2, t, c2); c3 = madd(w3, t, c3);
    t = v128.load32_splat(x, 12);
    e0 = madd(w0, t, e0); e1 = madd(w1, t, e1); e2 = madd(w2, t, e2); e3 = madd(w3, t, e3);
    w += <usize>((i & 1) << 6);
    x += 16;
  }
  store16(out, a0, a1, a2, a3);
  store16(out + 64, b0, b1, b2, b3);
  store16(out + 128, c0, c1, c2, c3);
  store16(out + 192, e0, e1, e2, e3);
}

// @ts-ignore: decorator
@inline
function half(TYPE: i32, SCALED: bool, words: v128, up: i32, mask: v128, scale: v128): v128 {
  const top = i32x4.shl(words, up);
  const value = v128.and(TYPE == W_F16 ? i32x4.shr_s(top, 3) : top, mask);
  return SCALED ? f32x4.mul(value, scale) : value;
}

/** out[16] = one token times a group of weight type `type`. */
export function gemvFloat(type: i32, w: usize, x: usize, out: usize, k: i32): void {
  if (type == W_F16) gemvF16(w, x, out, k);
  else if (type == W_BF16) gemvBF16(w, x, out, k);
  else gemvF32(w, x, out, k);
}

function gemvF32(w: usize, x: usize, out: usize, k: i32): void {
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0;
  for (; k > 0; k--) {
    const t = v128.load32_splat(x);
    y0 = madd(v128.load(w), t, y0);
    y1 = madd(v128.load(w, 16), t, y1);
    y2 = madd(v128.load(w, 32), t, y2);
    y3 = madd(v128.load(w, 48), t, y3);
    w += 64;
    x += 4;
  }
  store16(out, y0, y1, y2, y3);
}

function gemvF16(w: usize, x: usize, out: usize, k: i32): void {
  const mask = v128.load32_splat(HALF_MASK);
  const scale = v128.load32_splat(HALF_IN);
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0;
  for (; k > 1; k -= 2) {
    const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    const even = f32x4.mul(v128.load32_splat(x), scale);
    const odd = f32x4.mul(v128.load32_splat(x, 4), scale);
    y0 = madd(highHalf(w0, mask), odd, madd(lowHalf(w0, mask), even, y0));
    y1 = madd(highHalf(w1, mask), odd, madd(lowHalf(w1, mask), even, y1));
    y2 = madd(highHalf(w2, mask), odd, madd(lowHalf(w2, mask), even, y2));
    y3 = madd(highHalf(w3, mask), odd, madd(lowHalf(w3, mask), even, y3));
    w += 64;
    x += 8;
  }
  if (k > 0) {
    const even = f32x4.mul(v128.load32_splat(x), scale);
    y0 = madd(lowHalf(v128.load(w), mask), even, y0);
    y1 = madd(lowHalf(v128.load(w, 16), mask), even, y1);
    y2 = madd(lowHalf(v128.load(w, 32), mask), even, y2);
    y3 = madd(lowHalf(v128.load(w, 48), mask), even, y3);
  }
  const back = v128.load32_splat(HALF_OUT);
  store16(out, f32x4.mul(y0, back), f32x4.mul(y1, back), f32x4.mul(y2, back), f32x4.mul(y3, back));
}

function gemvBF16(w: usize, x: usize, out: usize, k: i32): void {
  const upper = v128.load32_splat(UPPER_HALF);
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0;
  for (; k > 1; k -= 2) {
    const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    const even = v128.load32_splat(x), odd = v128.load32_splat(x, 4);
    y0 = madd(v128.and(w0, upper), odd, madd(i32x4.shl(w0, 16), even, y0));
    y1 = madd(v128.and(w1, upper), odd, madd(i32x4.shl(w1, 16), even, y1));
    y2 = madd(v128.and(w2, upper), odd, madd(i32x4.shl(w2, 16), even, y2));
    y3 = madd(v128.and(w3, upper), odd, madd(i32x4.shl(w3, 16), even, y3));
    w += 64;
    x += 8;
  }
  if (k > 0) {
    const even = v128.load32_splat(x);
    y0 = madd(i32x4.shl(v128.load(w), 16), even, y0);
    y1 = madd(i32x4.shl(v128.load(w, 16), 16), even, y1);
    y2 = madd(i32x4.shl(v128.load(w, 32), 16), even, y2);
    y3 = madd(i32x4.shl(v128.load(w, 48), 16), even, y3);
  }
  store16(out, y0, y1, y2, y3);
}
