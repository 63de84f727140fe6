/**
 * Causal attention over the KV cache, grouped-query: the query heads of a kv head share its keys and values.
 *
 * A row is one query head of one token; four rows of a kv head make a tile, so that scores (tile x 16 keys) and
 * mixing (tile x 16 dimensions) are the float tile product of matmul-float.ts. Keys are taken CHUNK at a time at
 * fixed positions: each chunk gives a state (maximum, sum, weighted values) of a row, and the states are merged in
 * the order of the chunks. Steps of single tokens spread chunks over threads, longer ones spread blocks of
 * queries; both add the same floats in the same order, so a row's bits depend on its keys alone.
 *
 * State of a tile: {maximum [4], sum [4], values [ceil(D / 16)][4][16]}.
 */
import { takeTask } from './barrier';
import {
  ATTENTION_SCRATCH, CHUNK, CONTEXT, FINISHED, HEAD_DIM, HEADS, K_CACHE, K_ROWS, K_STRIDE, KV_HALF, KV_HEADS,
  KV_IN, KV_OUT, OUT, OUT_STRIDE, PARTIALS, POSITIONS, QUERY_BLOCK, SCALE, SINGLE, SLICE_LIST, SLICES, TOKEN_KV, V_CACHE, V_ROWS,
  V_STRIDE, X, X_STRIDE,
} from './layout';
import { tileF16, tileF32 } from './matmul-float';
import { address, real, word } from './phase';
import { ropeHead } from './rope';
import { exp4, madd, maxLanes, sumLanes, toHalf } from './simd';

const TILE_ROWS = 4;
/** Scratch: scores [8 blocks of 16 keys][4][16], weights [CHUNK][4]. */
const SCORE_BYTES: usize = CHUNK * TILE_ROWS * 4;
/** Stands for minus infinity where differences are taken. */
const LOWEST: f32 = -1e30;

// @ts-ignore: decorator
@inline
function valueBlocks(phase: usize): i32 {
  return (word(phase, HEAD_DIM) + 15) >> 4;
}

// @ts-ignore: decorator
@inline
function stateBytes(phase: usize): usize {
  return 32 + <usize>(valueBlocks(phase) << 8);
}

/** Bytes of 16 elements of the cache, as a shift. */
// @ts-ignore: decorator
@inline
function rowShift(phase: usize): i32 {
  return word(phase, KV_HALF) != 0 ? 5 : 6;
}

/** Start of key head `h` in the sequence at `kv`, from position `from` (a multiple of 16) on. */
// @ts-ignore: decorator
@inline
function keysAt(phase: usize, h: i32, kv: usize, from: i32): usize {
  const blocks = (h * word(phase, CONTEXT) + from) >> 4;
  return address(phase, K_CACHE) + kv + (<usize>(blocks * word(phase, HEAD_DIM)) << rowShift(phase));
}

/** Start of the 16 dimensions from 16 `d` of value head `h`, from position `from` on (even). */
// @ts-ignore: decorator
@inline
function valuesAt(phase: usize, h: i32, d: i32, kv: usize, from: i32): usize {
  const positions = (h * valueBlocks(phase) + d) * word(phase, CONTEXT) + from;
  return address(phase, V_CACHE) + kv + (<usize>positions << rowShift(phase));
}

/** Key head `h` at `position` and value head likewise, from the token's row `t` of k and v into the cache. */
function storeHead(phase: usize, t: i32, h: i32, kv: usize, position: i32, scratch: usize): void {
  const headDim = word(phase, HEAD_DIM);
  const k = address(phase, K_ROWS) + <usize>t * address(phase, K_STRIDE) + <usize>(h * headDim << 2);
  const v = address(phase, V_ROWS) + <usize>t * address(phase, V_STRIDE) + <usize>(h * headDim << 2);
  const keys = keysAt(phase, h, kv, position & ~15);
  const lane = <usize>((position & 15) << 2);
  if (word(phase, KV_HALF) == 0) {
    ropeHead(phase, k, keys + lane, 64, position);
    for (let d = 0; d < headDim; d++) {
      store<u32>(valuesAt(phase, h, d >> 4, kv, position) + <usize>((d & 15) << 2), load<u32>(v + (d << 2)));
    }
    return;
  }
  ropeHead(phase, k, scratch, 4, position);
  for (let d = 0; d < headDim; d++) {
    const pair = keys + <usize>((d >> 1) << 6) + lane;
    store<u16>(pair + <usize>((d & 1) << 1), <u16>toHalf(load<f32>(scratch + (d << 2))));
    const row = valuesAt(phase, h, d >> 4, kv, position & ~1) + <usize>((d & 15) << 2);
    store<u16>(row + <usize>((position & 1) << 1), <u16>toHalf(load<f32>(v + (d << 2))));
  }
}

// @ts-ignore: decorator
@inline
function tile(phase: usize, w: usize, x: usize, out: usize, k: i32): void {
  if (word(phase, KV_HALF) != 0) tileF16(w, x, out, k);
  else tileF32(w, x, out, k);
}

/** Keys and values of the step into the cache, a token a task. Steps of single tokens store while they attend. */
export function storeKv(phase: usize, rows: i32, scratch: usize): void {
  for (let t = takeTask(); t < rows; t = takeTask()) {
    const kv = load<usize>(load<usize>(TOKEN_KV) + (t << 2));
    const position = load<i32>(load<usize>(POSITIONS) + (t << 2));
    const work = scratch + address(phase, ATTENTION_SCRATCH);
    for (let h = 0; h < word(phase, KV_HEADS); h++) storeHead(phase, t, h, kv, position, work);
  }
}

/** Queries of rows first.. of a tile, turned to their positions, as [D][4]; missing rows repeat the last. */
function gather(phase: usize, token: i32, h: i32, first: i32, rows: i32, q: usize): void {
  const group = word(phase, HEADS) / word(phase, KV_HEADS);
  const headBytes = <usize>word(phase, HEAD_DIM) << 2;
  for (let r = 0; r < TILE_ROWS; r++) {
    const row = min(first + r, rows - 1);
    const t = token + row / group;
    const x = address(phase, X) + <usize>t * address(phase, X_STRIDE) + <usize>(h * group + (row % group)) * headBytes;
    ropeHead(phase, x, q + (r << 2), 16, load<i32>(load<usize>(POSITIONS) + (t << 2)));
  }
  const scale = f32x4.splat(real(phase, KV_IN));
  for (let p = q, end = q + (headBytes << 2); p < end; p += 16) v128.store(p, f32x4.mul(v128.load(p), scale));
}

/** Scores outside a row's keys become minus infinity, so that their weights are exactly zero. */
// @ts-ignore: decorator
@inline
function maskRow(scores: usize, r: i32, keys: i32, blocks: i32): void {
  for (let j = max(keys, 0); j < blocks << 4; j++) {
    store<f32>(scores + <usize>(((j >> 4) << 8) + (r << 6) + ((j & 15) << 2)), -Infinity);
  }
}

// @ts-ignore: decorator
@inline
function rowMaximum(scores: usize, r: i32, blocks: i32, scale: f32): f32 {
  let top = f32x4.splat(-Infinity);
  for (let p = scores + (r << 6), end = p + (blocks << 8); p < end; p += 256) {
    const low = f32x4.relaxed_max(v128.load(p), v128.load(p, 16));
    const high = f32x4.relaxed_max(v128.load(p, 32), v128.load(p, 48));
    top = f32x4.relaxed_max(top, f32x4.relaxed_max(low, high));
  }
  return max(maxLanes(top) * scale, LOWEST);
}

/** Softmax weights of a tile over one chunk as [keys][4]; maxima and sums into the state. */
function softmax(scores: usize, weights: usize, state: usize, blocks: i32, scale: f32, weightScale: f32): void {
  const m0 = rowMaximum(scores, 0, blocks, scale);
  const m1 = rowMaximum(scores, 1, blocks, scale);
  const m2 = rowMaximum(scores, 2, blocks, scale);
  const m3 = rowMaximum(scores, 3, blocks, scale);
  const factor = f32x4.splat(scale);
  const grown = f32x4.splat(weightScale);
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (let b = 0; b < blocks; b++) {
    for (let i: usize = 0; i < 64; i += 16) {
      const e0 = exp4(f32x4.sub(f32x4.mul(v128.load(scores + i), factor), f32x4.splat(m0)));
      const e1 = exp4(f32x4.sub(f32x4.mul(v128.load(scores + i, 64), factor), f32x4.splat(m1)));
      const e2 = exp4(f32x4.sub(f32x4.mul(v128.load(scores + i, 128), factor), f32x4.splat(m2)));
      const e3 = exp4(f32x4.sub(f32x4.mul(v128.load(scores + i, 192), factor), f32x4.splat(m3)));
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
    scores += 256;
  }
  v128.store(state, f32x4(m0, m1, m2, m3));
  v128.store(state, f32x4(sumLanes(s0), sumLanes(s1), sumLanes(s2), sumLanes(s3)), 16);
}

/**
 * State of one tile over one chunk of keys that begins at position `from`. Row r of the tile is row first + r of
 * `rows`; its token stands at position start + row / group.
 */
function attendChunk(
  phase: usize, h: i32, kv: usize, from: i32, start: i32, first: i32, rows: i32, q: usize, scores: usize, state: usize,
): void {
  const headDim = word(phase, HEAD_DIM);
  const group = word(phase, HEADS) / word(phase, KV_HEADS);
  const keys = min(CHUNK, start + min(first + TILE_ROWS - 1, rows - 1) / group + 1 - from);
  const blocks = (keys + 15) >> 4;
  const k = keysAt(phase, h, kv, from);
  for (let b = 0; b < blocks; b++) {
    tile(phase, k + (<usize>(b * headDim) << rowShift(phase)), q, scores + (b << 8), headDim);
  }
  for (let r = 0; r < TILE_ROWS; r++) {
    maskRow(scores, r, start + min(first + r, rows - 1) / group + 1 - from, blocks);
  }
  const weights = scores + SCORE_BYTES;
  softmax(scores, weights, state, blocks, real(phase, SCALE) * real(phase, KV_OUT), real(phase, KV_IN));
  for (let d = 0; d < valueBlocks(phase); d++) {
    tile(phase, valuesAt(phase, h, d, kv, from), weights, state + 32 + (d << 8), keys);
  }
}

/** Merges the state of a later chunk into `into`: both are brought to the larger maximum and added. */
function merge(phase: usize, into: usize, state: usize): void {
  const m = v128.load(into), n = v128.load(state);
  const top = f32x4.max(m, n);
  const keep = exp4(f32x4.sub(m, top)), take = exp4(f32x4.sub(n, top));
  v128.store(into, top);
  v128.store(into, madd(v128.load(into, 16), keep, f32x4.mul(v128.load(state, 16), take)), 16);
  mergeRow(phase, into + 32, state + 32, f32x4.extract_lane(keep, 0), f32x4.extract_lane(take, 0));
  mergeRow(phase, into + 96, state + 96, f32x4.extract_lane(keep, 1), f32x4.extract_lane(take, 1));
  mergeRow(phase, into + 160, state + 160, f32x4.extract_lane(keep, 2), f32x4.extract_lane(take, 2));
  mergeRow(phase, into + 224, state + 224, f32x4.extract_lane(keep, 3), f32x4.extract_lane(take, 3));
}

function mergeRow(phase: usize, into: usize, state: usize, keep: f32, take: f32): void {
  const a = f32x4.splat(keep), b = f32x4.splat(take);
  for (let d = valueBlocks(phase); d > 0; d--, into += 256, state += 256) {
    for (let i: usize = 0; i < 64; i += 16) {
      v128.store(into + i, madd(v128.load(into + i), a, f32x4.mul(v128.load(state + i), b)));
    }
  }
}

/** Values over sums: the rows of a finished tile into out [T][heads * D]. */
function emit(phase: usize, token: i32, h: i32, first: i32, rows: i32, state: usize): void {
  const headDim = word(phase, HEAD_DIM);
  const group = word(phase, HEADS) / word(phase, KV_HEADS);
  for (let r = 0; r < min(TILE_ROWS, rows - first); r++) {
    const t = token + (first + r) / group;
    const head = h * group + ((first + r) % group);
    const out = address(phase, OUT) + <usize>t * address(phase, OUT_STRIDE) + <usize>(head * headDim << 2);
    const values = state + 32 + (r << 6);
    const sum = load<f32>(state + (r << 2), 16) / real(phase, KV_OUT);
    let d = 0;
    for (; d + 4 <= headDim; d += 4) {
      const v = v128.load(values + <usize>(((d >> 4) << 8) + ((d & 15) << 2)));
      v128.store(out + (d << 2), f32x4.div(v, f32x4.splat(sum)));
    }
    for (; d < headDim; d++) {
      store<f32>(out + (d << 2), load<f32>(values + <usize>(((d >> 4) << 8) + ((d & 15) << 2))) / sum);
    }
  }
}

/** A block of queries of one kv head against all their keys, a chunk after the other. */
function attendBlock(phase: usize, token: i32, tokens: i32, start: i32, h: i32, kv: usize, scratch: usize): void {
  const rows = tokens * (word(phase, HEADS) / word(phase, KV_HEADS));
  const tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
  const queryBytes = <usize>word(phase, HEAD_DIM) << 4;
  const chunkState = scratch + 2 * SCORE_BYTES;
  const queries = chunkState + stateBytes(phase);
  const states = queries + <usize>tiles * queryBytes;
  const group = rows / tokens;
  for (let tile = 0; tile < tiles; tile++) {
    gather(phase, token, h, tile * TILE_ROWS, rows, queries + <usize>tile * queryBytes);
  }
  for (let from = 0; from < start + tokens; from += CHUNK) {
    for (let tile = 0; tile < tiles; tile++) {
      const first = tile * TILE_ROWS;
      if (start + min(first + TILE_ROWS - 1, rows - 1) / group < from) continue;
      const state = states + <usize>tile * stateBytes(phase);
      const q = queries + <usize>tile * queryBytes;
      attendChunk(phase, h, kv, from, start, first, rows, q, scratch, from == 0 ? state : chunkState);
      if (from > 0) merge(phase, state, chunkState);
    }
  }
  for (let tile = 0; tile < tiles; tile++) {
    emit(phase, token, h, tile * TILE_ROWS, rows, states + <usize>tile * stateBytes(phase));
  }
}

/** One chunk of keys of one kv head for a single token; whoever finishes the last chunk merges them in order. */
function attendSingle(
  phase: usize, slice: i32, token: i32, position: i32, h: i32, chunk: i32, kv: usize, scratch: usize,
): void {
  const group = word(phase, HEADS) / word(phase, KV_HEADS);
  const tiles = (group + TILE_ROWS - 1) / TILE_ROWS;
  const chunks = position / CHUNK + 1;
  const size = stateBytes(phase);
  const slot = slice * word(phase, KV_HEADS) + h;
  const partials = address(phase, PARTIALS) + <usize>(slot * (word(phase, CONTEXT) / CHUNK) * tiles) * size;
  if (chunk == chunks - 1) storeHead(phase, token, h, kv, position, scratch);
  const queries = scratch + 2 * SCORE_BYTES;
  for (let tile = 0; tile < tiles; tile++) {
    gather(phase, token, h, tile * TILE_ROWS, group, queries);
    const state = partials + <usize>(chunk * tiles + tile) * size;
    attendChunk(phase, h, kv, chunk * CHUNK, position, tile * TILE_ROWS, group, queries, scratch, state);
  }
  const finished = address(phase, FINISHED) + (slot << 2);
  if (atomic.add<i32>(finished, 1) != chunks - 1) return;
  atomic.store<i32>(finished, 0);
  for (let tile = 0; tile < tiles; tile++) {
    const first = partials + <usize>tile * size;
    for (let c = 1; c < chunks; c++) merge(phase, first, partials + <usize>(c * tiles + tile) * size);
    emit(phase, token, h, tile * TILE_ROWS, group, first);
  }
}

/** Tasks are numbered through the slices of the step: kv heads times chunks, or kv heads times blocks of queries. */
export function attention(phase: usize, scratch: usize): void {
  const kvHeads = word(phase, KV_HEADS);
  const single = load<i32>(SINGLE) != 0;
  const slices = load<i32>(SLICES);
  let slice = 0;
  let before = 0; // tasks of the slices before this one
  const work = scratch + address(phase, ATTENTION_SCRATCH);
  for (let task = takeTask(); ; task = takeTask()) {
    let entry = load<usize>(SLICE_LIST) + (slice << 4);
    let parts = 0; // of each kv head
    for (; slice < slices; slice++, entry += 16) {
      parts = single ? load<i32>(entry, 8) / CHUNK + 1 : (load<i32>(entry, 4) + QUERY_BLOCK - 1) / QUERY_BLOCK;
      if (task - before < parts * kvHeads) break;
      before += parts * kvHeads;
    }
    if (slice == slices) return;
    const h = (task - before) % kvHeads;
    const part = parts - 1 - (task - before) / kvHeads; // the longest first
    const token = load<i32>(entry);
    const start = load<i32>(entry, 8);
    const kv = load<usize>(entry, 12);
    if (single) attendSingle(phase, slice, token, start, h, part, kv, work);
    else {
      const offset = part * QUERY_BLOCK;
      const tokens = min(QUERY_BLOCK, load<i32>(entry, 4) - offset);
      attendBlock(phase, token + offset, tokens, start + offset, h, kv, work);
    }
  }
}
