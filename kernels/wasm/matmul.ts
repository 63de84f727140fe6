/**
 * y = x W^T for a few matrices that read the same x, with a fused epilogue (EPILOGUE).
 *
 * Work is split by groups of 16 rows, never along K. With fewer than TILED_ROWS rows of x, a group is streamed from
 * memory for each row. Otherwise rows form tiles of 4 tokens: for few tiles a group is read in place, for many it is
 * unpacked first, once for TOKEN_TILES.
 */
import { takeTask } from './barrier';
import {
  ACCUMULATE, COLS, EPILOGUE, GATE, GATED, LONG_GROUPS, LONG_TASKS, PANEL, PANEL_BYTES, RESULT_BYTES, S_BIAS, S_GROUPS, S_OUT, S_OUT_STRIDE, S_RESIDUAL, S_RESIDUAL_STRIDE,
  S_TYPE, S_WEIGHT, SEGMENT_TABLE, SEGMENT_WORDS, SEGMENTS, SHARED_F32, SHARED_INT, SMALL_F32, SMALL_INT,
  SHORT_GROUPS, TILE, TILED_ROWS, W_BF16, W_F32,
} from './layout';
import { gemvFloat, streamHalf, tileF32 } from './matmul-float';
import { gemvInt, isStreamed, streamInt, tileInt } from './matmul-int';
import { gate4 } from './map';
import { unpackHalf, unpackInt, panelCodeBytes } from './panel';
import { address, word } from './phase';
import { intBytes } from './prepare';
import { groupBytes } from './weight-layout';

/** Tiles of one task: x of 256 tokens stays in the L2 cache while a panel passes over it. */
const TOKEN_TILES = 64;
/** Up to this many tiles, read bandwidth is the limit: tasks are long, and weights are read in place. */
const FEW_TILES = 8;

// @ts-ignore: decorator
@inline
export function segment(phase: usize, index: i32): usize {
  return phase + <usize>((SEGMENT_TABLE + index * SEGMENT_WORDS) << 2);
}

export function matmul(phase: usize, rows: i32, scratch: usize): void {
  const gated = word(phase, EPILOGUE) == GATED;
  let groups = word(segment(phase, 0), S_GROUPS);
  if (!gated) {
    for (let i = 1; i < word(phase, SEGMENTS); i++) groups += word(segment(phase, i), S_GROUPS);
  }
  if (rows <= FEW_TILES * TILE) fewTiles(phase, groups, rows, scratch, gated);
  else manyTiles(phase, groups, rows, scratch, gated);
}

/** Tasks are runs of groups: a long one for each thread, then short ones for whoever is first (LOG.md). */
function fewTiles(phase: usize, groups: i32, rows: i32, scratch: usize, gated: bool): void {
  const tiles = (rows + TILE - 1) / TILE;
  for (let task = takeTask(); ; task = takeTask()) {
    const from = firstGroup(phase, task);
    if (from >= groups) return;
    const to = min(groups, firstGroup(phase, task + 1));
    for (let g = from; g < to; g++) {
      if (rows < TILED_ROWS) fewRows(phase, g, rows, scratch, gated);
      else manyRows(phase, g, 0, tiles, rows, scratch, gated);
    }
  }
}

export function firstGroup(phase: usize, task: i32): i32 {
  const long = min(task, word(phase, LONG_TASKS));
  return long * word(phase, LONG_GROUPS) + (task - long) * word(phase, SHORT_GROUPS);
}

/** A task is one group and TOKEN_TILES tiles. */
function manyTiles(phase: usize, groups: i32, rows: i32, scratch: usize, gated: bool): void {
  const tiles = (rows + TILE - 1) / TILE;
  const tasks = groups * ((tiles + TOKEN_TILES - 1) / TOKEN_TILES);
  for (let task = takeTask(); task < tasks; task = takeTask()) {
    const first = (task / groups) * TOKEN_TILES;
    manyRows(phase, task % groups, first, min(tiles, first + TOKEN_TILES), rows, scratch, gated);
  }
}

/** Group `g`, counted over all segments, for each row of x. */
function fewRows(phase: usize, g: i32, rows: i32, scratch: usize, gated: bool): void {
  let s = segment(phase, 0);
  while (g >= word(s, S_GROUPS)) {
    g -= word(s, S_GROUPS);
    s += SEGMENT_WORDS << 2;
  }
  const y = scratch + address(phase, PANEL);
  for (let r = 0; r < rows; r++) {
    gemv(phase, s, group(phase, s, g), r, scratch, y);
    if (gated) gemv(phase, segment(phase, 1), group(phase, segment(phase, 1), g), r, scratch, y + 256);
    emit(phase, s, g, r, 1, y, gated);
  }
}

/** Address of group `g` of a segment. */
// @ts-ignore: decorator
@inline
export function group(phase: usize, s: usize, g: i32): usize {
  return address(s, S_WEIGHT) + <usize>g * groupBytes(word(s, S_TYPE), word(phase, COLS));
}

/** y[16] = row `r` of the prepared x times the group at `w`. */
export function gemv(phase: usize, s: usize, w: usize, r: i32, scratch: usize, y: usize): void {
  const cols = word(phase, COLS);
  const type = word(s, S_TYPE);
  if (type <= W_BF16) gemvFloat(type, w, scratch + address(phase, SMALL_F32) + <usize>((r * cols) << 2), y, cols);
  else {
    const panel = scratch + address(phase, PANEL) + RESULT_BYTES;
    gemvInt(type, w, scratch + address(phase, SMALL_INT) + intBytes(cols, r), y, cols, panel);
  }
}

/** Group `g`, counted over all segments, for tiles first..last-1 of x. */
function manyRows(
  phase: usize, g: i32, first: i32, last: i32, rows: i32, scratch: usize, gated: bool,
): void {
  let s = segment(phase, 0);
  while (g >= word(s, S_GROUPS)) {
    g -= word(s, S_GROUPS);
    s += SEGMENT_WORDS << 2;
  }
  const y = scratch + address(phase, PANEL);
  const panel = y + RESULT_BYTES;
  const second = panel + address(phase, PANEL_BYTES);
  const w = unpack(phase, s, group(phase, s, g), last - first, panel);
  const w2 = gated ? unpack(phase, segment(phase, 1), group(phase, segment(phase, 1), g), last - first, second) : 0;
  for (let tile = first; tile < last; tile++) {
    multiply(phase, s, w, tile, y, panel);
    if (gated) multiply(phase, segment(phase, 1), w2, tile, y + 256, second);
    emit(phase, s, g, tile * TILE, min(TILE, rows - tile * TILE), y, gated);
  }
}

/** Address from which `tiles` tiles read the group at `w`: the panel, once unpacked, or their place in memory. */
export function unpack(phase: usize, s: usize, w: usize, tiles: i32, panel: usize): usize {
  const cols = word(phase, COLS);
  const type = word(s, S_TYPE);
  if (tiles <= streamedTiles(type)) return w;
  if (type <= W_BF16) unpackHalf(type, w, panel, cols);
  else unpackInt(type, w, panel, panel + panelCodeBytes(type, cols), cols);
  return panel;
}

/** Number of tiles up to which reading a group in place is faster than unpacking it first. */
function streamedTiles(type: i32): i32 {
  if (type == W_F32) return TOKEN_TILES;
  if (type <= W_BF16) return FEW_TILES / 2;
  return isStreamed(type) ? FEW_TILES : 0;
}

/** y[4][16] = a tile of x times the group at `w`; `panel` is scratch unless `w` is the panel. */
export function multiply(phase: usize, s: usize, w: usize, tile: i32, y: usize, panel: usize): void {
  const cols = word(phase, COLS);
  const type = word(s, S_TYPE);
  if (type <= W_BF16) {
    const x = address(phase, SHARED_F32) + <usize>((tile * TILE * cols) << 2);
    if (w == panel || type == W_F32) tileF32(w, x, y, cols);
    else streamHalf(type, w, x, y, cols);
    return;
  }
  const x = address(phase, SHARED_INT) + intBytes(cols, tile * TILE);
  for (let i: usize = 0; i < 256; i += 16) v128.store(y + i, i32x4.splat(0));
  if (w == panel) tileInt(type, panel, x, y, cols);
  else streamInt(type, w, x, y, cols, panel);
}

/** Stores the results of `rows` rows at y[rows][16] (second segment: y + 256) into the output, from row `first` on. */
function emit(phase: usize, s: usize, g: i32, first: i32, rows: i32, y: usize, gated: bool): void {
  const column = <usize>(g << 6);
  const stride = address(s, S_OUT_STRIDE);
  let out = address(s, S_OUT) + <usize>first * stride + column;
  if (address(s, S_BIAS) != 0) addBias(y, address(s, S_BIAS) + column, rows);
  if (gated) {
    const fn = word(phase, GATE);
    for (; rows > 0; rows--, y += 64, out += stride) {
      for (let i: usize = 0; i < 64; i += 16) {
        v128.store(out + i, f32x4.mul(gate4(fn, v128.load(y + i)), v128.load(y + i, 256)));
      }
    }
  } else if (word(phase, EPILOGUE) == ACCUMULATE) {
    const step = address(s, S_RESIDUAL_STRIDE);
    let residual = address(s, S_RESIDUAL) + <usize>first * step + column;
    for (; rows > 0; rows--, y += 64, out += stride, residual += step) {
      v128.store(out, f32x4.add(v128.load(residual), v128.load(y)));
      v128.store(out, f32x4.add(v128.load(residual, 16), v128.load(y, 16)), 16);
      v128.store(out, f32x4.add(v128.load(residual, 32), v128.load(y, 32)), 32);
      v128.store(out, f32x4.add(v128.load(residual, 48), v128.load(y, 48)), 48);
    }
  } else {
    for (; rows > 0; rows--, y += 64, out += stride) {
      v128.store(out, v128.load(y));
      v128.store(out, v128.load(y, 16), 16);
      v128.store(out, v128.load(y, 32), 32);
      v128.store(out, v128.load(y, 48), 48);
    }
  }
}

export function addBias(y: usize, bias: usize, rows: i32): void {
  for (; rows > 0; rows--, y += 64) {
    for (let i: usize = 0; i < 64; i += 16) v128.store(y + i, f32x4.add(v128.load(y + i), v128.load(bias + i)));
  }
}
