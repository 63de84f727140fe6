/** fn(x) of four numbers; kernels/reference/map.ts defines the functions. */
import { EXP } from './layout';
import { exp4 } from './simd';

/**
 * @param fn MAP_... (layout.ts)
 * @param scalars addresses of the learned scalars of fn, in order; gates have none
 */
// @ts-ignore: decorator
@inline
export function map4(fn: i32, x: v128, scalars: usize): v128 {
  return silu4(x);
}

// @ts-ignore: decorator
@inline
function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(v128.load32_splat(EXP, 44), exp4(f32x4.neg(x))));
}
