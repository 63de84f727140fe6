/** What the quantizers of the K types share: blocks of 256 weights. */

export const BLOCK = 256;
/** Below this a group counts as zeros (ggml, GROUP_MAX_EPS). */
export const TINY = 1e-15;

/** Writes x[i], x[i + 1], ... as the block at byte `at`; `column` is that of x[i] in its row. */
export type EncodeBlock = (
  x: Float32Array,
  i: number,
  out: DataView,
  at: number,
  importance?: Float32Array,
  column?: number,
) => void;

// Work space: quantizers run in one thread each, and take no other step while they use it.
export const codes = new Uint8Array(BLOCK);
export const second = new Uint8Array(BLOCK); // codes of the fitted scale
export const counts = new Float64Array(BLOCK); // what the error of a weight counts

const ROUNDING = 1.5 * 2 ** 52; // adding it leaves no digits behind the point

/** The nearest integer, halves to even, of a number below 2^51. */
export function nearest(x: number): number {
  return x + ROUNDING - ROUNDING;
}

/** x as a float16 holds it. */
export function half(x: number): number {
  return Math.f16round(x);
}

/** Whether a block has neither infinity nor NaN. */
export function hasNumbers(x: Float32Array, first: number): boolean {
  let sum = 0;
  for (let j = first; j < first + BLOCK; j++) sum += 0 * x[j]!;
  return sum === 0;
}

/** A block whose scale is no number, so that no one takes it for weights. */
export function writeNothing(out: DataView, at: number, bytes: number, scaleAt: number): void {
  for (let byte = 0; byte < bytes; byte++) out.setUint8(at + byte, 0);
  out.setFloat16(scaleAt, Number.NaN, true);
}
