/**
 * Writes weights as blocks of a tensor type: kernels/reference/quantize.ts in vectors. A module of its own, with a memory
 * of its own (encode-layout.ts); the host copies a tile of weights in and blocks out.
 *
 * Types up to Q5_1 give the reference's bytes; the K types (encode-q4-k.ts, encode-q6-k.ts) search in float32 where it searches in float64.
 */
import { ranged, signed, wholeBytes } from './encode-blocks';
import {
  BF16, ENCODED, F16, F32, IMPORTANCE, NUMBERS, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, SOURCE,
} from './encode-layout';
import { rangedK } from './encode-q4-k';
import { signedK } from './encode-q6-k';

/** Numbers from here on are left to the reference: their squares would be infinite. As bits of an f32: 2^60. */
const HUGE: i32 = 0x5d800000;
const F16_LIMIT: i32 = 0x47800000; // 65536: an f16 whose exponent has all bits set

/**
 * Encodes `count` weights at SOURCE, a multiple of 256; `weighted` with those at IMPORTANCE. False if the reference has to
 * do it: for what is no number, or huge, or a scale too small to be inverted.
 */
export function encode(from: i32, to: i32, count: i32, weighted: bool): bool {
  const numbers = from == F32 ? <usize>SOURCE : <usize>NUMBERS;
  if (from == F16 ? !halves(count) : from == BF16 ? !upperHalves(count) : !finite(count)) return false;
  if (to == F32) memory.copy(ENCODED, numbers, 4 * count);
  else if (to == F16) toHalves(numbers, count);
  else if (to == BF16) toUpperHalves(numbers, count);
  else return blocks(to, numbers, count, weighted);
  return true;
}

function blocks(to: i32, x: usize, count: i32, weighted: bool): bool {
  const end = x + 4 * count;
  const perBlock: usize = to >= Q4_K ? 1024 : 128;
  let out: usize = ENCODED, importance: usize = weighted ? <usize>IMPORTANCE : 0;
  for (; x < end; x += perBlock) {
    let bytes: usize = 0;
    if (to == Q8_0) bytes = wholeBytes(x, out);
    else if (to == Q4_0) bytes = signed(x, out, false);
    else if (to == Q5_0) bytes = signed(x, out, true);
    else if (to == Q4_1) bytes = ranged(x, out, false);
    else if (to == Q5_1) bytes = ranged(x, out, true);
    else if (to == Q6_K) bytes = signedK(x, out, importance);
    else bytes = rangedK(x, out, importance, to == Q5_K);
    if (bytes == 0) return false;
    out += bytes;
    if (weighted) importance += perBlock;
  }
  return true;
}

// --- floats ------------------------------------------------------------------------------------------------------

/** False if a lane of `largest`, the bits of a magnitude, reaches `limit`. */
// @ts-ignore: decorator
@inline
function below(largest: v128, limit: i32): bool {
  return !v128.any_true(i32x4.ge_s(largest, i32x4.splat(limit)));
}

function halves(count: i32): bool {
  const magnitude = i32x4.splat(0x7fffffff), mask = i32x4.splat(0x8fffe000), scale = f32x4.splat(reinterpret<f32>(0x77800000)); // 2^112
  let largest = i32x4.splat(0), to: usize = NUMBERS;
  for (let p: usize = SOURCE, end = p + 2 * count; p < end; p += 16, to += 32) {
    const h = v128.load(p);
    const a = f32x4.mul(v128.and(i32x4.shl(i32x4.extend_low_i16x8_s(h), 13), mask), scale);
    const b = f32x4.mul(v128.and(i32x4.shl(i32x4.extend_high_i16x8_s(h), 13), mask), scale);
    largest = i32x4.max_s(largest, i32x4.max_s(v128.and(a, magnitude), v128.and(b, magnitude)));
    v128.store(to, a);
    v128.store(to, b, 16);
  }
  return below(largest, F16_LIMIT);
}

function upperHalves(count: i32): bool {
  const magnitude = i32x4.splat(0x7fffffff);
  let largest = i32x4.splat(0), to: usize = NUMBERS;
  for (let p: usize = SOURCE, end = p + 2 * count; p < end; p += 16, to += 32) {
    const h = v128.load(p);
    const a = i32x4.shl(i32x4.extend_low_i16x8_u(h), 16);
    const b = i32x4.shl(i32x4.extend_high_i16x8_u(h), 16);
    largest = i32x4.max_s(largest, i32x4.max_s(v128.and(a, magnitude), v128.and(b, magnitude)));
    v128.store(to, a);
    v128.store(to, b, 16);
  }
  return below(largest, HUGE);
}

function finite(count: i32): bool {
  const magnitude = i32x4.splat(0x7fffffff);
  let largest = i32x4.splat(0);
  for (let p: usize = SOURCE, end = p + 4 * count; p < end; p += 16) {
    largest = i32x4.max_s(largest, v128.and(v128.load(p), magnitude));
  }
  return below(largest, HUGE);
}

/** The bits of each f32 as those of an f16, rounded to even; infinity beyond its range. */
// @ts-ignore: decorator
@inline
function half4(x: v128): v128 {
  const size = v128.and(x, i32x4.splat(0x7fffffff));
  const odd = v128.and(i32x4.shr_u(size, 13), i32x4.splat(1));
  const rounded = i32x4.add(i32x4.add(size, odd), i32x4.splat(0x0fff - 0x38000000));
  const normal = i32x4.min_s(i32x4.shr_s(rounded, 13), i32x4.splat(0x7c00));
  const step = f32x4.splat(0.5); // whose last bit is 2^-24, that of a subnormal f16
  const subnormal = i32x4.sub(f32x4.add(size, step), step);
  const half = v128.bitselect(subnormal, normal, i32x4.lt_s(size, i32x4.splat(0x38800000)));
  return v128.or(half, v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000)));
}

function toHalves(x: usize, count: i32): void {
  let to: usize = ENCODED;
  for (const end = x + 4 * count; x < end; x += 32, to += 16) {
    v128.store(to, i16x8.narrow_i32x4_u(half4(v128.load(x)), half4(v128.load(x, 16))));
  }
}

// @ts-ignore: decorator
@inline
function upper4(x: v128): v128 {
  const odd = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  return i32x4.shr_u(i32x4.add(i32x4.add(x, odd), i32x4.splat(0x7fff)), 16);
}

function toUpperHalves(x: usize, count: i32): void {
  let to: usize = ENCODED;
  for (const end = x + 4 * count; x < end; x += 32, to += 16) {
    v128.store(to, i16x8.narrow_i32x4_u(upper4(v128.load(x)), upper4(v128.load(x, 16))));
  }
}
