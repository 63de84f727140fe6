/**
 * Integer products of one token with an unpacked panel (panel.ts), for types that no streaming kernel covers
 * (matmul-int-gemv.ts). Activations and the order of float operations are the same as there.
 */
import { dot, dot16, WIDE_SHIFT } from './dot';
import { BLOCK_SCALE, LOW_SUM, NEGATIVE_SUM, SATURATING, SCALE_BYTES, SCALED_SUM } from './layout';
import { planes } from './matmul-int-tile';
import { madd, store16 } from './simd';

/** out[16]; parameters as for a tile of 4 tokens (matmul-int-tile.ts). */
// @ts-ignore: decorator
@inline
function row(
  w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32, MIN: bool, FINE: bool, SHIFT: i32,
): void {
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, y2 = zero, y3 = zero;
  let half: usize = 0;
  for (let b = FINE ? 2 * blocks : blocks; b > 0; b--) {
    let a0 = SHIFT < 0 ? zero : i32x4.shl(v128.load32_splat(s, NEGATIVE_SUM), SHIFT);
    let a1 = a0, a2 = a0, a3 = a0;
    for (let k = FINE ? 4 : 8; k > 0; k--) {
      const t = v128.load32_splat(x);
      a0 = dot(t, v128.load(w), a0);
      a1 = dot(t, v128.load(w, 16), a1);
      a2 = dot(t, v128.load(w, 32), a2);
      a3 = dot(t, v128.load(w, 48), a3);
      w += 64;
      x += 4;
    }
    const f = v128.load32_splat(s, BLOCK_SCALE);
    y0 = madd(f32x4.convert_i32x4_s(a0), f32x4.mul(v128.load(d), f), y0);
    y1 = madd(f32x4.convert_i32x4_s(a1), f32x4.mul(v128.load(d, 16), f), y1);
    y2 = madd(f32x4.convert_i32x4_s(a2), f32x4.mul(v128.load(d, 32), f), y2);
    y3 = madd(f32x4.convert_i32x4_s(a3), f32x4.mul(v128.load(d, 48), f), y3);
    if (MIN) {
      const g = FINE ? v128.load32_splat(s + half, LOW_SUM) : v128.load32_splat(s, SCALED_SUM);
      y0 = madd(v128.load(d, 64), g, y0);
      y1 = madd(v128.load(d, 80), g, y1);
      y2 = madd(v128.load(d, 96), g, y2);
      y3 = madd(v128.load(d, 112), g, y3);
    }
    d += 128;
    if (FINE) {
      s += (half >> 2) * SCALE_BYTES;
      half ^= 4;
    } else s += SCALE_BYTES;
  }
  store16(out, y0, y1, y2, y3);
}

export function rowMin(w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  row(w, d, x, s, out, blocks, true, false, -1);
}

export function rowFine(w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  row(w, d, x, s, out, blocks, true, true, -1);
}

/** 8-bit weights, in the form for the class of CPU (panel.ts). */
export function rowWide(w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  if (DOT_CLASS != SATURATING) row(w, d, x, s, out, blocks, false, false, WIDE_SHIFT);
  else rowPlanes(w, d, x, s, out, blocks);
}

function rowPlanes(w: usize, d: usize, x: usize, s: usize, out: usize, blocks: i32): void {
  const zero = i32x4.splat(0);
  let y0 = zero, y1 = zero, y2 = zero, y3 = zero;
  for (let b = 0; b < blocks; b++) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    for (let k = 0; k < 8; k++) {
      const t = v128.load32_splat(x);
      a0 = dot16(t, v128.load(w), a0);
      a1 = dot16(t, v128.load(w, 16), a1);
      a2 = dot16(t, v128.load(w, 32), a2);
      a3 = dot16(t, v128.load(w, 48), a3);
      h0 = dot16(t, v128.load(w, 64), h0);
      h1 = dot16(t, v128.load(w, 80), h1);
      h2 = dot16(t, v128.load(w, 96), h2);
      h3 = dot16(t, v128.load(w, 112), h3);
      w += 128;
      x += 4;
    }
    const f = v128.load32_splat(s, BLOCK_SCALE), bias = i32x4.shl(v128.load32_splat(s, NEGATIVE_SUM), 7);
    y0 = madd(f32x4.convert_i32x4_s(i32x4.add(planes(a0, h0), bias)), f32x4.mul(v128.load(d), f), y0);
    y1 = madd(f32x4.convert_i32x4_s(i32x4.add(planes(a1, h1), bias)), f32x4.mul(v128.load(d, 16), f), y1);
    y2 = madd(f32x4.convert_i32x4_s(i32x4.add(planes(a2, h2), bias)), f32x4.mul(v128.load(d, 32), f), y2);
    y3 = madd(f32x4.convert_i32x4_s(i32x4.add(planes(a3, h3), bias)), f32x4.mul(v128.load(d, 48), f), y3);
    d += 128;
    s += SCALE_BYTES;
  }
  store16(out, y0, y1, y2, y3);
}
