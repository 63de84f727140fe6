/**
 * Quantizes activations to 8 bits, with a scale for each block of 32. The value of largest magnitude becomes -128,
 * whatever its sign: the scale carries the sign. So a step is 1/128 of that value; the same magnitude with the other
 * sign saturates at 127.
 */
import { BLOCK, BLOCK_SCALE, EXP, HIGH_SUM, LOW_SUM, NEGATIVE_SUM, SCALE_BYTES, SCALED_SUM } from './layout';
import { madd } from './simd';

/** Four f32 vectors times `inverse`, rounded to 16 bytes: adding 1.5 * 2^23 leaves the integer in the low bits. */
// @ts-ignore: decorator
@inline
export function pack(p: usize, inverse: v128): v128 {
  const shift = v128.load32_splat(EXP, 8);
  const a = i32x4.sub(madd(v128.load(p), inverse, shift), shift);
  const b = i32x4.sub(madd(v128.load(p, 16), inverse, shift), shift);
  const c = i32x4.sub(madd(v128.load(p, 32), inverse, shift), shift);
  const d = i32x4.sub(madd(v128.load(p, 48), inverse, shift), shift);
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

// @ts-ignore: decorator
@inline
function larger(a: v128, b: v128): v128 {
  return i32x4.max_s(a, b);
}

// @ts-ignore: decorator
@inline
function lower(a: v128, b: v128): v128 {
  return i32x4.max_u(a, b);
}

/**
 * The value of largest magnitude among 32; NaN if one is. Compared as integers: positive floats are in order as signed
 * ones, negative floats by magnitude as unsigned ones, and NaN is above infinity.
 */
// @ts-ignore: decorator
@inline
export function peakOf(p: usize): f32 {
  const a = v128.load(p), b = v128.load(p, 16), c = v128.load(p, 32), d = v128.load(p, 48);
  const e = v128.load(p, 64), f = v128.load(p, 80), g = v128.load(p, 96), h = v128.load(p, 112);
  const high = larger(larger(larger(a, b), larger(c, d)), larger(larger(e, f), larger(g, h)));
  const low = f32x4.neg(lower(lower(lower(a, b), lower(c, d)), lower(lower(e, f), lower(g, h))));
  const pairs = larger(v128.shuffle<i32>(high, low, 0, 1, 4, 5), v128.shuffle<i32>(high, low, 2, 3, 6, 7));
  const both = larger(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2)); // highest, highest, -lowest, -lowest
  const highest = i32x4.extract_lane(both, 0);
  const lowest = i32x4.extract_lane(both, 2);
  return highest > lowest ? reinterpret<f32>(highest) : -reinterpret<f32>(lowest);
}

/** Sums of two groups of 16 signed bytes, in lanes 0 and 2. */
// @ts-ignore: decorator
@inline
function sumBytes(low: v128, high: v128): v128 {
  const a = i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(low));
  const b = i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(high));
  const pairs = i32x4.add(v128.shuffle<i32>(a, b, 0, 1, 4, 5), v128.shuffle<i32>(a, b, 2, 3, 6, 7));
  return i32x4.add(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2));
}

/** out = x less what its codes stand for, f32 [cols]: what a second plane of codes holds. */
export function residueRow(x: usize, out: usize, cols: i32): void {
  for (let b = 0; b < cols; b += BLOCK, x += BLOCK * 4, out += BLOCK * 4) {
    const peak = peakOf(x);
    const inverse = f32x4.splat(peak != 0 ? -128.0 / peak : 0), step = f32x4.splat(peak * 0.0078125); // less the scale
    for (let half: usize = 0; half < 128; half += 64) {
      const codes = pack(x + half, inverse);
      const low = i16x8.extend_low_i8x16_s(codes), high = i16x8.extend_high_i8x16_s(codes);
      residue4(x + half, i32x4.extend_low_i16x8_s(low), step, out + half);
      residue4(x + half + 16, i32x4.extend_high_i16x8_s(low), step, out + half + 16);
      residue4(x + half + 32, i32x4.extend_low_i16x8_s(high), step, out + half + 32);
      residue4(x + half + 48, i32x4.extend_high_i16x8_s(high), step, out + half + 48);
    }
  }
}

// @ts-ignore: decorator
@inline
function residue4(x: usize, codes: v128, step: v128, out: usize): void {
  v128.store(out, madd(f32x4.convert_i32x4_s(codes), step, v128.load(x)));
}

/**
 * Quantizes one token of a tile of `tokens`: x f32 [cols] to codes [block][8 steps][tokens][4 k] and records of scales
 * [block][tokens] (layout.ts, BLOCK_SCALE ...). `codes` and `scales` point at the first entry of the token.
 */
export function quantizeRow(x: usize, codes: usize, scales: usize, cols: i32, tokens: i32): void {
  const stride = <usize>tokens << 2;
  for (let b = 0; b < cols; b += BLOCK) {
    const peak = peakOf(x);
    const inverse = f32x4.splat(peak != 0 ? -128.0 / peak : 0);
    const low = pack(x, inverse);
    const high = pack(x + 64, inverse);
    store<i32>(codes, i32x4.extract_lane(low, 0));
    store<i32>(codes + stride, i32x4.extract_lane(low, 1));
    store<i32>(codes + 2 * stride, i32x4.extract_lane(low, 2));
    store<i32>(codes + 3 * stride, i32x4.extract_lane(low, 3));
    store<i32>(codes + 4 * stride, i32x4.extract_lane(high, 0));
    store<i32>(codes + 5 * stride, i32x4.extract_lane(high, 1));
    store<i32>(codes + 6 * stride, i32x4.extract_lane(high, 2));
    store<i32>(codes + 7 * stride, i32x4.extract_lane(high, 3));
    const sums = sumBytes(low, high);
    const sumLow = i32x4.extract_lane(sums, 0);
    const sumHigh = i32x4.extract_lane(sums, 2);
    const sum = sumLow + sumHigh;
    const scale = peak * -0.0078125;
    store<f32>(scales, scale, BLOCK_SCALE);
    store<f32>(scales, scale * <f32>sum, SCALED_SUM);
    store<i32>(scales, -sum, NEGATIVE_SUM);
    store<f32>(scales, scale * <f32>sumLow, LOW_SUM);
    store<f32>(scales, scale * <f32>sumHigh, HIGH_SUM);
    x += BLOCK * 4;
    codes += 8 * stride;
    scales += tokens * SCALE_BYTES;
  }
}
