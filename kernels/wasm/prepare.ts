/**
 * Prepares activations for the matmuls that follow: normalizes them if a norm is fused, and stores the forms they read.
 *
 * With fewer than TILED_ROWS rows, every thread prepares all of them in its own scratch: that is cheaper than a
 * barrier. Otherwise the tiles are tasks, in shared memory; rows missing from the last tile are zero.
 */
import { takeTask } from './barrier';
import {
  BLOCK, COLS, EPS, FORMS, PREPARE_F32, PREPARE_INT8, ROW_SCRATCH, SCALE_BYTES, SHARED_F32, SHARED_INT,
  SMALL_F32, SMALL_INT, TILE, TILED_ROWS, WEIGHT, X, X_STRIDE,
} from './layout';
import { address, real, word } from './phase';
import { quantizeRow } from './quantize';
import { rmsNormRow } from './rms-norm';

/** Bytes of `tokens` tokens of 8-bit activations with their scales. */
// @ts-ignore: decorator
@inline
export function intBytes(cols: i32, tokens: i32): usize {
  return <usize>(tokens * (cols + (cols / BLOCK) * SCALE_BYTES));
}

export function prepare(phase: usize, rows: i32, scratch: usize): void {
  const cols = word(phase, COLS);
  const forms = word(phase, FORMS);
  if (rows < TILED_ROWS) {
    const int8 = scratch + address(phase, SMALL_INT);
    const f32s = scratch + address(phase, SMALL_F32);
    for (let r = 0; r < rows; r++) {
      const x = normalized(phase, r, cols, scratch);
      if (forms & PREPARE_INT8) quantizeToken(x, int8 + intBytes(cols, r), cols, 0, 1);
      if (forms & PREPARE_F32) memory.copy(f32s + ((r * cols) << 2), x, cols << 2);
    }
    return;
  }
  const tiles = (rows + TILE - 1) / TILE;
  for (let tile = takeTask(); tile < tiles; tile = takeTask()) {
    const int8 = address(phase, SHARED_INT) + intBytes(cols, TILE * tile);
    const f32s = address(phase, SHARED_F32) + ((TILE * tile * cols) << 2);
    const present = min(TILE, rows - TILE * tile);
    if (present < TILE) {
      if (forms & PREPARE_INT8) memory.fill(int8, 0, intBytes(cols, TILE));
      if (forms & PREPARE_F32) memory.fill(f32s, 0, (TILE * cols) << 2);
    }
    for (let t = 0; t < present; t++) {
      const x = normalized(phase, TILE * tile + t, cols, scratch);
      if (forms & PREPARE_INT8) quantizeToken(x, int8, cols, t, TILE);
      if (forms & PREPARE_F32) {
        for (let k = 0; k < cols; k++) store<u32>(f32s + ((k * TILE + t) << 2), load<u32>(x + (k << 2)));
      }
    }
  }
}

/** Address of row r; in scratch if it is normalized. */
function normalized(phase: usize, r: i32, cols: i32, scratch: usize): usize {
  const x = address(phase, X) + <usize>r * address(phase, X_STRIDE);
  const weight = address(phase, WEIGHT);
  if (weight == 0) return x;
  const row = scratch + address(phase, ROW_SCRATCH);
  rmsNormRow(x, weight, row, cols, real(phase, EPS));
  return row;
}

/** Token `t` of a tile of `tokens` tokens as int8. */
// @ts-ignore: decorator
@inline
export function quantizeToken(x: usize, tile: usize, cols: i32, t: i32, tokens: i32): void {
  quantizeRow(x, tile + (t << 2), tile + <usize>(tokens * cols + t * SCALE_BYTES), cols, tokens);
}
