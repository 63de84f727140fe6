/** A separate module; the host runs it to pick the kernels for this CPU (dot.ts). */

/** The sum over 4 bytes of x * w, with w read as this CPU reads it; x and w are packed into words. */
export function dot(x: i32, w: i32): i32 {
  return i32x4.extract_lane(v128.relaxed_dot_add<i32>(i32x4.splat(x), i32x4.splat(w), i32x4.splat(0)), 0);
}
