/** What attention over float and over 8-bit caches share: scores [8 blocks of 16 keys][4 rows][16] of one chunk. */
import { CHUNK, HEADS, KV_HEADS } from './layout';
import { word } from './phase';
import { maxLanes } from './simd';

export const TILE_ROWS = 4;
export const SCORE_BYTES: usize = CHUNK * TILE_ROWS * 4;
/** Stands for minus infinity where differences are taken. */
const LOWEST: f32 = -1e30;

/** Scores of a row outside the `keys` it sees become minus infinity: weights of zero, in 8 bits after rounding. */
// @ts-ignore: decorator
@inline
export function maskRow(scores: usize, keys: i32, blocks: i32): void {
  for (let j = max(keys, 0); j < blocks << 4; j++) {
    store<f32>(scores + <usize>(((j >> 4) << 8) + ((j & 15) << 2)), -Infinity);
  }
}

/** Largest score of a row, times `scale`. */
// @ts-ignore: decorator
@inline
export function rowMaximum(scores: usize, blocks: i32, scale: f32): f32 {
  let top = f32x4.splat(-Infinity);
  for (let p = scores, end = p + (blocks << 8); p < end; p += 256) {
    const low = f32x4.relaxed_max(v128.load(p), v128.load(p, 16));
    const high = f32x4.relaxed_max(v128.load(p, 32), v128.load(p, 48));
    top = f32x4.relaxed_max(top, f32x4.relaxed_max(low, high));
  }
  return max(maxLanes(top) * scale, LOWEST);
}

/** Keys of a chunk that row `r` of a tile sees, whose first row is `first` of `rows`; a token of lead 0 sees one. */
// @ts-ignore: decorator
@inline
export function seenBy(phase: usize, r: i32, first: i32, rows: i32, lead: i32): i32 {
  return lead + min(first + r, rows - 1) / (word(phase, HEADS) / word(phase, KV_HEADS)) + 1;
}
