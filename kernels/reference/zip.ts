/**
 * y[c] = fn(a[c], b[c]): functions of two numbers.
 *
 * clamped-swiglu  g sigmoid(1.702 g) (u + 1), with g = min(a, 7) and u = b within -7 to 7 (OpenAI, gpt-oss)
 */
export const ZIPS = {
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
  'clamped-swiglu'(a, b) {
    const [g, u] = [Math.min(a, 7), Math.max(-7, Math.min(b, 7))];
    return (g / (1 + Math.exp(-1.702 * g))) * (u + 1);
  },
} as const satisfies Record<string, (a: number, b: number) => number>;

export type ZipFunction = keyof typeof ZIPS;

/** @param a [C] @param b [C] @returns [C] */
export function zip(fn: ZipFunction, a: Float64Array, b: Float64Array): Float64Array {
  const of = ZIPS[fn];
  return a.map((value, c) => of(value, b[c]!));
}
