/**
 * Attention of a tile of 4 rows over one chunk of an 8-bit cache (kv-cache.ts). Queries are quantized in blocks of 32
 * dimensions and multiplied as in matmul-int-tile.ts. Softmax weights, times the scales of the values, become 7-bit
 * codes with one scale for the chunk: as the unsigned operand of a dot product, 7 bits are exact on every CPU. Rows
 * that a tile lacks are neither written nor read.
 * Scratch: scores [8 blocks of 16 keys][4][16], weights {codes [4][CHUNK], f32 scales [4]}.
 */
import { dot } from './dot';
import { BLOCK, CHUNK, EXP, HEAD_DIM, POWER, SCALE, SCALE_BYTES } from './layout';
import { codeBlocks, codedKeysBytes, padHead, valueBlocks } from './kv-cache';
import { tileKeys, tileKeys3 } from './matmul-int-tile';
import { real, word } from './phase';
import { pack, quantizeRow } from './quantize';
import { ropeHead } from './rope';
import { madd, maxLanes, store16, sumLanes } from './simd';
import {
  TILE_BYTES, capScores, hiddenBy, maskRow, ROW_BYTES, rowMaximum, SCORE_BYTES, seenBy, STATE_SUMS, STATE_VALUES, TILE_ROWS,
} from './attention-scores';

export const LOG2_E: f32 = 1.4426950408889634;
/** Offset of the scales in a tile of weights, in bytes. */
const WEIGHT_SCALES = TILE_ROWS * CHUNK;

/** Stores query head `x` as row `r` of a tile of codes and scales; `row` is scratch of a head. */
export function codedQuery(phase: usize, x: usize, r: i32, tile: usize, position: i32, row: usize): void {
  ropeHead(phase, x, row, 4, position);
  padHead(row, word(phase, HEAD_DIM));
  const cols = codeBlocks(phase) * BLOCK;
  quantizeRow(row, tile + (r << 2), tile + <usize>(4 * cols + r * SCALE_BYTES), cols, 4);
}

/** Scores of the chunk's first `keys` keys, for the tile's first `present` rows. */
export function scoreCodes(phase: usize, k: usize, keys: i32, q: usize, scores: usize, present: i32): void {
  const zero = i32x4.splat(0);
  const blocks = codeBlocks(phase);
  const s = q + <usize>(blocks * 4 * BLOCK);
  const end = scores + ((keys + 15) >> 4) * TILE_BYTES;
  for (; scores < end; scores += TILE_BYTES, k += codedKeysBytes(phase)) {
    for (let i = 0; i < TILE_BYTES; i += ROW_BYTES) store16(scores + i, zero, zero, zero, zero);
    if (present == 3) tileKeys3(k, q, s, scores, blocks);
    else tileKeys(k, q, s, scores, blocks);
  }
}

/**
 * Weights from the scores of a tile, whose first row is row `first` of `rows`; maxima and sums go into the state. Each
 * pass runs over all rows before the next pass: a single row would stall on its maximum.
 */
export function weighCodes(
  phase: usize, valueScales: usize, keys: i32, first: i32, rows: i32, lead: i32, scores: usize, state: usize,
): void {
  const blocks = (keys + 15) >> 4;
  const present = min(TILE_ROWS, rows - first);
  const scale = real(phase, SCALE);
  const weights = scores + SCORE_BYTES;
  const sums = state + STATE_SUMS;
  capScores(phase, scores, keys, scale);
  for (let r = 0; r < present; r++) {
    const seen = seenBy(phase, r, first, rows, lead);
    maskRow(scores + r * ROW_BYTES, hiddenBy(phase, r, first, rows, lead), seen, blocks);
    store<f32>(state + (r << 2), rowMaximum(scores + r * ROW_BYTES, blocks, scale));
  }
  for (let r = 0; r < present; r++) {
    const top = load<f32>(state + (r << 2));
    const most = weighRow(scores + r * ROW_BYTES, blocks, scale * LOG2_E, -top * LOG2_E, valueScales, sums + (r << 2));
    store<f32>(weights + (r << 2), most / 127, WEIGHT_SCALES);
  }
  for (let r = 0; r < present; r++) {
    const codeScale = load<f32>(weights + (r << 2), WEIGHT_SCALES);
    const inverse = f32x4.splat(codeScale > 0 ? 1 / codeScale : 0);
    const codes = weights + r * CHUNK;
    const row = scores + r * ROW_BYTES;
    for (let b = 0; b < blocks; b++) v128.store(codes + (b << 4), pack(row + b * TILE_BYTES, inverse));
  }
}

/** Multiplies the values of `keys` positions by the weights of the first `present` rows, into the state. */
export function mixCodes(phase: usize, v: usize, keys: i32, scores: usize, state: usize, present: i32): void {
  const weights = scores + SCORE_BYTES;
  const steps = (keys + 15) >> 4 << 2;
  for (let d = 0; d < valueBlocks(phase); d++) {
    const out = state + STATE_VALUES + d * TILE_BYTES;
    if (present == 3) mix3(v + <usize>(d * CHUNK * 16), weights, out, steps);
    else mix4(v + <usize>(d * CHUNK * 16), weights, out, steps);
  }
}

/**
 * 2^x of 4 lanes for x in -125..0. The relative error of 1e-4 is enough: results are rounded to 7 bits. The polynomial
 * is the minimax of degree 3 on -0.5..0.5.
 */
// @ts-ignore: decorator
@inline
export function power(x: v128): v128 {
  const shift = v128.load32_splat(EXP, 8); // adding it leaves the rounded integer in the low mantissa bits
  const y = f32x4.relaxed_max(x, v128.load32_splat(POWER));
  const z = f32x4.add(y, shift);
  const r = f32x4.sub(y, f32x4.sub(z, shift));
  const high = madd(madd(v128.load32_splat(POWER, 4), r, v128.load32_splat(POWER, 8)), r, v128.load32_splat(POWER, 12));
  const p = madd(high, r, v128.load32_splat(POWER, 16));
  return i32x4.add(i32x4.shl(z, 23), p);
}

/**
 * Replaces each score of a row by 2^(score * factor + shift) times the value scale of its position. Returns the largest
 * and writes the sum of the powers without that scale to `sum`.
 */
function weighRow(scores: usize, blocks: i32, factor: f32, shift: f32, valueScales: usize, sum: usize): f32 {
  const f = f32x4.splat(factor), g = f32x4.splat(shift);
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let m0 = s0, m1 = s0, m2 = s0, m3 = s0;
  for (; blocks > 0; blocks--, scores += TILE_BYTES, valueScales += ROW_BYTES) {
    const e0 = power(madd(v128.load(scores), f, g)), e1 = power(madd(v128.load(scores, 16), f, g));
    const e2 = power(madd(v128.load(scores, 32), f, g)), e3 = power(madd(v128.load(scores, 48), f, g));
    s0 = f32x4.add(s0, e0);
    s1 = f32x4.add(s1, e1);
    s2 = f32x4.add(s2, e2);
    s3 = f32x4.add(s3, e3);
    const y0 = f32x4.mul(e0, v128.load(valueScales)), y1 = f32x4.mul(e1, v128.load(valueScales, 16));
    const y2 = f32x4.mul(e2, v128.load(valueScales, 32)), y3 = f32x4.mul(e3, v128.load(valueScales, 48));
    m0 = f32x4.relaxed_max(m0, y0);
    m1 = f32x4.relaxed_max(m1, y1);
    m2 = f32x4.relaxed_max(m2, y2);
    m3 = f32x4.relaxed_max(m3, y3);
    store16(scores, y0, y1, y2, y3);
  }
  store<f32>(sum, sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3))));
  return maxLanes(f32x4.relaxed_max(f32x4.relaxed_max(m0, m1), f32x4.relaxed_max(m2, m3)));
}

/** out[ROWS][16] = rows of weights {codes [4][CHUNK], f32 scales [4]} times 16 dimensions of 4 * `steps` positions. */
// @ts-ignore: decorator
@inline
function mix(v: usize, x: usize, out: usize, steps: i32, ROWS: i32): void {
  const zero = i32x4.splat(0);
  const scales = x + WEIGHT_SCALES;
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  let c0 = zero, c1 = zero, c2 = zero, c3 = zero, e0 = zero, e1 = zero, e2 = zero, e3 = zero;
  for (; steps > 0; steps--) {
    const v0 = v128.load(v), v1 = v128.load(v, 16), v2 = v128.load(v, 32), v3 = v128.load(v, 48);
    let t = v128.load32_splat(x);
    a0 = dot(v0, t, a0);
    a1 = dot(v1, t, a1);
    a2 = dot(v2, t, a2);
    a3 = dot(v3, t, a3);
    t = v128.load32_splat(x, CHUNK);
    b0 = dot(v0, t, b0);
    b1 = dot(v1, t, b1);
    b2 = dot(v2, t, b2);
    b3 = dot(v3, t, b3);
    t = v128.load32_splat(x, 2 * CHUNK);
    c0 = dot(v0, t, c0);
    c1 = dot(v1, t, c1);
    c2 = dot(v2, t, c2);
    c3 = dot(v3, t, c3);
    if (ROWS > 3) {
      t = v128.load32_splat(x, 3 * CHUNK);
      e0 = dot(v0, t, e0);
      e1 = dot(v1, t, e1);
      e2 = dot(v2, t, e2);
      e3 = dot(v3, t, e3);
    }
    v += 64;
    x += 4;
  }
  storeScaled(out, v128.load32_splat(scales), a0, a1, a2, a3);
  storeScaled(out + ROW_BYTES, v128.load32_splat(scales, 4), b0, b1, b2, b3);
  storeScaled(out + 2 * ROW_BYTES, v128.load32_splat(scales, 8), c0, c1, c2, c3);
  if (ROWS > 3) storeScaled(out + 3 * ROW_BYTES, v128.load32_splat(scales, 12), e0, e1, e2, e3);
}

function mix4(v: usize, x: usize, out: usize, steps: i32): void {
  mix(v, x, out, steps, 4);
}

function mix3(v: usize, x: usize, out: usize, steps: i32): void {
  mix(v, x, out, steps, 3);
}

// @ts-ignore: decorator
@inline
function storeScaled(out: usize, s: v128, a0: v128, a1: v128, a2: v128, a3: v128): void {
  store16(
    out, f32x4.mul(f32x4.convert_i32x4_s(a0), s), f32x4.mul(f32x4.convert_i32x4_s(a1), s),
    f32x4.mul(f32x4.convert_i32x4_s(a2), s), f32x4.mul(f32x4.convert_i32x4_s(a3), s),
  );
}
