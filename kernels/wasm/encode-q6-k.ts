/** Blocks of Q6_K, as kernels/reference/quantize-q6-k.ts makes them, in float32. */
import { bytesOf } from './encode-blocks';
import {
  CODES, COUNTS, SCALES, SCALE_CODES, SECOND, TINY, TRIED, WS, XS, codeOf, floatOf, transpose,
} from './encode-k';
import { madd, sumLanes, toHalfOrInfinity } from './simd';

/** The same with x about d * scale * (code - 32), for each of 16 groups; see rangedK. */
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
