/**
 * out[i] = exp(x[i] - max x) / sum over j of exp(x[j] - max x), for rows of f32 whose allocation is padded to 16
 * floats. The padding counts neither for the maximum nor for the sum: it may hold anything, even NaN.
 */
import { exp4, maxLanes, sumLanes } from './simd';

/** Lanes of the vector at column i; lanes beyond the row are minus infinity, whose exp is 0. */
// @ts-ignore: decorator
@inline
function lanes(x: usize, i: i32, cols: i32): v128 {
  const inside = i32x4.lt_s(i32x4.add(i32x4.splat(i), i32x4(0, 1, 2, 3)), i32x4.splat(cols));
  return v128.bitselect(v128.load(x + (i << 2)), f32x4.splat(-Infinity), inside);
}

/** One row; works in place. Writes whole vectors, so up to 3 floats of padding. */
export function softmaxRow(x: usize, out: usize, cols: i32): void {
  let top = f32x4.splat(-Infinity);
  for (let i = 0; i < cols; i += 4) top = f32x4.max(top, lanes(x, i, cols));
  const max = f32x4.splat(maxLanes(top));

  let sums = f32x4.splat(0);
  for (let i = 0; i < cols; i += 4) {
    const e = exp4(f32x4.sub(lanes(x, i, cols), max));
    v128.store(out + (i << 2), e);
    sums = f32x4.add(sums, e);
  }
  const scale = f32x4.splat(<f32>1.0 / sumLanes(sums));
  for (let i = 0; i < cols; i += 4) v128.store(out + (i << 2), f32x4.mul(v128.load(out + (i << 2)), scale));
}
