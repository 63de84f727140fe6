/** x * sigmoid(x). */
import { EXP } from './layout';
import { exp4 } from './simd';

// @ts-ignore: decorator
@inline
export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(v128.load32_splat(EXP, 44), exp4(f32x4.neg(x))));
}
