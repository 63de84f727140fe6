/** fn(x) of four numbers; kernels/reference/map.ts defines the functions. */
import {
  EXP, MAP_GELU, MAP_GELU_ERF, MAP_MULTIPLY, MAP_RELU_SQUARED, MAP_SIGMOID, MAP_SILU, MAP_SOFTCAP, MAP_SOFTPLUS,
  MAP_XIELU,
} from './layout';
import { exp4, tanh4 } from './simd';

/**
 * @param fn MAP_*; traps for another number
 * @param scalars addresses of the learned scalars of fn, in order
 */
// @ts-ignore: decorator
@inline
export function map4(fn: i32, x: v128, scalars: usize): v128 {
  if (fn == MAP_MULTIPLY) return f32x4.mul(x, v128.load32_splat(load<usize>(scalars)));
  if (fn == MAP_SOFTCAP) {
    const cap = v128.load32_splat(load<usize>(scalars));
    return f32x4.mul(cap, tanh4(f32x4.div(x, cap)));
  }
  if (fn == MAP_XIELU) return xielu4(x, load<usize>(scalars), load<usize>(scalars, 4));
  return gate4(fn, x);
}

/** A function without scalars, which a gate may have. */
// @ts-ignore: decorator
@inline
export function gate4(fn: i32, x: v128): v128 {
  if (fn == MAP_SILU) return silu4(x);
  if (fn == MAP_GELU) return gelu4(x);
  if (fn == MAP_GELU_ERF) return geluErf4(x);
  if (fn == MAP_SIGMOID) return sigmoid4(x);
  if (fn == MAP_SOFTPLUS) return softplus4(x);
  if (fn == MAP_RELU_SQUARED) return reluSquared4(x);
  return unreachable();
}

// @ts-ignore: decorator
@inline
function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(v128.load32_splat(EXP, 44), exp4(f32x4.neg(x))));
}

// @ts-ignore: decorator
@inline
function sigmoid4(x: v128): v128 {
  const one = v128.load32_splat(EXP, 44);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

// @ts-ignore: decorator
@inline
function reluSquared4(x: v128): v128 {
  const above = f32x4.max(x, f32x4.splat(0));
  return f32x4.mul(above, above);
}

/**
 * max(x, 0) + log(1 + y), y = exp(-|x|). With s = y / (2 + y), which is at most 1/3, log(1 + y) is 2 artanh(s): the series
 * 2 (s + s^3 / 3 + s^5 / 5 + ...), whose terms from s^17 on add less than 2^-28 of it.
 */
// @ts-ignore: decorator
@inline
function softplus4(x: v128): v128 {
  const y = exp4(f32x4.neg(f32x4.abs(x)));
  const s = f32x4.div(y, f32x4.add(y, f32x4.splat(2)));
  const square = f32x4.mul(s, s);
  let sum = f32x4.splat(0.13333333333333333); // 2 / 15
  sum = f32x4.add(f32x4.mul(sum, square), f32x4.splat(0.15384615384615385));
  sum = f32x4.add(f32x4.mul(sum, square), f32x4.splat(0.18181818181818182));
  sum = f32x4.add(f32x4.mul(sum, square), f32x4.splat(0.2222222222222222));
  sum = f32x4.add(f32x4.mul(sum, square), f32x4.splat(0.2857142857142857));
  sum = f32x4.add(f32x4.mul(sum, square), f32x4.splat(0.4));
  sum = f32x4.add(f32x4.mul(sum, square), f32x4.splat(0.6666666666666666));
  sum = f32x4.add(f32x4.mul(sum, square), f32x4.splat(2));
  return f32x4.add(f32x4.max(x, f32x4.splat(0)), f32x4.mul(sum, s));
}

/** (1 + tanh z) / 2 is sigmoid(2 z): x * sigmoid(x * (2 c + 2 c 0.044715 x^2)), with c = sqrt(2 / pi). */
// @ts-ignore: decorator
@inline
function gelu4(x: v128): v128 {
  const square = f32x4.mul(x, x);
  const slope = f32x4.add(f32x4.splat(1.5957691216057308), f32x4.mul(f32x4.splat(0.07135481282752), square));
  const power = exp4(f32x4.neg(f32x4.mul(x, slope)));
  return f32x4.div(x, f32x4.add(v128.load32_splat(EXP, 44), power));
}

/** With erf by Abramowitz & Stegun 7.1.26, whose error is at most 1.5e-7. */
// @ts-ignore: decorator
@inline
function geluErf4(x: v128): v128 {
  const one = f32x4.splat(1);
  const z = f32x4.mul(f32x4.abs(x), f32x4.splat(0.7071067811865476));
  const t = f32x4.div(one, f32x4.add(one, f32x4.mul(f32x4.splat(0.3275911), z)));
  let sum = f32x4.splat(1.061405429);
  sum = f32x4.add(f32x4.mul(sum, t), f32x4.splat(-1.453152027));
  sum = f32x4.add(f32x4.mul(sum, t), f32x4.splat(1.421413741));
  sum = f32x4.add(f32x4.mul(sum, t), f32x4.splat(-0.284496736));
  sum = f32x4.add(f32x4.mul(sum, t), f32x4.splat(0.254829592));
  const tail = f32x4.mul(f32x4.mul(sum, t), exp4(f32x4.neg(f32x4.mul(z, z)))); // 1 - erf(z)
  const half = f32x4.mul(x, f32x4.splat(0.5));
  const above = f32x4.sub(x, f32x4.mul(half, tail));
  return v128.bitselect(above, f32x4.mul(half, tail), f32x4.gt(x, f32x4.splat(0)));
}

/** @param p address of the factor of x^2, @param n of e^x - 1 - x */
// @ts-ignore: decorator
@inline
function xielu4(x: v128, p: usize, n: usize): v128 {
  const above = f32x4.mul(v128.load32_splat(p), f32x4.mul(x, x));
  const curve = f32x4.sub(f32x4.sub(exp4(x), v128.load32_splat(EXP, 44)), x);
  const below = f32x4.mul(v128.load32_splat(n), curve);
  const half = f32x4.mul(x, f32x4.splat(0.5));
  return f32x4.add(v128.bitselect(above, below, f32x4.gt(x, f32x4.splat(0))), half);
}
