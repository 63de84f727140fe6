/**
 * Blocks of 256 weights of the K types, as kernels/reference/quantize-k.ts makes them, in float32. The search of scales
 * runs in 4 groups at once, one in each lane: no sums across lanes, and every lane takes its own choices.
 */
import { bytesOf } from './encode-blocks';
import { WORK } from './encode-layout';
import { madd, sumLanes, toHalfOrInfinity } from './simd';

const XS: usize = WORK; // f32 [32][4]: the weights of 4 groups
const WS: usize = XS + 512; // f32 [32][4]: what their errors count
const TRIED: usize = WS + 512; // f32 [32][4]: codes
const SCALES: usize = TRIED + 512; // f32 [16]
const MINIMA: usize = SCALES + 64; // f32 [8]
const SUMS: usize = MINIMA + 32; // f32 [8] of WS, by group
const SCALE_CODES: usize = SUMS + 32; // u8 [8] or i8 [16]
const MINIMUM_CODES: usize = SCALE_CODES + 16; // u8 [8]
const CODES: usize = MINIMUM_CODES + 16; // u8 [256]
const SECOND: usize = CODES + 256; // u8 [256]: codes of the scale fitted to the first ones
const COUNTS: usize = SECOND + 256; // f32 [256]: what each weight's error counts, in their order

/** Below this a group counts as zeros (ggml, GROUP_MAX_EPS). */
const TINY: f32 = 1e-15;

// --- 4 or 5 bits: x is about d * scale * code - dmin * minimum, for each of 8 groups -------------------------------

export function rangedK(x: usize, out: usize, importance: usize, fifth: bool): usize {
  const most: f32 = fifth ? 31 : 15;
  countErrors(x, importance);
  for (let half: usize = 0; half < 2; half++) {
    for (let j: usize = 0; j < 128; j += 16) transpose(x + 512 * half + j, 128, XS + 4 * j);
    if (importance == 0) weighBySize(half);
    else for (let j: usize = 0; j < 128; j += 16) transpose(COUNTS + 512 * half + j, 128, WS + 4 * j);
    if (importance != 0) searchRange(most, -0.9, 0.05, 36, half);
    else if (fifth) searchRange(most, -0.5, 0.1, 15, half);
    else searchRange(most, -1, 0.1, 20, half);
  }
  const shared = importance != 0;
  let d = toHalfOrInfinity(shared ? sharedScale(SCALES, SCALE_CODES) : largestScale(SCALES, SCALE_CODES));
  let m = toHalfOrInfinity(shared ? sharedScale(MINIMA, MINIMUM_CODES) : largestScale(MINIMA, MINIMUM_CODES));
  const error = rangedCodes(x, floatOf(d), floatOf(m), most, CODES);
  let codes = CODES;
  fitBoth(x, floatOf(m));
  const D = toHalfOrInfinity(fitted), M = toHalfOrInfinity(fittedMinimum);
  if (rangedCodes(x, floatOf(D), floatOf(M), most, SECOND) < error) {
    d = D;
    m = M;
    codes = SECOND;
  }
  store<u16>(out, d);
  store<u16>(out, m, 2);
  writeScales(out + 4);
  if (!fifth) return writeNibbles(codes, out + 16) - out;
  writeFifths(codes, out + 16);
  return writeNibbles(codes, out + 48) - out;
}

/** What the error of each weight counts, in COUNTS: 1, or by its importance. */
function countErrors(x: usize, importance: usize): void {
  const one = f32x4.splat(1);
  if (importance == 0) {
    for (let j: usize = 0; j < 1024; j += 16) v128.store(COUNTS + j, one);
    return;
  }
  let sum = f32x4.splat(0);
  for (let j: usize = 0; j < 1024; j += 16) sum = madd(v128.load(x + j), v128.load(x + j), sum);
  const spread = f32x4.splat(sumLanes(sum) / 128);
  for (let j: usize = 0; j < 1024; j += 16) {
    const v = v128.load(x + j);
    v128.store(COUNTS + j, f32x4.mul(v128.load(importance + j), f32x4.sqrt(madd(v, v, spread))));
  }
}

/** Four numbers of each of 4 rows, `pitch` bytes apart, as 4 vectors with one of each row. */
// @ts-ignore: decorator
@inline
function transpose(from: usize, pitch: usize, to: usize): void {
  const a = v128.load(from), b = v128.load(from + pitch), c = v128.load(from + 2 * pitch), d = v128.load(from + 3 * pitch);
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i32>(ab, cd, 0, 1, 4, 5));
  v128.store(to, v128.shuffle<i32>(ab, cd, 2, 3, 6, 7), 16);
  v128.store(to, v128.shuffle<i32>(AB, CD, 0, 1, 4, 5), 32);
  v128.store(to, v128.shuffle<i32>(AB, CD, 2, 3, 6, 7), 48);
}

/** Weights the error of x by |x| and the root mean square of its group. */
function weighBySize(half: usize): void {
  let squares = f32x4.splat(0);
  for (let j: usize = 0; j < 512; j += 16) squares = madd(v128.load(XS + j), v128.load(XS + j), squares);
  const around = f32x4.sqrt(f32x4.div(squares, f32x4.splat(32)));
  for (let j: usize = 0; j < 512; j += 16) v128.store(WS + j, f32x4.add(around, f32x4.abs(v128.load(XS + j))));
}

// @ts-ignore: decorator
@inline
function codeOf(value: v128, low: v128, high: v128): v128 {
  return f32x4.relaxed_min(f32x4.relaxed_max(f32x4.nearest(value), low), high);
}

/** The scales and minima of 4 groups, by least squares for each of several inverse scales, to SCALES and MINIMA. */
function searchRange(most: f32, from: f32, by: f32, steps: i32, half: usize): void {
  const zero = f32x4.splat(0), top = f32x4.splat(most);
  let low = zero, high = v128.load(XS), sumW = zero, sumX = zero;
  for (let j: usize = 0; j < 512; j += 16) {
    const v = v128.load(XS + j), w = v128.load(WS + j);
    low = f32x4.relaxed_min(low, v);
    high = f32x4.relaxed_max(high, v);
    sumW = f32x4.add(sumW, w);
    sumX = madd(w, v, sumX);
  }
  const range = f32x4.sub(high, low);
  let scale = f32x4.div(range, top), minimum = low, best = f32x4.splat(Infinity);
  for (let step = -1; step <= steps; step++) {
    // The first try spreads the codes over the range. Later ones start from the best minimum so far, as ggml has it.
    const inverse = f32x4.div(f32x4.splat(step < 0 ? most : from + by * <f32>step + most), f32x4.sub(high, minimum));
    let sumL = zero, sumLL = zero, sumXL = zero;
    for (let j: usize = 0; j < 512; j += 16) {
      const v = v128.load(XS + j);
      const code = codeOf(f32x4.mul(inverse, f32x4.sub(v, minimum)), zero, top);
      v128.store(TRIED + j, code);
      const weighted = f32x4.mul(v128.load(WS + j), code);
      sumL = f32x4.add(sumL, weighted);
      sumLL = madd(weighted, code, sumLL);
      sumXL = madd(weighted, v, sumXL);
    }
    const determinant = f32x4.sub(f32x4.mul(sumW, sumLL), f32x4.mul(sumL, sumL));
    let ownScale = f32x4.div(f32x4.sub(f32x4.mul(sumW, sumXL), f32x4.mul(sumX, sumL)), determinant);
    let ownMinimum = f32x4.div(f32x4.sub(f32x4.mul(sumLL, sumX), f32x4.mul(sumL, sumXL)), determinant);
    const positive = f32x4.gt(ownMinimum, zero);
    ownMinimum = v128.andnot(ownMinimum, positive);
    ownScale = v128.bitselect(f32x4.div(sumXL, sumLL), ownScale, positive);
    if (step < 0) {
      ownScale = scale;
      ownMinimum = minimum;
    }
    let error = zero;
    for (let j: usize = 0; j < 512; j += 16) {
      const difference = madd(ownScale, v128.load(TRIED + j), f32x4.sub(ownMinimum, v128.load(XS + j)));
      error = madd(f32x4.mul(v128.load(WS + j), difference), difference, error);
    }
    let better = f32x4.lt(error, best);
    if (step >= 0) better = v128.and(better, f32x4.gt(determinant, zero));
    best = v128.bitselect(error, best, better);
    scale = v128.bitselect(ownScale, scale, better);
    minimum = v128.bitselect(ownMinimum, minimum, better);
  }
  const flat = f32x4.le(range, zero);
  v128.store(SCALES + 16 * half, v128.andnot(scale, flat));
  v128.store(MINIMA + 16 * half, f32x4.neg(v128.bitselect(low, minimum, flat)));
  v128.store(SUMS + 16 * half, sumW);
}

/** Codes of 6 bits for 8 positive numbers, the largest of which has the last; returns the scale. */
function largestScale(values: usize, into: usize): f32 {
  let most: f32 = 0;
  for (let g: usize = 0; g < 8; g++) most = max(most, load<f32>(values + 4 * g));
  const inverse: f32 = most > 0 ? <f32>63 / most : 0;
  for (let g: usize = 0; g < 8; g++) store<u8>(into + g, code6(inverse * load<f32>(values + 4 * g)));
  return most / 63;
}

/** The same by least squares, weighted with SUMS. */
function sharedScale(values: usize, into: usize): f32 {
  let most: f32 = 0;
  for (let g: usize = 0; g < 8; g++) most = max(most, load<f32>(values + 4 * g));
  store<u64>(into, 0);
  if (most < TINY) return 0;
  let inverse: f32 = 63 / most, best: f32 = Infinity;
  for (let step = -4; step <= 4; step++) {
    const own: f32 = (<f32>0.1 * <f32>step + 63) / most;
    let error: f32 = 0;
    for (let g: usize = 0; g < 8; g++) {
      const value = load<f32>(values + 4 * g);
      const difference = value - <f32>code6(own * value) / own;
      error += load<f32>(SUMS + 4 * g) * difference * difference;
    }
    if (error >= best) continue;
    best = error;
    inverse = own;
  }
  let sumXL: f32 = 0, sumLL: f32 = 0;
  for (let g: usize = 0; g < 8; g++) {
    const value = load<f32>(values + 4 * g), code = code6(inverse * value);
    store<u8>(into + g, code);
    sumXL += load<f32>(SUMS + 4 * g) * value * <f32>code;
    sumLL += load<f32>(SUMS + 4 * g) * <f32>code * <f32>code;
  }
  return sumLL > 0 ? sumXL / sumLL : 0;
}

// @ts-ignore: decorator
@inline
function code6(value: f32): u8 {
  return <u8><i32>max<f32>(0, min<f32>(63, nearest(value)));
}

/** Codes of all groups, as bytes; returns their error. */
function rangedCodes(x: usize, d: f32, m: f32, most: f32, to: usize): f32 {
  const zero = f32x4.splat(0), top = f32x4.splat(most);
  let error = zero;
  for (let g: usize = 0; g < 8; g++) {
    const step = d * <f32>load<u8>(SCALE_CODES + g);
    const scale = f32x4.splat(step), minimum = f32x4.splat(m * <f32>load<u8>(MINIMUM_CODES + g));
    const inverse = f32x4.splat(step == 0 ? <f32>0 : <f32>1 / step);
    for (let j: usize = 128 * g; j < 128 * g + 128; j += 64) {
      for (let k: usize = 0; k < 64; k += 16) {
        const shifted = f32x4.add(v128.load(x + j + k), minimum);
        const code = codeOf(f32x4.mul(shifted, inverse), zero, top);
        const difference = f32x4.sub(shifted, f32x4.mul(scale, code));
        error = madd(f32x4.mul(v128.load(COUNTS + j + k), difference), difference, error);
        v128.store(TRIED + k, i32x4.relaxed_trunc_f32x4_s(code));
      }
      v128.store(to + (j >> 2), bytesOf(v128.load(TRIED), v128.load(TRIED, 16), v128.load(TRIED, 32), v128.load(TRIED, 48)));
    }
  }
  return sumLanes(error);
}

let fitted: f32 = 0;
let fittedMinimum: f32 = 0;

/** The d and dmin of least error for the codes and scales there are. */
function fitBoth(x: usize, m: f32): void {
  let yy: f64 = 0, yz: f64 = 0, zz: f64 = 0, xy: f64 = 0, xz: f64 = 0;
  for (let g: usize = 0; g < 8; g++) {
    const s = <f64>load<u8>(SCALE_CODES + g), z = <f64>load<u8>(MINIMUM_CODES + g);
    let sumW = f32x4.splat(0), sumX = sumW, sumL = sumW, sumLL = sumW, sumXL = sumW;
    for (let j: usize = 32 * g; j < 32 * g + 32; j += 4) {
      const code = f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(CODES + j))));
      const w = v128.load(COUNTS + 4 * j), v = v128.load(x + 4 * j);
      const weighted = f32x4.mul(w, code);
      sumW = f32x4.add(sumW, w);
      sumX = madd(w, v, sumX);
      sumL = f32x4.add(sumL, weighted);
      sumLL = madd(weighted, code, sumLL);
      sumXL = madd(weighted, v, sumXL);
    }
    yy += s * s * <f64>sumLanes(sumLL);
    yz += s * z * <f64>sumLanes(sumL);
    zz += z * z * <f64>sumLanes(sumW);
    xy += s * <f64>sumLanes(sumXL);
    xz += z * <f64>sumLanes(sumX);
  }
  const determinant = yy * zz - yz * yz;
  fitted = <f32>(determinant > 0 ? (xy * zz - xz * yz) / determinant : (xy + <f64>m * yz) / yy);
  fittedMinimum = determinant > 0 ? <f32>((yz * xy - yy * xz) / determinant) : m;
}

// --- 6 bits: x is about d * scale * (code - 32), for each of 16 groups ----------------------------------------------

export function signedK(x: usize, out: usize, importance: usize): usize {
  const one = f32x4.splat(1);
  for (let j: usize = 0; j < 1024; j += 16) v128.store(COUNTS + j, importance ? v128.load(importance + j) : one);
  for (let quarter: usize = 0; quarter < 4; quarter++) {
    for (let j: usize = 0; j < 64; j += 16) {
      transpose(x + 256 * quarter + j, 64, XS + 4 * j);
      if (importance) transpose(importance + 256 * quarter + j, 64, WS + 4 * j);
      else for (let k: usize = 4 * j; k < 4 * j + 64; k += 16) v128.store(WS + k, f32x4.mul(v128.load(XS + k), v128.load(XS + k)));
    }
    v128.store(SCALES + 16 * quarter, searchScale());
  }
  let largest: f32 = 0;
  for (let g: usize = 0; g < 16; g++) {
    const scale = load<f32>(SCALES + 4 * g);
    if (abs(scale) > abs(largest)) largest = scale;
  }
  if (abs(largest) < TINY) {
    memory.fill(out, 0, 210);
    return 210;
  }
  const inverse: f32 = -128 / largest;
  for (let g: usize = 0; g < 16; g++) {
    const code = max<f32>(-128, min<f32>(127, nearest(inverse * load<f32>(SCALES + 4 * g))));
    store<i8>(SCALE_CODES + g, <i8><i32>code);
  }
  let d = toHalfOrInfinity(1 / inverse), codes = CODES;
  const error = signedCodes(x, floatOf(d), CODES);
  const D = toHalfOrInfinity(fitOne(x));
  if (signedCodes(x, floatOf(D), SECOND) < error) {
    d = D;
    codes = SECOND;
  }
  writeSixes(codes, out);
  v128.store(out + 192, v128.load(SCALE_CODES));
  store<u16>(out + 208, d);
  return 210;
}

/** The scales of 4 groups of 16 by least squares, for each of several inverses. */
function searchScale(): v128 {
  const zero = f32x4.splat(0), low = f32x4.splat(-32), high = f32x4.splat(31);
  let furthest = zero;
  for (let j: usize = 0; j < 256; j += 16) {
    const v = v128.load(XS + j);
    furthest = v128.bitselect(v, furthest, f32x4.gt(f32x4.abs(v), f32x4.abs(furthest)));
  }
  const nothing = f32x4.lt(f32x4.abs(furthest), f32x4.splat(TINY));
  let scale = zero, best = f32x4.splat(-1);
  for (let step = -9; step <= 9; step++) {
    const inverse = f32x4.div(f32x4.splat(-32 - <f32>0.1 * <f32>step), furthest);
    let sumXL = zero, sumLL = zero;
    for (let j: usize = 0; j < 256; j += 16) {
      const v = v128.load(XS + j);
      const code = codeOf(f32x4.mul(inverse, v), low, high);
      const weighted = f32x4.mul(v128.load(WS + j), code);
      sumXL = madd(weighted, v, sumXL);
      sumLL = madd(weighted, code, sumLL);
    }
    const more = f32x4.gt(f32x4.mul(sumXL, sumXL), f32x4.mul(best, sumLL));
    const better = v128.and(f32x4.gt(sumLL, zero), more);
    const own = f32x4.div(sumXL, sumLL);
    scale = v128.bitselect(own, scale, better);
    best = v128.bitselect(f32x4.mul(own, sumXL), best, better);
  }
  return v128.andnot(scale, nothing);
}

/** Codes of all groups plus 32, as bytes; returns their error. */
function signedCodes(x: usize, d: f32, to: usize): f32 {
  const low = f32x4.splat(-32), high = f32x4.splat(31), middle = i32x4.splat(32);
  let error = f32x4.splat(0);
  for (let g: usize = 0; g < 16; g++) {
    const step = d * <f32>load<i8>(SCALE_CODES + g);
    const scale = f32x4.splat(step), inverse = f32x4.splat(step == 0 ? <f32>0 : <f32>1 / step);
    for (let k: usize = 0; k < 64; k += 16) {
      const v = v128.load(x + 64 * g + k);
      const code = codeOf(f32x4.mul(v, inverse), low, high);
      const difference = f32x4.sub(v, f32x4.mul(scale, code));
      error = madd(f32x4.mul(v128.load(COUNTS + 64 * g + k), difference), difference, error);
      v128.store(TRIED + k, i32x4.add(i32x4.relaxed_trunc_f32x4_s(code), middle));
    }
    v128.store(to + 16 * g, bytesOf(v128.load(TRIED), v128.load(TRIED, 16), v128.load(TRIED, 32), v128.load(TRIED, 48)));
  }
  return sumLanes(error);
}

/** The d of least error for the codes and scales there are. */
function fitOne(x: usize): f32 {
  const middle = f32x4.splat(32);
  let xy: f64 = 0, yy: f64 = 0;
  for (let g: usize = 0; g < 16; g++) {
    const s = <f64>load<i8>(SCALE_CODES + g);
    let sumXL = f32x4.splat(0), sumLL = sumXL;
    for (let j: usize = 16 * g; j < 16 * g + 16; j += 4) {
      const bytes = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(CODES + j)));
      const code = f32x4.sub(f32x4.convert_i32x4_u(bytes), middle);
      const weighted = f32x4.mul(v128.load(COUNTS + 4 * j), code);
      sumXL = madd(weighted, v128.load(x + 4 * j), sumXL);
      sumLL = madd(weighted, code, sumLL);
    }
    xy += s * <f64>sumLanes(sumXL);
    yy += s * s * <f64>sumLanes(sumLL);
  }
  return <f32>(xy / yy);
}

// --- bytes -----------------------------------------------------------------------------------------------------------

/** An f16 as f32; what has all bits of the exponent set becomes a large number. */
// @ts-ignore: decorator
@inline
function floatOf(half: u32): f32 {
  return reinterpret<f32>((<i32><i16>half << 13) & 0x8fffe000) * reinterpret<f32>(0x77800000);
}

/** 8 scales and 8 minima of 6 bits in 12 bytes. */
function writeScales(out: usize): void {
  for (let g: usize = 0; g < 4; g++) {
    const scale = load<u8>(SCALE_CODES + g), minimum = load<u8>(MINIMUM_CODES + g);
    const nextScale = load<u8>(SCALE_CODES + g, 4), nextMinimum = load<u8>(MINIMUM_CODES + g, 4);
    store<u8>(out + g, scale | ((nextScale >> 4) << 6));
    store<u8>(out + g, minimum | ((nextMinimum >> 4) << 6), 4);
    store<u8>(out + g, (nextScale & 15) | ((nextMinimum & 15) << 4), 8);
  }
}

/** The lower four bits, two codes 32 apart in a byte; returns the end. */
function writeNibbles(codes: usize, out: usize): usize {
  const low = i8x16.splat(15);
  for (let half: usize = 0; half < 256; half += 64, out += 32) {
    for (let j: usize = 0; j < 32; j += 16) {
      const first = v128.and(v128.load(codes + half + j), low);
      v128.store(out + j, v128.or(first, i8x16.shl(v128.load(codes + half + j, 32), 4)));
    }
  }
  return out;
}

/** 32 bytes, each with the fifth bits of a code of every group. */
function writeFifths(codes: usize, out: usize): void {
  for (let j: usize = 0; j < 32; j += 16) {
    let bits = i8x16.splat(0);
    for (let g: usize = 0; g < 8; g++) {
      bits = v128.or(bits, i8x16.shl(i8x16.shr_u(v128.load(codes + 32 * g + j), 4), <i32>g));
    }
    v128.store(out + j, bits);
  }
}

/** 128 bytes of the lower four bits, then 64 of the upper two. */
function writeSixes(codes: usize, out: usize): void {
  const low = i8x16.splat(15);
  for (let half: usize = 0; half < 2; half++) {
    const from = codes + 128 * half, lower = out + 64 * half, upper = out + 128 + 32 * half;
    for (let j: usize = 0; j < 32; j += 16) {
      const a = v128.load(from + j), b = v128.load(from + j, 32), c = v128.load(from + j, 64), d = v128.load(from + j, 96);
      v128.store(lower + j, v128.or(v128.and(a, low), i8x16.shl(c, 4)));
      v128.store(lower + j, v128.or(v128.and(b, low), i8x16.shl(d, 4)), 32);
      const ab = v128.or(i8x16.shr_u(a, 4), i8x16.shl(i8x16.shr_u(b, 4), 2));
      const cd = v128.or(i8x16.shl(i8x16.shr_u(c, 4), 4), i8x16.shl(i8x16.shr_u(d, 4), 6));
      v128.store(upper + j, v128.or(ab, cd));
    }
  }
}
