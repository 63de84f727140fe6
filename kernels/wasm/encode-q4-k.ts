/** Blocks of Q4_K and Q5_K, as kernels/reference/quantize-q4-k.ts makes them, in float32. */
import { bytesOf } from './encode-blocks';
import {
  CODES, COUNTS, MINIMA, MINIMUM_CODES, SCALES, SCALE_CODES, SECOND, SUMS, TINY, TRIED, WS, XS, codeOf, floatOf, transpose,
} from './encode-k';
import { madd, sumLanes, toHalfOrInfinity } from './simd';

/**
 * Writes 256 weights at `x`: x is about d * scale * code - dmin * minimum, for each of 8 groups. `importance` is an address
 * of f32 [256], or 0. Returns the bytes written.
 */
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

/** Weights the error of x by |x| and the root mean square of its group. */
function weighBySize(half: usize): void {
  let squares = f32x4.splat(0);
  for (let j: usize = 0; j < 512; j += 16) squares = madd(v128.load(XS + j), v128.load(XS + j), squares);
  const around = f32x4.sqrt(f32x4.div(squares, f32x4.splat(32)));
  for (let j: usize = 0; j < 512; j += 16) v128.store(WS + j, f32x4.add(around, f32x4.abs(v128.load(XS + j))));
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
