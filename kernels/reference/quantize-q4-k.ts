/**
 * Weights as blocks of Q4_K and Q5_K: scales and minima of 8 groups, found by trying several, and of those a scale and a
 * minimum of the block. The searches are those of ggml's quantize_row_q4_K_ref and q5_K_ref (ggml-quants.c), and with
 * importances those of its quantize_q4_K and q5_K, in float64, so codes may differ where two are equally good. Then scale
 * and minimum of the block are fitted to the codes by least squares, and kept if the error is less: a tenth less than
 * ggml's on real weights (LOG.md).
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

const { abs, sqrt, min, max } = Math;

const tried = new Uint8Array(32);
const weights = new Float64Array(32);
const group = new Float64Array(32);
const scales = new Float64Array(8);
const minima = new Float64Array(8);
const sums = new Float64Array(8); // of the weights of a group
const scaleCodes = new Int8Array(8);
const minimumCodes = new Int8Array(8);

interface Search {
  readonly from: number; // first offset of the inverse scale
  readonly by: number;
  readonly steps: number;
}

const WITH_IMPORTANCE: Search = { from: -0.9, by: 0.05, steps: 36 };

/**
 * Writes a block of 4 or 5 bits a weight: x is about d * scale * code - dmin * minimum, for each of 8 groups.
 *
 * @param importance of each weight, by its column
 */
function encodeRanged(
  bits: 4 | 5,
  x: Float32Array,
  i: number,
  out: DataView,
  at: number,
  importance: Float32Array | undefined,
  column: number,
): void {
  if (!hasNumbers(x, i)) {
    writeNothing(out, at, bits === 4 ? 144 : 176, at);
    return;
  }
  const most = bits === 4 ? 15 : 31;
  const plain: Search = bits === 4 ? { from: -1, by: 0.1, steps: 20 } : { from: -0.5, by: 0.1, steps: 15 };
  const spread = importance ? (2 * squaresOf(x, i, BLOCK)) / BLOCK : 0;
  for (let g = 0; g < 8; g++) {
    const first = i + 32 * g;
    const around = importance ? 0 : sqrt(squaresOf(x, first, 32) / 32);
    let sum = 0;
    for (let j = 0; j < 32; j++) {
      const value = x[first + j]!;
      group[j] = value;
      const weight = importance
        ? importance[column + 32 * g + j]! * sqrt(spread + value * value)
        : around + abs(value);
      weights[j] = weight;
      counts[32 * g + j] = importance ? weight : 1;
      sum += weight;
    }
    sums[g] = sum;
    searchRange(most, 32 * g, g, importance ? WITH_IMPORTANCE : plain);
  }
  const [d, dmin] = importance
    ? [sharedScale(scales, scaleCodes), sharedScale(minima, minimumCodes)]
    : [largestScale(scales, scaleCodes), largestScale(minima, minimumCodes)];
  const first = { d: half(d), dmin: half(dmin) };
  const error = rangedCodes(x, i, first, most, codes);
  const fitted = fitBoth(x, i, first);
  const kept = rangedCodes(x, i, fitted, most, second) < error ? fitted : first;
  if (kept === fitted) codes.set(second);
  out.setFloat16(at, kept.d, true);
  out.setFloat16(at + 2, kept.dmin, true);
  writeScales(out, at + 4);
  if (bits === 4) writeNibbles(out, at + 16);
  else writeFives(out, at + 16);
}

interface BlockScales {
  readonly d: number;
  readonly dmin: number;
}

/** The codes of all groups; returns their error. */
function rangedCodes(
  x: Float32Array,
  i: number,
  { d, dmin }: BlockScales,
  most: number,
  into: Uint8Array,
): number {
  let error = 0;
  for (let j = 0; j < BLOCK; j++) {
    const g = j >> 5;
    const [scale, minimum] = [d * scaleCodes[g]!, dmin * minimumCodes[g]!];
    const shifted = x[i + j]! + minimum;
    const code = scale === 0 ? 0 : max(0, min(most, nearest(shifted / scale)));
    into[j] = code;
    error += counts[j]! * (shifted - scale * code) ** 2;
  }
  return error;
}

/** The d and dmin of least error for `codes` and the scales of groups: x is about d * y - dmin * z. */
function fitBoth(x: Float32Array, i: number, { dmin }: BlockScales): BlockScales {
  let [yy, yz, zz, xy, xz] = [0, 0, 0, 0, 0];
  for (let j = 0; j < BLOCK; j++) {
    const [y, z] = [scaleCodes[j >> 5]! * codes[j]!, minimumCodes[j >> 5]!];
    const [value, count] = [x[i + j]!, counts[j]!];
    yy += count * y * y;
    yz += count * y * z;
    zz += count * z * z;
    xy += count * value * y;
    xz += count * value * z;
  }
  const determinant = yy * zz - yz * yz;
  if (determinant <= 0) return { d: half((xy + dmin * yz) / yy), dmin };
  return { d: half((xy * zz - xz * yz) / determinant), dmin: half((yz * xy - yy * xz) / determinant) };
}

function squaresOf(x: Float32Array, first: number, count: number): number {
  let sum = 0;
  for (let j = first; j < first + count; j++) sum += x[j]! * x[j]!;
  return sum;
}

/** The scale and the minimum of `group`, by least squares for each of several inverse scales; codes go to `codes`. */
function searchRange(most: number, to: number, g: number, { from, by, steps }: Search): void {
  let [low, high] = [group[0]!, group[0]!];
  let [sumW, sumX] = [0, 0];
  for (let j = 0; j < 32; j++) {
    const value = group[j]!;
    if (value < low) low = value;
    if (value > high) high = value;
    sumW += weights[j]!;
    sumX += weights[j]! * value;
  }
  if (low > 0) low = 0;
  minima[g] = -low;
  scales[g] = 0;
  if (high <= low) {
    codes.fill(0, to, to + 32);
    return;
  }
  const range = high - low;
  let scale = range / most;
  let minimum = low;
  let best = errorOf(most, most / range, low, scale, low);
  codes.set(tried, to);
  for (let step = 0; step <= steps; step++) {
    const inverse = (from + by * step + most) / (high - minimum); // the best minimum so far, as ggml has it
    const base = minimum;
    let [sumL, sumLL, sumXL] = [0, 0, 0];
    for (let j = 0; j < 32; j++) {
      const value = group[j]!;
      const code = min(most, max(0, nearest(inverse * (value - base))));
      tried[j] = code;
      const weighted = weights[j]! * code;
      sumL += weighted;
      sumLL += weighted * code;
      sumXL += weighted * value;
    }
    const determinant = sumW * sumLL - sumL * sumL;
    if (determinant <= 0) continue;
    let ownScale = (sumW * sumXL - sumX * sumL) / determinant;
    let ownMinimum = (sumLL * sumX - sumL * sumXL) / determinant;
    if (ownMinimum > 0) {
      ownMinimum = 0;
      ownScale = sumXL / sumLL;
    }
    let error = 0;
    for (let j = 0; j < 32; j++) {
      const difference = ownScale * tried[j]! + ownMinimum - group[j]!;
      error += weights[j]! * difference * difference;
    }
    if (error >= best) continue;
    best = error;
    scale = ownScale;
    minimum = ownMinimum;
    codes.set(tried, to);
  }
  scales[g] = scale;
  minima[g] = -minimum;
}

/** The error of the codes by one inverse scale, which go to `tried`. */
function errorOf(most: number, inverse: number, low: number, scale: number, minimum: number): number {
  let error = 0;
  for (let j = 0; j < 32; j++) {
    const value = group[j]!;
    const code = max(0, min(most, nearest(inverse * (value - low))));
    tried[j] = code;
    const difference = scale * code + minimum - value;
    error += weights[j]! * difference * difference;
  }
  return error;
}

/** Codes of 6 bits for positive numbers, the largest of which has the last; returns the scale. */
function largestScale(values: Float64Array, into: Int8Array): number {
  let most = 0;
  for (let g = 0; g < 8; g++) most = max(most, values[g]!);
  const inverse = most > 0 ? 63 / most : 0;
  for (let g = 0; g < 8; g++) into[g] = max(0, min(63, nearest(inverse * values[g]!)));
  return most / 63;
}

/** The same by least squares, weighted with `sums`. */
function sharedScale(values: Float64Array, into: Int8Array): number {
  let most = 0;
  for (let g = 0; g < 8; g++) most = max(most, values[g]!);
  into.fill(0);
  if (most < TINY) return 0;
  const codeOf = (inverse: number, g: number) => max(0, min(63, nearest(inverse * values[g]!)));
  let [inverse, best] = [63 / most, Number.POSITIVE_INFINITY];
  for (let step = -4; step <= 4; step++) {
    const own = (0.1 * step + 63) / most;
    let error = 0;
    for (let g = 0; g < 8; g++) error += sums[g]! * (values[g]! - codeOf(own, g) / own) ** 2;
    if (error < best) [inverse, best] = [own, error];
  }
  let [sumXL, sumLL] = [0, 0];
  for (let g = 0; g < 8; g++) {
    const code = codeOf(inverse, g);
    into[g] = code;
    sumXL += sums[g]! * values[g]! * code;
    sumLL += sums[g]! * code * code;
  }
  return sumLL > 0 ? sumXL / sumLL : 0;
}

/** 8 scales and 8 minima of 6 bits in 12 bytes. */
function writeScales(out: DataView, at: number): void {
  for (let g = 0; g < 4; g++) {
    const [scale, minimum] = [scaleCodes[g]!, minimumCodes[g]!];
    const [nextScale, nextMinimum] = [scaleCodes[g + 4]!, minimumCodes[g + 4]!];
    out.setUint8(at + g, scale | ((nextScale >> 4) << 6));
    out.setUint8(at + 4 + g, minimum | ((nextMinimum >> 4) << 6));
    out.setUint8(at + 8 + g, (nextScale & 15) | ((nextMinimum & 15) << 4));
  }
}

function writeNibbles(out: DataView, at: number): void {
  for (let half = 0, to = at; half < BLOCK; half += 64, to += 32) {
    for (let j = 0; j < 32; j++) out.setUint8(to + j, codes[half + j]! | (codes[half + 32 + j]! << 4));
  }
}

/** 32 bytes of fifth bits, then 128 of the lower four. */
function writeFives(out: DataView, at: number): void {
  for (let j = 0; j < 32; j++) {
    let fifths = 0;
    for (let g = 0; g < 8; g++) fifths |= (codes[32 * g + j]! >> 4) << g;
    out.setUint8(at + j, fifths);
  }
  for (let half = 0, to = at + 32; half < BLOCK; half += 64, to += 32) {
    for (let j = 0; j < 32; j++) {
      out.setUint8(to + j, (codes[half + j]! & 15) | ((codes[half + 32 + j]! & 15) << 4));
    }
  }
}

export const encodeQ4K: EncodeBlock = (x, i, out, at, importance, column = 0) =>
  encodeRanged(4, x, i, out, at, importance, column);

export const encodeQ5K: EncodeBlock = (x, i, out, at, importance, column = 0) =>
  encodeRanged(5, x, i, out, at, importance, column);
