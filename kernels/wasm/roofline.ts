/** Peak rates of this machine: bytes read a second and 8-bit multiply-adds a second. The host takes the time. */
import { dot } from './dot';

/** Reads `bytes` bytes (a multiple of 128) once, from front to back; the result only keeps the loads alive. */
export function readRoof(from: usize, bytes: usize): i32 {
  const zero = i32x4.splat(0);
  let a = zero, b = zero, c = zero, d = zero;
  for (let p = from, end = from + bytes; p < end; p += 128) {
    a = v128.or(a, v128.or(v128.load(p), v128.load(p, 64)));
    b = v128.or(b, v128.or(v128.load(p, 16), v128.load(p, 80)));
    c = v128.or(c, v128.or(v128.load(p, 32), v128.load(p, 96)));
    d = v128.or(d, v128.or(v128.load(p, 48), v128.load(p, 112)));
  }
  v128.store(from, v128.or(b, d), 16);
  v128.store(from, v128.or(a, c));
  return load<i32>(from);
}

/** `iterations` times 16 dot products of 16 bytes; operands are in registers or the 128 bytes at `at`, in cache. */
export function multiplyRoof(at: usize, iterations: i32): void {
  const x = v128.load32_splat(at);
  const w0 = v128.load(at, 64), w1 = v128.load(at, 80);
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero;
  let e0 = zero, e1 = zero, f0 = zero, f1 = zero, g0 = zero, g1 = zero, h0 = zero, h1 = zero;
  for (; iterations > 0; iterations--) {
    a0 = dot(x, w0, a0); a1 = dot(x, w1, a1);
    b0 = dot(x, w0, b0); b1 = dot(x, w1, b1);
    c0 = dot(x, w0, c0); c1 = dot(x, w1, c1);
    d0 = dot(x, w0, d0); d1 = dot(x, w1, d1);
    e0 = dot(x, w0, e0); e1 = dot(x, w1, e1);
    f0 = dot(x, w0, f0); f1 = dot(x, w1, f1);
    g0 = dot(x, w0, g0); g1 = dot(x, w1, g1);
    h0 = dot(x, w0, h0); h1 = dot(x, w1, h1);
  }
  const high = i32x4.add(i32x4.add(a1, b1), i32x4.add(c1, d1));
  const low = i32x4.add(i32x4.add(a0, b0), i32x4.add(c0, d0));
  v128.store(at, i32x4.add(high, i32x4.add(i32x4.add(e1, f1), i32x4.add(g1, h1))), 80);
  v128.store(at, i32x4.add(low, i32x4.add(i32x4.add(e0, f0), i32x4.add(g0, h0))), 64);
}
