/** Small pieces that kernels share: dot products, half floats, exp, horizontal sums. */
import { HALF_MASK, HALF_SCALE } from './layout';

/** 4 lanes of i32: acc + the sum over 4 bytes of x (s8) * w; the CPU decides how w is read (layout.ts, UNSIGNED...). */
// @ts-ignore: decorator
@inline
export function dot(x: v128, w: v128, acc: v128): v128 {
  return v128.relaxed_dot_add<i32>(x, w, acc);
}

/** 8 lanes of i16: acc + the sum over 2 bytes of x (s8) * w (0..127); exact while sums stay below 32768. */
// @ts-ignore: decorator
@inline
export function dot16(x: v128, w: v128, acc: v128): v128 {
  return i16x8.add(acc, v128.relaxed_dot<i16>(x, w));
}

/** a * b + c. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  return f32x4.relaxed_madd(a, b, c);
}

/** Two adjacent pairs of stores, the higher of each first: the order in which V8 pairs them into 256 bits. */
// @ts-ignore: decorator
@inline
export function store16(out: usize, y0: v128, y1: v128, y2: v128, y3: v128): void {
  v128.store(out, y3, 48);
  v128.store(out, y2, 32);
  v128.store(out, y1, 16);
  v128.store(out, y0);
}

/** One f16 at `p` as f32. */
// @ts-ignore: decorator
@inline
export function loadHalf(p: usize): f32 {
  return reinterpret<f32>((<i32>load<i16>(p) << 13) & load<i32>(HALF_MASK)) * load<f32>(HALF_SCALE);
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
  return max(
    max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/** Smallest of 4 lanes. */
// @ts-ignore: decorator
@inline
export function minLanes(v: v128): f32 {
  return min(
    min(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    min(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/**
 * exp of 4 lanes; exactly 0 below -87.3, infinity is not reached (arguments are cut at 88.3).
 * x = n ln2 + r, a polynomial in r, n added to the exponent; constants of ARM's optimized routines (v_expf), 2 ulp.
 */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const inRange = f32x4.gt(x, f32x4.splat(-87.3));
  const y = f32x4.max(f32x4.min(x, f32x4.splat(88.3)), f32x4.splat(-87.3));
  const shift = f32x4.splat(12582912.0); // 1.5 * 2^23: adding it leaves the rounded integer in the low mantissa bits
  const z = madd(y, f32x4.splat(1.4426950216293335), shift);
  const n = f32x4.sub(z, shift);
  const r = madd(n, f32x4.splat(-1.428606765330187e-6), madd(n, f32x4.splat(-0.693145751953125), y));
  const r2 = f32x4.mul(r, r);
  const high = madd(f32x4.splat(0.008247390389442444), r, f32x4.splat(0.04189976677298546));
  const low = madd(f32x4.splat(0.16668395698070526), r, f32x4.splat(0.4999912679195404));
  const p = madd(madd(high, r2, low), r2, f32x4.mul(f32x4.splat(0.9999994039535522), r));
  const scale = i32x4.add(i32x4.shl(z, 23), i32x4.splat(0x3f800000));
  return v128.and(madd(p, scale, scale), inRange);
}
