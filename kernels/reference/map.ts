/**
 * y[c] = fn(x[c]): functions of one number, and the number of learned scalars that each takes.
 *
 * silu     x * sigmoid(x) (Elfwing et al., SiLU)
 * gelu     x * P(X <= x) for a normal X, by tanh (Hendrycks & Gimpel, Gaussian Error Linear Units)
 * gelu-erf the same without the approximation by tanh
 * sigmoid  1 / (1 + e^-x)
 * softplus log(1 + e^x)
 * relu-squared max(x, 0)^2 (So et al., Primer)
 * multiply s x, with a scalar s
 * softcap  s tanh(x / s), with a scalar s (Gemma Team, Gemma 2)
 * xielu    p x^2 + x / 2 for x > 0, else n (e^x - 1 - x) + x / 2, with learned p > 0 and n > 1/2 (Huang & Schlag, "Deriving
 *          activation functions using integration"): the softplus that makes them positive is part of the weights
 */
import { erf } from './erf.ts';

const GELU = Math.sqrt(2 / Math.PI);

export const MAPS = {
  silu: { scalars: 0, of: (x) => x / (1 + Math.exp(-x)) },
  gelu: { scalars: 0, of: (x) => (x / 2) * (1 + Math.tanh(GELU * (x + 0.044715 * x ** 3))) },
  'gelu-erf': { scalars: 0, of: (x) => (x / 2) * (1 + erf(x * Math.SQRT1_2)) },
  softcap: { scalars: 1, of: (x, s) => s! * Math.tanh(x / s!) },
  sigmoid: { scalars: 0, of: (x) => 1 / (1 + Math.exp(-x)) },
  softplus: { scalars: 0, of: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))) },
  'relu-squared': { scalars: 0, of: (x) => Math.max(x, 0) ** 2 },
  multiply: { scalars: 1, of: (x, s) => s! * x },
  xielu: { scalars: 2, of: (x, p, n) => (x > 0 ? p! * x * x : n! * (Math.expm1(x) - x)) + x / 2 },
} as const satisfies Record<string, MapDefinition>;

export interface MapDefinition {
  readonly scalars: number;
  readonly of: (x: number, ...scalars: readonly number[]) => number;
}

export type MapFunction = keyof typeof MAPS;

/** @param x [C] @returns [C] */
export function map(fn: MapFunction, x: Float64Array, scalars: readonly number[] = []): Float64Array {
  const { of }: MapDefinition = MAPS[fn];
  return x.map((value) => of(value, ...scalars));
}
