/**
 * Weights as blocks of Q6_K: signed scales of 16 groups, found by trying several, and of those a scale of the block. The
 * search is that of ggml's quantize_row_q6_K_ref (ggml-quants.c), and with importances of its quantize_q6_K, in float64.
 * Then the scale of the block is fitted to the codes as in quantize-q4-k.ts.
 */
import {
  BLOCK,
  codes,
  counts,
  type EncodeBlock,
  half,
  hasNumbers,
  nearest,
  second,
  TINY,
  writeNothing,
} from './k-block.ts';

const { abs, min, max } = Math;

const scales = new Float64Array(16);
const scaleCodes = new Int8Array(16);

/** Writes a block of 6 bits a weight: x is about d * scale * (code - 32), for each of 16 groups. */
export const encodeQ6K: EncodeBlock = (x, i, out, at, importance, column = 0) => {
  if (!hasNumbers(x, i)) {
    writeNothing(out, at, 210, at + 208);
    return;
  }
  let largest = 0; // scale by magnitude
  for (let g = 0; g < 16; g++) {
    const scale = searchScale(x, i + 16 * g, importance, column + 16 * g);
    scales[g] = scale;
    if (abs(scale) > abs(largest)) largest = scale;
  }
  if (abs(largest) < TINY) {
    for (let byte = 0; byte < 210; byte++) out.setUint8(at + byte, 0);
    return;
  }
  const inverse = -128 / largest;
  for (let g = 0; g < 16; g++) {
    scaleCodes[g] = max(-128, min(127, nearest(inverse * scales[g]!)));
    out.setInt8(at + 192 + g, scaleCodes[g]!);
  }
  for (let j = 0; j < BLOCK; j++) counts[j] = importance ? importance[column + j]! : 1;
  let d = half(1 / inverse);
  const error = signedCodes(x, i, d, codes);
  const fitted = fitOne(x, i);
  if (signedCodes(x, i, fitted, second) < error) {
    d = fitted;
    codes.set(second);
  }
  out.setFloat16(at + 208, d, true);
  writeSixes(out, at);
};

/** The codes of all groups plus 32; returns their error. */
function signedCodes(x: Float32Array, i: number, d: number, into: Uint8Array): number {
  let error = 0;
  for (let j = 0; j < BLOCK; j++) {
    const scale = d * scaleCodes[j >> 4]!;
    const value = x[i + j]!;
    const code = scale === 0 ? 0 : max(-32, min(31, nearest(value / scale)));
    into[j] = code + 32;
    error += counts[j]! * (value - scale * code) ** 2;
  }
  return error;
}

/** The d of least error for `codes` and the scales of groups. */
function fitOne(x: Float32Array, i: number): number {
  let [xy, yy] = [0, 0];
  for (let j = 0; j < BLOCK; j++) {
    const y = scaleCodes[j >> 4]! * (codes[j]! - 32);
    xy += counts[j]! * x[i + j]! * y;
    yy += counts[j]! * y * y;
  }
  return half(xy / yy);
}

/** The scale of 16 numbers by least squares, weighted with their squares or importances, for each of several inverses. */
function searchScale(
  x: Float32Array,
  first: number,
  importance: Float32Array | undefined,
  column: number,
): number {
  let furthest = 0;
  for (let j = first; j < first + 16; j++) if (abs(x[j]!) > abs(furthest)) furthest = x[j]!;
  if (abs(furthest) < TINY) return 0;
  let [scale, best] = [0, -1];
  for (let step = -9; step <= 9; step++) {
    const inverse = -(32 + 0.1 * step) / furthest;
    let [sumXL, sumLL] = [0, 0];
    for (let j = 0; j < 16; j++) {
      const value = x[first + j]!;
      const code = min(31, max(-32, nearest(inverse * value)));
      const weight = (importance ? importance[column + j]! : value * value) * code;
      sumXL += weight * value;
      sumLL += weight * code;
    }
    if (sumLL <= 0 || sumXL * sumXL <= best * sumLL) continue;
    scale = sumXL / sumLL;
    best = scale * sumXL;
  }
  return scale;
}

/** 128 bytes of the lower four bits, then 64 of the upper two. */
function writeSixes(out: DataView, at: number): void {
  for (let half = 0; half < 2; half++) {
    const [low, high, from] = [at + 64 * half, at + 128 + 32 * half, 128 * half];
    for (let j = 0; j < 32; j++) {
      const [a, b] = [codes[from + j]!, codes[from + 32 + j]!];
      const [c, d] = [codes[from + 64 + j]!, codes[from + 96 + j]!];
      out.setUint8(low + j, (a & 15) | ((c & 15) << 4));
      out.setUint8(low + 32 + j, (b & 15) | ((d & 15) << 4));
      out.setUint8(high + j, (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((d >> 4) << 6));
    }
  }
}
