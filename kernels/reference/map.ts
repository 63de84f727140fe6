/**
 * y[c] = fn(x[c]): functions of one number, and the number of learned scalars that each takes.
 *
 * silu     x * sigmoid(x) (Elfwing et al., SiLU)
 */
export const MAPS = {
  silu: { scalars: 0, of: (x) => x / (1 + Math.exp(-x)) },
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
