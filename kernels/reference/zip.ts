/** y[c] = fn(a[c], b[c]): functions of two numbers. */
export const ZIPS = {
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
} as const satisfies Record<string, (a: number, b: number) => number>;

export type ZipFunction = keyof typeof ZIPS;

/** @param a [C] @param b [C] @returns [C] */
export function zip(fn: ZipFunction, a: Float64Array, b: Float64Array): Float64Array {
  const of = ZIPS[fn];
  return a.map((value, c) => of(value, b[c]!));
}
