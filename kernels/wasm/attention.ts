/**
 * Causal attention over the KV cache, grouped-query: the query heads of a kv head share its keys and values.
 *
 *   s[i][j] = scale * q[i] . k[j]    for the keys j <= i, with a window those of i - window < j <= i; WHOLE: for all
 *                                    keys j of the slice, with a window those of i - window < j < i + window
 *   out[i] = sum over j of exp(s[i][j] - m[i]) v[j] / sum over j of exp(s[i][j] - m[i]), m[i] = max over j of s[i][j]
 *
 * A row is one query head of one token; four rows of a kv head make a tile. Keys are read in chunks of CHUNK, at fixed
 * positions. Each chunk gives a state (maximum, sum, weighted values) of a row (attention-float.ts, attention-int.ts).
 * States are merged in the order of the chunks. A chunk of which a row sees nothing leaves its state as it is, to the
 * bit; a chunk of which no row sees anything is skipped. Steps of single tokens spread chunks over threads, longer steps
 * spread blocks of queries. Both add the same floats in the same order, so the bits of a row depend on its keys alone.
 *
 * The layout of a state is in attention-scores.ts.
 */
import { floatQuery, mixFloats, scoreFloats, weighFloats } from './attention-float';
import { codedQuery, mixCodes, scoreCodes, weighCodes } from './attention-int';
import { takeTask } from './barrier';
import { keysAt, storeHead, valueBlocks, valueScalesAt, valuesAt } from './kv-cache';
import {
  ATTENTION_SCRATCH, CHUNK, CHUNK_SCRATCH, CONTEXT, FINISHED, HEAD_DIM, HEADS, K_ROWS, KV_HEADS, KV_OUT, KV_Q8, KV_TYPE,
  OUT, OUT_STRIDE, PARTIALS, POSITIONS, QUERY_BLOCK, QUERY_BYTES, SINGLE, SLICE_LIST, SLICES, TRACED, VALUE_DIM, X, X_STRIDE,
} from './layout';
import { address, real, word } from './phase';
import { exp4, madd } from './simd';
import {
  TILE_BYTES, hiddenBy, hiddenOf, ROW_BYTES, seenBy, setAhead, STATE_SUMS, STATE_VALUES, TILE_ROWS, withSink,
} from './attention-scores';
import { storeWeights } from './attention-weights';

// @ts-ignore: decorator
@inline
function stateBytes(phase: usize): usize {
  return <usize>(STATE_VALUES + valueBlocks(phase) * TILE_BYTES);
}

/** Queries of the tile that begins at row `first`, rotated to their positions. */
function gather(phase: usize, token: i32, h: i32, first: i32, rows: i32, q: usize, row: usize): void {
  const group = word(phase, HEADS) / word(phase, KV_HEADS);
  const headBytes = <usize>word(phase, HEAD_DIM) << 2;
  for (let r = 0; r < min(TILE_ROWS, rows - first); r++) {
    const t = token + (first + r) / group;
    const head = h * group + (first + r) % group;
    const x = address(phase, X) + <usize>t * address(phase, X_STRIDE) + <usize>head * headBytes;
    const position = load<i32>(load<usize>(POSITIONS) + (t << 2));
    if (word(phase, KV_TYPE) == KV_Q8) codedQuery(phase, x, r, q, position, row);
    else floatQuery(phase, x, r, q, position);
  }
}

/**
 * State of one tile over the chunk of position `from`. Row r of the tile is row first + r of `rows`; the position of
 * its token is start + (first + r) / group.
 */
function attendChunk(
  phase: usize, h: i32, kv: usize, from: i32, start: i32, first: i32, rows: i32, q: usize, work: usize, state: usize,
): void {
  const lead = start - from;
  const keys = min(CHUNK, seenBy(phase, TILE_ROWS - 1, first, rows, lead));
  const k = keysAt(phase, h, kv, from);
  const v = valuesAt(phase, h, kv, from);
  if (word(phase, KV_TYPE) == KV_Q8) {
    const present = min(TILE_ROWS, rows - first);
    scoreCodes(phase, k, keys, q, work, present);
    weighCodes(phase, valueScalesAt(phase, h, kv, from), keys, first, rows, lead, work, state);
    mixCodes(phase, v, keys, work, state, present);
  } else {
    scoreFloats(phase, k, keys, q, work);
    weighFloats(phase, keys, first, rows, lead, work, state);
    mixFloats(phase, v, keys, work, state);
  }
}

/** Merges the state of later keys into `into`: rescales both to the larger maximum and adds them. */
function merge(phase: usize, into: usize, state: usize): void {
  const m = v128.load(into), n = v128.load(state);
  const top = f32x4.max(m, n);
  const keep = exp4(f32x4.sub(m, top)), take = exp4(f32x4.sub(n, top));
  v128.store(into, top);
  v128.store(into, madd(v128.load(into, STATE_SUMS), keep, f32x4.mul(v128.load(state, STATE_SUMS), take)), STATE_SUMS);
  mergeRow(phase, into, state, 0, f32x4.extract_lane(keep, 0), f32x4.extract_lane(take, 0));
  mergeRow(phase, into, state, 1, f32x4.extract_lane(keep, 1), f32x4.extract_lane(take, 1));
  mergeRow(phase, into, state, 2, f32x4.extract_lane(keep, 2), f32x4.extract_lane(take, 2));
  mergeRow(phase, into, state, 3, f32x4.extract_lane(keep, 3), f32x4.extract_lane(take, 3));
}

/** Merges the values of row `r`. */
// @ts-ignore: decorator
@inline
function mergeRow(phase: usize, into: usize, state: usize, r: i32, keep: f32, take: f32): void {
  const a = f32x4.splat(keep), b = f32x4.splat(take);
  into += STATE_VALUES + r * ROW_BYTES;
  state += STATE_VALUES + r * ROW_BYTES;
  for (let d = valueBlocks(phase); d > 0; d--, into += TILE_BYTES, state += TILE_BYTES) {
    for (let i = 0; i < ROW_BYTES; i += 16) {
      v128.store(into + i, madd(v128.load(into + i), a, f32x4.mul(v128.load(state + i), b)));
    }
  }
}

/** Divides the values of a finished tile by their sums, into out [T][heads * D]. */
function emit(phase: usize, token: i32, h: i32, first: i32, rows: i32, state: usize): void {
  const valueDim = word(phase, VALUE_DIM);
  const group = word(phase, HEADS) / word(phase, KV_HEADS);
  for (let r = 0; r < min(TILE_ROWS, rows - first); r++) {
    const t = token + (first + r) / group;
    const head = h * group + ((first + r) % group);
    const out = address(phase, OUT) + <usize>t * address(phase, OUT_STRIDE) + <usize>(head * valueDim << 2);
    const values = state + STATE_VALUES + r * ROW_BYTES;
    const all = withSink(phase, head, load<f32>(state + (r << 2)), load<f32>(state + (r << 2), STATE_SUMS));
    const sum = all / real(phase, KV_OUT);
    let d = 0;
    for (; d + 4 <= valueDim; d += 4) {
      const v = v128.load(values + <usize>((d >> 4) * TILE_BYTES + ((d & 15) << 2)));
      v128.store(out + (d << 2), f32x4.div(v, f32x4.splat(sum)));
    }
    for (; d < valueDim; d++) {
      store<f32>(out + (d << 2), load<f32>(values + <usize>((d >> 4) * TILE_BYTES + ((d & 15) << 2))) / sum);
    }
  }
}

/** Position of the first chunk of keys that a token sees which has `seen` positions up to its own. */
// @ts-ignore: decorator
@inline
function firstChunk(phase: usize, seen: i32): i32 {
  return hiddenOf(phase, seen) / CHUNK * CHUNK;
}

/** Attention of a block of queries of one kv head over all keys they see, chunk by chunk. */
function attendBlock(
  phase: usize, token: i32, tokens: i32, start: i32, h: i32, kv: usize, work: usize,
): void {
  const rows = tokens * (word(phase, HEADS) / word(phase, KV_HEADS));
  const tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
  const queryBytes = address(phase, QUERY_BYTES);
  const chunkState = work + CHUNK_SCRATCH;
  const queries = chunkState + stateBytes(phase);
  const states = queries + <usize>tiles * queryBytes;
  for (let tile = 0; tile < tiles; tile++) {
    gather(phase, token, h, tile * TILE_ROWS, rows, queries + <usize>tile * queryBytes, work);
  }
  const end = seenBy(phase, 0, rows, rows, start); // of the last row
  for (let from = firstChunk(phase, start + 1); from < end; from += CHUNK) {
    for (let tile = 0; tile < tiles; tile++) {
      const first = tile * TILE_ROWS;
      const begin = hiddenBy(phase, 0, first, rows, start) / CHUNK * CHUNK;
      if (from < begin || seenBy(phase, TILE_ROWS - 1, first, rows, start) <= from) continue;
      const state = states + <usize>tile * stateBytes(phase);
      const q = queries + <usize>tile * queryBytes;
      attendChunk(phase, h, kv, from, start, first, rows, q, work, from == begin ? state : chunkState);
      if (from > begin) merge(phase, state, chunkState);
    }
  }
  for (let tile = 0; tile < tiles; tile++) {
    emit(phase, token, h, tile * TILE_ROWS, rows, states + <usize>tile * stateBytes(phase));
  }
}

/** Attention of a single token over some chunks of one kv head. The thread that finishes last merges all, in order. */
function attendSingle(
  phase: usize, slice: i32, token: i32, position: i32, h: i32, part: i32, kv: usize, work: usize,
): void {
  const group = word(phase, HEADS) / word(phase, KV_HEADS);
  const tiles = (group + TILE_ROWS - 1) / TILE_ROWS;
  const step = load<i32>(SINGLE);
  const begin = firstChunk(phase, position + 1);
  const chunks = (position - begin) / CHUNK + 1;
  const parts = (chunks + step - 1) / step;
  const size = stateBytes(phase);
  const slot = slice * word(phase, KV_HEADS) + h;
  const states = address(phase, PARTIALS) + <usize>(slot * (word(phase, CONTEXT) / CHUNK) * tiles) * size;
  if (part == parts - 1 && address(phase, K_ROWS) != 0) storeHead(phase, token, h, kv, position, work);
  const q = work + CHUNK_SCRATCH + size;
  for (let tile = 0; tile < tiles; tile++) {
    const first = tile * TILE_ROWS;
    gather(phase, token, h, first, group, q, work);
    for (let i = part * step; i < min(chunks, part * step + step); i++) {
      const state = states + <usize>(i * tiles + tile) * size;
      attendChunk(phase, h, kv, begin + i * CHUNK, position, first, group, q, work, state);
    }
  }
  const finished = address(phase, FINISHED) + (slot << 2);
  if (atomic.add<i32>(finished, 1) != parts - 1) return;
  atomic.store<i32>(finished, 0);
  for (let tile = 0; tile < tiles; tile++) {
    const first = states + <usize>tile * size;
    for (let i = 1; i < chunks; i++) merge(phase, first, states + <usize>(i * tiles + tile) * size);
    emit(phase, token, h, tile * TILE_ROWS, group, first);
  }
  if (load<i32>(TRACED) == 0) return;
  for (let tile = 0; tile < tiles; tile++) {
    gather(phase, token, h, tile * TILE_ROWS, group, q, work);
    storeWeights(phase, h, kv, position, tile * TILE_ROWS, q, work, states + <usize>tile * size);
  }
}

/** Tasks of each kv head of a slice: for a single token one per `step` chunks, else one per block of queries. */
// @ts-ignore: decorator
@inline
function partsOf(phase: usize, tokens: i32, position: i32, step: i32): i32 {
  if (step == 0) return (tokens + QUERY_BLOCK - 1) / QUERY_BLOCK;
  return ((position - firstChunk(phase, position + 1)) / CHUNK + step) / step;
}

/** Tasks are numbered over all slices of the step: slice by slice, the parts of all its kv heads. */
export function attention(phase: usize, scratch: usize): void {
  const kvHeads = word(phase, KV_HEADS);
  const step = load<i32>(SINGLE);
  const slices = load<i32>(SLICES);
  let slice = 0;
  let before = 0; // tasks of the slices before this one
  const work = scratch + address(phase, ATTENTION_SCRATCH);
  for (let task = takeTask(); ; task = takeTask()) {
    let entry = load<usize>(SLICE_LIST) + (slice << 4);
    let parts = 0;
    for (; slice < slices; slice++, entry += 16) {
      parts = partsOf(phase, load<i32>(entry, 4), load<i32>(entry, 8), step);
      if (task - before < parts * kvHeads) break;
      before += parts * kvHeads;
    }
    if (slice == slices) return;
    const h = (task - before) % kvHeads;
    const part = parts - 1 - (task - before) / kvHeads; // the longest parts first
    const token = load<i32>(entry);
    const start = load<i32>(entry, 8);
    const kv = load<usize>(entry, 12);
    const all = load<i32>(entry, 4);
    if (step > 0) {
      setAhead(1);
      attendSingle(phase, slice, token, start, h, part, kv, work);
    } else {
      const offset = part * QUERY_BLOCK;
      const tokens = min(QUERY_BLOCK, all - offset);
      setAhead(all - offset);
      attendBlock(phase, token + offset, tokens, start + offset, h, kv, work);
    }
  }
}
