/** out = x / sqrt(mean(x^2) + eps) * weight, for rows of f32 whose allocation is padded to 16 floats. */
import { madd, sumLanes } from './simd';

/** 1 / sqrt(mean(x^2) + eps) of one row. */
export function inverseRms(x: usize, cols: i32, eps: f32): f32 {
  let sum = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= cols; i += 4) {
    const v = v128.load(x + (i << 2));
    sum = madd(v, v, sum);
  }
  let total = sumLanes(sum);
  for (; i < cols; i++) {
    const v = load<f32>(x + (i << 2));
    total += v * v;
  }
  return <f32>(1.0 / sqrt(<f64>total / <f64>cols + <f64>eps));
}

/**
 * Normalizes every head of `headDim` columns of one row; `out` may be `x`.
 * @param step bytes from the weights of a head to those of the next; 0 if heads share them
 */
export function rmsNormHeads(
  x: usize, weight: usize, step: usize, out: usize, cols: i32, headDim: i32, eps: f32,
): void {
  if (headDim == cols) {
    rmsNormRow(x, weight, out, cols, eps);
    return;
  }
  const bytes = (<usize>headDim) << 2;
  const end = x + ((<usize>cols) << 2);
  for (; x < end; x += bytes, out += bytes, weight += step) {
    const factor = inverseRms(x, headDim, eps);
    const scale = f32x4.splat(factor);
    let i: usize = 0;
    for (; i + 16 <= bytes; i += 16) {
      v128.store(out + i, f32x4.mul(f32x4.mul(v128.load(x + i), scale), v128.load(weight + i)));
    }
    for (; i < bytes; i += 4) store<f32>(out + i, load<f32>(x + i) * factor * load<f32>(weight + i));
  }
}

/** Normalizes one row; writes whole vectors, so up to 3 floats of padding. */
export function rmsNormRow(x: usize, weight: usize, out: usize, cols: i32, eps: f32): void {
  const scale = f32x4.splat(inverseRms(x, cols, eps));
  for (let i: usize = 0; i < (<usize>cols) << 2; i += 16) {
    v128.store(out + i, f32x4.mul(f32x4.mul(v128.load(x + i), scale), v128.load(weight + i)));
  }
}
