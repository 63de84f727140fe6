/** Blocks of 32 weights with one scale, some with a minimum: the formulas of kernels/reference/quantize.ts, bit for bit. */

import { maxLanes, toHalfOrInfinity } from './simd';

/** Scales below the smallest normal f32 have no finite inverse. */
const SMALLEST: f32 = 1.17549435e-38;

/** Four vectors of whole numbers of 0 to 255 as 16 bytes. */
// @ts-ignore: decorator
@inline
export function bytesOf(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

// @ts-ignore: decorator
@inline
function largestMagnitude(x: usize): v128 {
  let largest = f32x4.abs(v128.load(x));
  for (let j: usize = 16; j < 128; j += 16) largest = f32x4.pmax(largest, f32x4.abs(v128.load(x + j)));
  return largest;
}

/** The nearest whole number, halves away from zero. */
// @ts-ignore: decorator
@inline
function rounded(x: v128): v128 {
  const whole = i32x4.relaxed_trunc_f32x4_s(x);
  const rest = f32x4.sub(x, f32x4.convert_i32x4_s(whole)); // exact
  return i32x4.add(whole, i32x4.relaxed_trunc_f32x4_s(f32x4.add(rest, rest)));
}

/** Q8_0. Returns the bytes written; 0 if the scale is too small. */
export function wholeBytes(x: usize, out: usize): usize {
  const d = maxLanes(largestMagnitude(x)) / <f32>127;
  if (d != 0 && d < SMALLEST) return 0;
  const inverse = f32x4.splat(d == 0 ? <f32>0 : <f32>1 / d);
  store<u16>(out, toHalfOrInfinity(d));
  for (let j: usize = 0; j < 2; j++, x += 64) {
    const a = rounded(f32x4.mul(v128.load(x), inverse)), b = rounded(f32x4.mul(v128.load(x, 16), inverse));
    const c = rounded(f32x4.mul(v128.load(x, 32), inverse)), e = rounded(f32x4.mul(v128.load(x, 48), inverse));
    v128.store(out + 16 * j, i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, e)), 2);
  }
  return 34;
}

/** The first number of the largest magnitude. */
// @ts-ignore: decorator
@inline
function furthestFrom0(x: usize): f32 {
  const magnitude = f32x4.splat(maxLanes(largestMagnitude(x)));
  let places = 0;
  for (; places == 0; x += 16) places = i32x4.bitmask(f32x4.eq(f32x4.abs(v128.load(x)), magnitude));
  return load<f32>(x - 16 + 4 * ctz(places));
}

/** Q4_0 and Q5_0: codes around zero; the number furthest from it has code 0. */
export function signed(x: usize, out: usize, fifth: bool): usize {
  const half: f32 = fifth ? 16 : 8;
  const d = furthestFrom0(x) / -half;
  if (d != 0 && abs(d) < SMALLEST) return 0;
  const inverse = f32x4.splat(d == 0 ? <f32>0 : <f32>1 / d);
  store<u16>(out, toHalfOrInfinity(d));
  const middle = f32x4.splat(half + 0.5), most = i32x4.splat(<i32>half * 2 - 1), zero = f32x4.splat(0);
  const low = codes16(x, zero, inverse, middle, most), high = codes16(x + 64, zero, inverse, middle, most);
  return writeCodes(low, high, out, 2, fifth);
}

/** Q4_1 and Q5_1: codes from the smallest number on. */
export function ranged(x: usize, out: usize, fifth: bool): usize {
  let low = v128.load(x), high = low;
  for (let j: usize = 16; j < 128; j += 16) {
    const v = v128.load(x + j);
    low = f32x4.min(low, v);
    high = f32x4.pmax(high, v);
  }
  low = f32x4.min(low, v128.shuffle<i32>(low, low, 2, 3, 0, 1));
  const smallest = f32x4.extract_lane(f32x4.min(low, v128.shuffle<i32>(low, low, 1, 0, 3, 2)), 0);
  const most: i32 = fifth ? 31 : 15;
  const d = (maxLanes(high) - smallest) / <f32>most;
  if (d != 0 && d < SMALLEST) return 0;
  const inverse = f32x4.splat(d == 0 ? <f32>0 : <f32>1 / d);
  store<u16>(out, toHalfOrInfinity(d));
  store<u16>(out, toHalfOrInfinity(smallest), 2);
  const from = f32x4.splat(smallest), middle = f32x4.splat(0.5), last = i32x4.splat(most);
  const first = codes16(x, from, inverse, middle, last), second = codes16(x + 64, from, inverse, middle, last);
  return writeCodes(first, second, out, 4, fifth);
}

/** 16 codes: (x - from) * inverse + middle, cut off, at most `most`. */
// @ts-ignore: decorator
@inline
function codes16(x: usize, from: v128, inverse: v128, middle: v128, most: v128): v128 {
  const a = code4(v128.load(x), from, inverse, middle, most), b = code4(v128.load(x, 16), from, inverse, middle, most);
  const c = code4(v128.load(x, 32), from, inverse, middle, most), d = code4(v128.load(x, 48), from, inverse, middle, most);
  return bytesOf(a, b, c, d);
}

// @ts-ignore: decorator
@inline
function code4(x: v128, from: v128, inverse: v128, middle: v128, most: v128): v128 {
  const code = f32x4.add(f32x4.mul(f32x4.sub(x, from), inverse), middle);
  return i32x4.min_s(i32x4.relaxed_trunc_f32x4_s(code), most);
}

/** Two codes 16 apart in a byte; of five bits the fifth ones in 4 bytes in front. Returns the block's bytes. */
// @ts-ignore: decorator
@inline
function writeCodes(low: v128, high: v128, out: usize, at: usize, fifth: bool): usize {
  if (fifth) {
    store<u32>(out + at, i8x16.bitmask(i8x16.shl(low, 3)) | (i8x16.bitmask(i8x16.shl(high, 3)) << 16));
    at += 4;
    low = v128.and(low, i8x16.splat(15));
  }
  v128.store(out + at, v128.or(low, i8x16.shl(high, 4)));
  return at + 16;
}
