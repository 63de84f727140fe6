/**
 * y = x W^T for the matrices of the experts that each token picked. A pair is a token and one of its experts: pair
 * t * PICK_COUNT + i reads x, or part i of x, and makes part i of row t of the output.
 *
 * With fewer than TILED_ROWS tokens each pair streams the matrix of its expert. Otherwise pairs are sorted by experts and
 * form tiles of 4 that share one. Both add the same floats in the same order (matmul.ts), so the bits of a pair do not
 * depend on its neighbours.
 *
 * With PLANES, x is stored twice in 8 bits: rounded, and what that lost, behind all tiles or rows of the first plane. The
 * products of both are added.
 *
 * SORTED, in the scratch of each thread, because every thread sorts for itself: {tiles, experts in use}, then for each
 * such expert {number, first tile, tiles}, then i32 [experts] places, then the pairs of each tile, [tiles][4], with -1
 * where a tile has fewer.
 */
import { takeTask } from './barrier';
import {
  COLS, EPILOGUE, EXPERT_ROWS, EXPERTS, FORMS, GATE, GATED, OUT, OUT_STRIDE, PANEL, PANEL_BYTES, PICK_COUNT, PICKS, PICKS_STRIDE, PLANES, PREPARE_F32,
  PREPARE_INT8, RESULT_BYTES, ROW_SCRATCH, S_BIAS, S_GROUPS, S_OUT, S_OUT_STRIDE, SHARED_F32, SHARED_INT, SMALL_F32, SMALL_INT, SORTED, TILE, TILED_ROWS, X, X_PARTS,
  W_MXFP4, X_STRIDE,
} from './layout';
import { gate4 } from './map';
import { rowInt } from './matmul-int';
import { addBias, firstGroup, gemv, group, multiply, segment, unpack } from './matmul';
import { address, word } from './phase';
import { intBytes, quantizeToken } from './prepare';
import { residueRow } from './quantize';
import { madd } from './simd';

const USE_BYTES: usize = 12; // of {number, first tile, tiles}

// @ts-ignore: decorator
@inline
function expertOf(phase: usize, pair: i32): i32 {
  const count = word(phase, PICK_COUNT);
  if (address(phase, PICKS) == 0) return pair % count;
  const picks = address(phase, PICKS) + <usize>(pair / count) * address(phase, PICKS_STRIDE);
  return <i32>load<f32>(picks + (<usize>(pair % count) << 2));
}

/** Number, among the parts of all rows of x, of the part that a pair reads. */
// @ts-ignore: decorator
@inline
function partOf(phase: usize, pair: i32): i32 {
  return word(phase, X_PARTS) == 1 ? pair / word(phase, PICK_COUNT) : pair;
}

/** Address of a part of x. */
// @ts-ignore: decorator
@inline
function xAt(phase: usize, part: i32): usize {
  const parts = word(phase, X_PARTS);
  return address(phase, X) + <usize>(part / parts) * address(phase, X_STRIDE)
    + (<usize>(part % parts * word(phase, COLS)) << 2);
}

// --- sorting --------------------------------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline
function uses(sorted: usize): usize {
  return sorted + 8;
}

// @ts-ignore: decorator
@inline
function places(phase: usize, sorted: usize): usize {
  return uses(sorted) + <usize>word(phase, EXPERTS) * USE_BYTES;
}

// @ts-ignore: decorator
@inline
function pairsOf(phase: usize, sorted: usize, tile: i32): usize {
  return places(phase, sorted) + (<usize>word(phase, EXPERTS) << 2) + (<usize>tile << 4);
}

function sortPairs(phase: usize, pairs: i32, sorted: usize): void {
  const experts = word(phase, EXPERTS);
  const at = places(phase, sorted);
  memory.fill(at, 0, <usize>experts << 2);
  for (let pair = 0; pair < pairs; pair++) {
    const count = at + (<usize>expertOf(phase, pair) << 2);
    store<i32>(count, load<i32>(count) + 1);
  }
  let tiles = 0, used = 0;
  for (let e = 0; e < experts; e++) {
    const own = (load<i32>(at + (<usize>e << 2)) + TILE - 1) / TILE;
    store<i32>(at + (<usize>e << 2), TILE * tiles); // the next place of a pair of this expert
    if (own == 0) continue;
    const use = uses(sorted) + <usize>used * USE_BYTES;
    store<i32>(use, e);
    store<i32>(use, tiles, 4);
    store<i32>(use, own, 8);
    tiles += own;
    used++;
  }
  store<i32>(sorted, tiles);
  store<i32>(sorted, used, 4);
  const list = pairsOf(phase, sorted, 0);
  memory.fill(list, 0xff, <usize>tiles << 4);
  for (let pair = 0; pair < pairs; pair++) {
    const place = at + (<usize>expertOf(phase, pair) << 2);
    store<i32>(list + (<usize>load<i32>(place) << 2), pair);
    store<i32>(place, load<i32>(place) + 1);
  }
}

// --- activations ----------------------------------------------------------------------------------------------------

/** As prepare.ts, but tiles hold the pairs of one expert. */
export function prepareExperts(phase: usize, rows: i32, scratch: usize): void {
  if (rows < TILED_ROWS) return prepareFew(phase, rows * word(phase, X_PARTS), scratch);
  const sorted = scratch + address(phase, SORTED);
  sortPairs(phase, rows * word(phase, PICK_COUNT), sorted);
  const cols = word(phase, COLS);
  const tiles = load<i32>(sorted);
  for (let tile = takeTask(); tile < tiles; tile = takeTask()) {
    const int8 = address(phase, SHARED_INT) + intBytes(cols, TILE * tile);
    const f32s = address(phase, SHARED_F32) + ((TILE * tile * cols) << 2);
    const pairs = pairsOf(phase, sorted, tile);
    if (load<i32>(pairs, 12) < 0) {
      if (word(phase, FORMS) & PREPARE_INT8) memory.fill(int8, 0, intBytes(cols, TILE));
      if (word(phase, PLANES) > 1) memory.fill(int8 + intBytes(cols, TILE * tiles), 0, intBytes(cols, TILE));
      if (word(phase, FORMS) & PREPARE_F32) memory.fill(f32s, 0, (TILE * cols) << 2);
    }
    for (let t = 0; t < TILE; t++) {
      const pair = load<i32>(pairs + (<usize>t << 2));
      if (pair < 0) break;
      const x = xAt(phase, partOf(phase, pair));
      if (word(phase, FORMS) & PREPARE_INT8) quantizeToken(x, int8, cols, t, TILE);
      if (word(phase, PLANES) > 1) quantizeResidue(phase, x, int8 + intBytes(cols, TILE * tiles), t, TILE, scratch);
      if (word(phase, FORMS) & PREPARE_F32) {
        for (let k = 0; k < cols; k++) store<u32>(f32s + ((k * TILE + t) << 2), load<u32>(x + (k << 2)));
      }
    }
  }
}

function prepareFew(phase: usize, parts: i32, scratch: usize): void {
  const cols = word(phase, COLS);
  const int8 = scratch + address(phase, SMALL_INT);
  const f32s = scratch + address(phase, SMALL_F32);
  for (let r = 0; r < parts; r++) {
    const x = xAt(phase, r);
    if (word(phase, FORMS) & PREPARE_INT8) quantizeToken(x, int8 + intBytes(cols, r), cols, 0, 1);
    if (word(phase, PLANES) > 1) quantizeResidue(phase, x, int8 + intBytes(cols, parts + r), 0, 1, scratch);
    if (word(phase, FORMS) & PREPARE_F32) memory.copy(f32s + ((r * cols) << 2), x, cols << 2);
  }
}

function quantizeResidue(phase: usize, x: usize, tile: usize, t: i32, tokens: i32, scratch: usize): void {
  const row = scratch + address(phase, ROW_SCRATCH);
  residueRow(x, row, word(phase, COLS));
  quantizeToken(row, tile, word(phase, COLS), t, tokens);
}

// --- products -------------------------------------------------------------------------------------------------------

export function expertMatmul(phase: usize, rows: i32, scratch: usize): void {
  if (rows < TILED_ROWS) fewPairs(phase, rows, scratch);
  else manyPairs(phase, scratch);
}

/** Tasks are runs of groups of all pairs, one pair after the other. */
function fewPairs(phase: usize, rows: i32, scratch: usize): void {
  const pairs = rows * word(phase, PICK_COUNT), parts = rows * word(phase, X_PARTS);
  const gated = word(phase, EPILOGUE) == GATED;
  const groups = word(segment(phase, 0), S_GROUPS);
  const all = pairs * groups;
  const y = scratch + address(phase, PANEL);
  for (let task = takeTask(); ; task = takeTask()) {
    const from = firstGroup(phase, task);
    if (from >= all) return;
    for (let i = from; i < min(all, firstGroup(phase, task + 1)); i++) {
      const pair = i / groups, g = i % groups;
      const e = expertOf(phase, pair);
      gemvOf(phase, 0, e * groups + g, partOf(phase, pair), parts, scratch, y);
      if (gated) gemvOf(phase, 1, e * groups + g, partOf(phase, pair), parts, scratch, y + 256);
      emitPair(phase, e, g, pair, y, gated);
    }
  }
}

/** y[16] = part `part` of all `parts` times group `g`. */
function gemvOf(phase: usize, index: i32, g: i32, part: i32, parts: i32, scratch: usize, y: usize): void {
  const s = segment(phase, index);
  gemv(phase, s, group(phase, s, g), part, scratch, y);
  if (word(phase, PLANES) == 1) return;
  const x = scratch + address(phase, SMALL_INT) + intBytes(word(phase, COLS), parts + part);
  rowInt(W_MXFP4, scratch + address(phase, PANEL) + RESULT_BYTES, x, y + 512, word(phase, COLS)); // gemv left the panel
  addTo(y, y + 512, 64);
}

/** y += more, `bytes` of f32. */
// @ts-ignore: decorator
@inline
function addTo(y: usize, more: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) v128.store(y + i, f32x4.add(v128.load(y + i), v128.load(more + i)));
}

/** A task is a group of an expert, for all pairs of that expert. */
function manyPairs(phase: usize, scratch: usize): void {
  const sorted = scratch + address(phase, SORTED);
  const groups = word(segment(phase, 0), S_GROUPS);
  const tasks = load<i32>(sorted, 4) * groups;
  for (let task = takeTask(); task < tasks; task = takeTask()) {
    const use = uses(sorted) + <usize>(task / groups) * USE_BYTES;
    manyOf(phase, load<i32>(use), task % groups, load<i32>(use, 4), load<i32>(use, 8), scratch);
  }
}

/** Group `g` of expert `e` for its `tiles` tiles. */
function manyOf(phase: usize, e: i32, g: i32, first: i32, tiles: i32, scratch: usize): void {
  const gated = word(phase, EPILOGUE) == GATED;
  const all = load<i32>(scratch + address(phase, SORTED)); // tiles
  const s = segment(phase, 0), s2 = segment(phase, 1);
  const y = scratch + address(phase, PANEL);
  const panel = y + RESULT_BYTES;
  const second = panel + address(phase, PANEL_BYTES);
  const w = unpack(phase, s, group(phase, s, e * word(s, S_GROUPS) + g), tiles, panel);
  const w2 = gated ? unpack(phase, s2, group(phase, s2, e * word(s2, S_GROUPS) + g), tiles, second) : 0;
  for (let tile = first; tile < first + tiles; tile++) {
    multiply(phase, s, w, tile, y, panel);
    if (gated) multiply(phase, s2, w2, tile, y + 256, second);
    if (word(phase, PLANES) > 1) {
      multiply(phase, s, w, all + tile, y + 512, panel);
      addTo(y, y + 512, 256);
      if (gated) {
        multiply(phase, s2, w2, all + tile, y + 768, second);
        addTo(y + 256, y + 768, 256);
      }
    }
    const pairs = pairsOf(phase, scratch + address(phase, SORTED), tile);
    for (let t = 0; t < TILE; t++) {
      const pair = load<i32>(pairs + (<usize>t << 2));
      if (pair < 0) break;
      emitPair(phase, e, g, pair, y + (<usize>t << 6), gated);
    }
  }
}

/** Stores y[16], gated by y + 256, as group `g` of the part of a pair; the last group may have fewer rows. */
function emitPair(phase: usize, e: i32, g: i32, pair: i32, y: usize, gated: bool): void {
  const s = segment(phase, 0);
  const rows = word(phase, EXPERT_ROWS), count = word(phase, PICK_COUNT);
  if (address(s, S_BIAS) != 0) addBias(y, address(s, S_BIAS) + (<usize>(e * rows + (g << 4)) << 2), 1);
  if (gated) {
    const fn = word(phase, GATE);
    for (let i: usize = 0; i < 64; i += 16) {
      v128.store(y + i, f32x4.mul(gate4(fn, v128.load(y + i)), v128.load(y + i, 256)));
    }
  }
  const out = address(s, S_OUT) + <usize>(pair / count) * address(s, S_OUT_STRIDE);
  memory.copy(out + (<usize>(pair % count * rows + (g << 4)) << 2), y, <usize>min(16, rows - (g << 4)) << 2);
}

// --- the sum --------------------------------------------------------------------------------------------------------

/** out = the sum over a token's pairs of weight * x. A task is a token. */
export function mix(phase: usize, rows: i32): void {
  const count = word(phase, PICK_COUNT);
  const bytes = <usize>word(phase, COLS) << 2;
  for (let r = takeTask(); r < rows; r = takeTask()) {
    const weights = address(phase, PICKS) + <usize>r * address(phase, PICKS_STRIDE) + (<usize>count << 2);
    const out = address(phase, OUT) + <usize>r * address(phase, OUT_STRIDE);
    const first = address(phase, X) + <usize>r * address(phase, X_STRIDE);
    for (let at: usize = 0; at < bytes; at += 16) {
      let sum = f32x4.splat(0);
      let x = first + at;
      for (let i: usize = 0; i < <usize>count << 2; i += 4, x += bytes) {
        sum = madd(v128.load(x), v128.load32_splat(weights + i), sum);
      }
      v128.store(out + at, sum);
    }
  }
}
