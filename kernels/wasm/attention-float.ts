/**
 * Attention of a tile of 4 rows over one chunk of a float cache (kv-cache.ts). Scores (tile x 16 keys) and mixing
 * (tile x 16 dimensions) use the float tile product of matmul-float.ts.
 * Scratch: scores [8 blocks of 16 keys][4][16], weights [CHUNK][4].
 */
import { CHUNK, HEAD_DIM, KV_F16, KV_IN, KV_OUT, KV_TYPE, SCALE } from './layout';
import { valueBlocks } from './kv-cache';
import { tileF16, tileF32 } from './matmul-float';
import { real, word } from './phase';
import { ropeHead } from './rope';
import { exp4, sumLanes } from './simd';
import {
  TILE_BYTES, capScores, hiddenBy, maskRow, ROW_BYTES, rowMaximum, SCORE_BYTES, seenBy, STATE_SUMS, STATE_VALUES, TILE_ROWS,
} from './attention-scores';

/** Stores query head `x` as row `r` of a tile [D][4]. */
export function floatQuery(phase: usize, x: usize, r: i32, tile: usize, position: i32): void {
  const row = tile + (r << 2);
  ropeHead(phase, x, row, 16, position);
  const scale = real(phase, KV_IN);
  for (let d = 0; d < word(phase, HEAD_DIM); d++) store<f32>(row + (d << 4), load<f32>(row + (d << 4)) * scale);
}

/** log2 of the bytes of 16 elements of the cache. */
// @ts-ignore: decorator
@inline
function rowShift(phase: usize): i32 {
  return word(phase, KV_TYPE) == KV_F16 ? 5 : 6;
}

// @ts-ignore: decorator
@inline
function tile(phase: usize, w: usize, x: usize, out: usize, k: i32): void {
  if (word(phase, KV_TYPE) == KV_F16) tileF16(w, x, out, k);
  else tileF32(w, x, out, k);
}

/** Scores of the chunk's first `keys` keys. */
export function scoreFloats(phase: usize, k: usize, keys: i32, q: usize, scores: usize): void {
  const headDim = word(phase, HEAD_DIM);
  const step = <usize>headDim << rowShift(phase);
  for (let b = 0; b < (keys + 15) >> 4; b++) tile(phase, k + <usize>b * step, q, scores + b * TILE_BYTES, headDim);
}

/** Weights from the scores of a tile, whose first row is row `first` of `rows`; maxima and sums go into the state. */
export function weighFloats(
  phase: usize, keys: i32, first: i32, rows: i32, lead: i32, scores: usize, state: usize,
): void {
  const blocks = (keys + 15) >> 4;
  const scale = real(phase, SCALE) * real(phase, KV_OUT);
  capScores(phase, scores, keys, scale);
  for (let r = 0; r < TILE_ROWS; r++) {
    const seen = seenBy(phase, r, first, rows, lead);
    maskRow(scores + r * ROW_BYTES, hiddenBy(phase, r, first, rows, lead), seen, blocks);
  }
  softmax(scores, scores + SCORE_BYTES, state, blocks, scale, real(phase, KV_IN));
}

/** Multiplies the values of `keys` positions by the weights, into the state. */
export function mixFloats(phase: usize, v: usize, keys: i32, scores: usize, state: usize): void {
  const step = <usize>CHUNK << rowShift(phase);
  for (let d = 0; d < valueBlocks(phase); d++) {
    tile(phase, v + <usize>d * step, scores + SCORE_BYTES, state + STATE_VALUES + d * TILE_BYTES, keys);
  }
}

/** Softmax weights of a tile over one chunk, as [keys][4]; maxima and sums go into the state. */
function softmax(scores: usize, weights: usize, state: usize, blocks: i32, scale: f32, weightScale: f32): void {
  const m0 = rowMaximum(scores, blocks, scale);
  const m1 = rowMaximum(scores + ROW_BYTES, blocks, scale);
  const m2 = rowMaximum(scores + 2 * ROW_BYTES, blocks, scale);
  const m3 = rowMaximum(scores + 3 * ROW_BYTES, blocks, scale);
  const factor = f32x4.splat(scale);
  const grown = f32x4.splat(weightScale);
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (let b = 0; b < blocks; b++) {
    for (let i = 0; i < ROW_BYTES; i += 16) {
      const e0 = exp4(f32x4.sub(f32x4.mul(v128.load(scores + i), factor), f32x4.splat(m0)));
      const e1 = exp4(f32x4.sub(f32x4.mul(v128.load(scores + i, ROW_BYTES), factor), f32x4.splat(m1)));
      const e2 = exp4(f32x4.sub(f32x4.mul(v128.load(scores + i, 2 * ROW_BYTES), factor), f32x4.splat(m2)));
      const e3 = exp4(f32x4.sub(f32x4.mul(v128.load(scores + i, 3 * ROW_BYTES), factor), f32x4.splat(m3)));
      s0 = f32x4.add(s0, e0);
      s1 = f32x4.add(s1, e1);
      s2 = f32x4.add(s2, e2);
      s3 = f32x4.add(s3, e3);
      const a = v128.shuffle<i32>(e0, e1, 0, 4, 1, 5), b2 = v128.shuffle<i32>(e2, e3, 0, 4, 1, 5);
      const c = v128.shuffle<i32>(e0, e1, 2, 6, 3, 7), d = v128.shuffle<i32>(e2, e3, 2, 6, 3, 7);
      v128.store(weights, f32x4.mul(v128.shuffle<i64>(a, b2, 0, 2), grown));
      v128.store(weights, f32x4.mul(v128.shuffle<i64>(a, b2, 1, 3), grown), 16);
      v128.store(weights, f32x4.mul(v128.shuffle<i64>(c, d, 0, 2), grown), 32);
      v128.store(weights, f32x4.mul(v128.shuffle<i64>(c, d, 1, 3), grown), 48);
      weights += 64;
    }
    scores += TILE_BYTES;
  }
  v128.store(state, f32x4(m0, m1, m2, m3));
  v128.store(state, f32x4(sumLanes(s0), sumLanes(s1), sumLanes(s2), sumLanes(s3)), STATE_SUMS);
}
