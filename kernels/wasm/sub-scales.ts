/** Byte scales, four to a word (weight-layout.ts, "subs"), for 4 rows at once. `p` is the address of scales 0 to 3. */

/** Scale `j` of 4 rows as i32, 0..255. */
// @ts-ignore: decorator
@inline
export function subByte(p: usize, j: i32): v128 {
  return v128.and(i32x4.shr_u(v128.load(p + <usize>((j >> 2) << 6)), (j & 3) << 3), i32x4.splat(255));
}

/** Scale `j` of 4 rows as f32, 0..255. */
// @ts-ignore: decorator
@inline
export function unsignedSub(p: usize, j: i32): v128 {
  return f32x4.convert_i32x4_s(subByte(p, j));
}

/** Scale `j` of 4 rows as f32, -128..127. */
// @ts-ignore: decorator
@inline
export function signedSub(p: usize, j: i32): v128 {
  const top = i32x4.shl(v128.load(p + <usize>((j >> 2) << 6)), 24 - ((j & 3) << 3));
  return f32x4.convert_i32x4_s(i32x4.shr_s(top, 24));
}
