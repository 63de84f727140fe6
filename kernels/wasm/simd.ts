/** Primitives that kernels share: half floats, exp, horizontal sums. */
import { EXP, HALF_MASK, HALF_SCALE } from './layout';

/** a * b + c. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  return f32x4.relaxed_madd(a, b, c);
}

/** Stores 64 bytes from the end: in this order V8 merges adjacent pairs of stores into 256 bits. */
// @ts-ignore: decorator
@inline
export function store16(out: usize, y0: v128, y1: v128, y2: v128, y3: v128): void {
  v128.store(out, y3, 48);
  v128.store(out, y2, 32);
  v128.store(out, y1, 16);
  v128.store(out, y0);
}

/** The f16 in the low half of each word, times 2^-112. */
// @ts-ignore: decorator
@inline
export function lowHalf(words: v128, mask: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(words, 16), 3), mask);
}

/** The f16 in the high half of each word, times 2^-112. */
// @ts-ignore: decorator
@inline
export function highHalf(words: v128, mask: v128): v128 {
  return v128.and(i32x4.shr_s(words, 3), mask);
}

/** The low f16 of each word as f32. */
// @ts-ignore: decorator
@inline
export function lowF32(words: v128): v128 {
  return f32x4.mul(lowHalf(words, v128.load32_splat(HALF_MASK)), v128.load32_splat(HALF_SCALE));
}

/** The high f16 of each word as f32. */
// @ts-ignore: decorator
@inline
export function highF32(words: v128): v128 {
  return f32x4.mul(highHalf(words, v128.load32_splat(HALF_MASK)), v128.load32_splat(HALF_SCALE));
}

/** The f16 at `p` as f32. */
// @ts-ignore: decorator
@inline
export function loadHalf(p: usize): f32 {
  return reinterpret<f32>((<i32>load<i16>(p) << 13) & load<i32>(HALF_MASK)) * load<f32>(HALF_SCALE);
}

/** x as f16, rounded to nearest even; `most` beyond its range: the largest f16, or infinity. */
// @ts-ignore: decorator
@inline
function rounded(x: f32, most: u32): u32 {
  const bits = reinterpret<u32>(x);
  const sign = (bits >> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size < 0x38800000) return sign | <u32>nearest(reinterpret<f32>(size) * 16777216.0); // below 2^-14: subnormal
  const half = (size + 0x0fff + ((size >> 13) & 1) - 0x38000000) >> 13;
  return sign | min(half, most);
}

/** x as f16; the largest f16 beyond its range. */
export function toHalf(x: f32): u32 {
  return rounded(x, 0x7bff);
}

/** x as f16; infinity beyond its range. */
export function toHalfOrInfinity(x: f32): u32 {
  return rounded(x, 0x7c00);
}

/** Sum of 4 lanes in a fixed order. */
// @ts-ignore: decorator
@inline
export function sumLanes(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** Largest of 4 lanes. */
// @ts-ignore: decorator
@inline
export function maxLanes(v: v128): f32 {
  const pairs = f32x4.relaxed_max(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.relaxed_max(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2)), 0);
}

/**
 * exp of 4 lanes; exactly 0 below -87.3, and clamped at 88.3, so it never reaches infinity.
 * x = n ln2 + r: a polynomial in r, with n added to the exponent. The constants are those of ARM's optimized routines
 * (v_expf, 2 ulp). The host writes them to EXP: [0] -87.3, 88.3, 1.5 * 2^23, log2 e, -ln2 high, -ln2 low, [6] c0 to
 * c4, 1.
 */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const lowest = v128.load32_splat(EXP);
  const inRange = f32x4.gt(x, lowest);
  const y = f32x4.relaxed_max(f32x4.relaxed_min(x, v128.load32_splat(EXP, 4)), lowest);
  const shift = v128.load32_splat(EXP, 8); // adding it leaves the rounded integer in the low mantissa bits
  const z = madd(y, v128.load32_splat(EXP, 12), shift);
  const n = f32x4.sub(z, shift);
  const r = madd(n, v128.load32_splat(EXP, 20), madd(n, v128.load32_splat(EXP, 16), y));
  const r2 = f32x4.mul(r, r);
  const high = madd(v128.load32_splat(EXP, 24), r, v128.load32_splat(EXP, 28));
  const low = madd(v128.load32_splat(EXP, 32), r, v128.load32_splat(EXP, 36));
  const p = madd(madd(high, r2, low), r2, f32x4.mul(v128.load32_splat(EXP, 40), r));
  const scale = i32x4.add(i32x4.shl(z, 23), v128.load32_splat(EXP, 44));
  return v128.and(madd(p, scale, scale), inRange);
}

/** 1 - 2 / (1 + e^2x); near 0, where that cancels, its Taylor series up to x^9 (a relative error of 2e-8 at 0.25). */
export function tanh4(x: v128): v128 {
  const one = f32x4.splat(1), two = f32x4.splat(2);
  const far = f32x4.sub(one, f32x4.div(two, f32x4.add(one, exp4(f32x4.mul(x, two)))));
  const x2 = f32x4.mul(x, x);
  let sum = madd(x2, f32x4.splat(62.0 / 2835.0), f32x4.splat(-17.0 / 315.0));
  sum = madd(x2, sum, f32x4.splat(2.0 / 15.0));
  sum = madd(x2, sum, f32x4.splat(-1.0 / 3.0));
  const near = madd(f32x4.mul(x, x2), sum, x);
  return v128.bitselect(near, far, f32x4.lt(f32x4.abs(x), f32x4.splat(0.25)));
}
