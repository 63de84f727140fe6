/**
 * Shared by attention over float and 8-bit caches: the scores of a chunk, f32 [8 blocks of 16 keys][4 rows][16],
 * and the state of a chunk, f32 {maximum [4 rows], sum [4 rows], values [D / 16][4 rows][16]}.
 */
import { CHUNK, HEADS, KV_HEADS, SINKS, SOFTCAP, WHOLE, WINDOW } from './layout';
import { address, real, word } from './phase';
import { exp4, maxLanes, tanh4 } from './simd';

export const TILE_ROWS = 4;
export const ROW_BYTES = 16 * 4; // of one row of a tile product [4 rows][16]
export const TILE_BYTES = TILE_ROWS * ROW_BYTES; // of a whole tile product
export const SCORE_BYTES: usize = CHUNK * TILE_ROWS * 4;
export const STATE_SUMS = TILE_ROWS * 4; // bytes from the start of the state
export const STATE_VALUES = 2 * TILE_ROWS * 4;
/** Finite substitute for minus infinity, so that differences of maxima are not NaN. */
const LOWEST: f32 = -1e30;

/**
 * Sets the scores of a row outside the keys it sees, `hidden` to `keys` - 1, to minus infinity: their weight is zero, in
 * 8 bits after rounding.
 */
// @ts-ignore: decorator
@inline
export function maskRow(scores: usize, hidden: i32, keys: i32, blocks: i32): void {
  const all = blocks << 4;
  for (let j = 0; j < min(hidden, all); j++) maskKey(scores, j);
  for (let j = max(keys, 0); j < all; j++) maskKey(scores, j);
}

// @ts-ignore: decorator
@inline
function maskKey(scores: usize, j: i32): void {
  store<f32>(scores + <usize>((j >> 4) * TILE_BYTES + ((j & 15) << 2)), -Infinity);
}

/** Largest score of a row, times `scale`. */
// @ts-ignore: decorator
@inline
export function rowMaximum(scores: usize, blocks: i32, scale: f32): f32 {
  let top = f32x4.splat(-Infinity);
  for (let p = scores, end = p + blocks * TILE_BYTES; p < end; p += TILE_BYTES) {
    const low = f32x4.relaxed_max(v128.load(p), v128.load(p, 16));
    const high = f32x4.relaxed_max(v128.load(p, 32), v128.load(p, 48));
    top = f32x4.relaxed_max(top, f32x4.relaxed_max(low, high));
  }
  return max(maxLanes(top) * scale, LOWEST);
}

/** Tokens of the slice from the first of the block on, whose rows this thread computes. */
let ahead: i32 = 0;

export function setAhead(tokens: i32): void {
  ahead = tokens;
}

/** The token of row `r` of a tile, counted from the block's first; the tile begins at row `first` of `rows`. */
// @ts-ignore: decorator
@inline
function tokenOf(phase: usize, r: i32, first: i32, rows: i32): i32 {
  return min(first + r, rows - 1) / (word(phase, HEADS) / word(phase, KV_HEADS));
}

/** End of the keys of a chunk that row `r` of a tile sees. A token of lead 0 sees 1, and those after it if WHOLE. */
// @ts-ignore: decorator
@inline
export function seenBy(phase: usize, r: i32, first: i32, rows: i32, lead: i32): i32 {
  const token = tokenOf(phase, r, first, rows);
  if (word(phase, WHOLE) == 0) return lead + token + 1;
  const window = word(phase, WINDOW);
  return lead + (window == 0 ? ahead : min(ahead, token + window));
}

/** Keys of a chunk in front of the window of row `r`. */
// @ts-ignore: decorator
@inline
export function hiddenBy(phase: usize, r: i32, first: i32, rows: i32, lead: i32): i32 {
  return hiddenOf(phase, lead + tokenOf(phase, r, first, rows) + 1);
}

/** Of the keys of a chunk, or of a sequence, up to that of a token, those in front of its window. */
// @ts-ignore: decorator
@inline
export function hiddenOf(phase: usize, keys: i32): i32 {
  const window = word(phase, WINDOW);
  return window == 0 ? 0 : max(keys - window, 0);
}

// --- what changes scores and sums -----------------------------------------------------------------------------------

/** Replaces the scores s of a tile by cap * tanh(scale * s / cap) / scale, if there is a cap. */
export function capScores(phase: usize, scores: usize, keys: i32, scale: f32): void {
  const cap = real(phase, SOFTCAP);
  if (cap == 0) return;
  const inner = f32x4.splat(scale / cap), outer = f32x4.splat(cap / scale);
  for (const end = scores + ((keys + 15) >> 4) * TILE_BYTES; scores < end; scores += 16) {
    v128.store(scores, f32x4.mul(tanh4(f32x4.mul(v128.load(scores), inner)), outer));
  }
}

/** The sum of a finished row, and what the sink of its head adds to it. */
export function withSink(phase: usize, head: i32, top: f32, sum: f32): f32 {
  const sinks = address(phase, SINKS);
  if (sinks == 0) return sum;
  return sum + f32x4.extract_lane(exp4(f32x4.splat(load<f32>(sinks + (<usize>head << 2)) - top)), 0);
}
