/** out = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias, for rows of f32 whose allocation is padded to 16 floats. */
import { madd, sumLanes } from './simd';

/** The sum of one row. */
function sumOf(x: usize, cols: i32): f32 {
  let sum = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= cols; i += 4) sum = f32x4.add(sum, v128.load(x + (i << 2)));
  let total = sumLanes(sum);
  for (; i < cols; i++) total += load<f32>(x + (i << 2));
  return total;
}

/** The sum of (x - mean)^2 of one row. */
function spreadOf(x: usize, mean: f32, cols: i32): f32 {
  const center = f32x4.splat(mean);
  let sum = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= cols; i += 4) {
    const v = f32x4.sub(v128.load(x + (i << 2)), center);
    sum = madd(v, v, sum);
  }
  let total = sumLanes(sum);
  for (; i < cols; i++) {
    const v = load<f32>(x + (i << 2)) - mean;
    total += v * v;
  }
  return total;
}

/** Normalizes one row; `out` may be `x`. Writes whole vectors, so up to 3 floats of padding. @param bias address, or 0 */
export function layerNormRow(x: usize, weight: usize, bias: usize, out: usize, cols: i32, eps: f32): void {
  const mean = <f32>(<f64>sumOf(x, cols) / <f64>cols);
  const variance = <f64>spreadOf(x, mean, cols) / <f64>cols;
  const scale = f32x4.splat(<f32>(1.0 / sqrt(variance + <f64>eps)));
  const center = f32x4.splat(mean);
  for (let i: usize = 0; i < (<usize>cols) << 2; i += 16) {
    const v = f32x4.mul(f32x4.mul(f32x4.sub(v128.load(x + i), center), scale), v128.load(weight + i));
    v128.store(out + i, bias == 0 ? v : f32x4.add(v, v128.load(bias + i)));
  }
}
