/** Ops on rows of f32: map, zip, norm, softmax, select. A task is one row. Rows are padded to 16 floats. */
import { takeTask } from './barrier';
import {
  COLS,
  CONCAT,
  CONCAT_HEADS,
  EPS,
  FUNCTION,
  LAYER_NORM,
  MAP,
  NORM_BIAS,
  NORM_COLS,
  NORM_STEP,
  OUT,
  OUT_STRIDE,
  OUTPUT_ROWS,
  RMS_NORM,
  SCALARS,
  SELECT,
  SOFTMAX,
  WEIGHT,
  X,
  X_STRIDE,
  Y,
  Y_COLS,
  Y_STRIDE,
  ZIP_ADD,
  ZIP_CLAMPED_SWIGLU,
  ZIP_MUL,
} from './layout';
import { layerNormRow } from './layer-norm';
import { map4 } from './map';
import { address, real, word } from './phase';
import { rmsNormHeads } from './rms-norm';
import { exp4 } from './simd';
import { softmaxRow } from './softmax';

export function elementwise(phase: usize, kind: i32, rows: i32): void {
  const cols = word(phase, COLS);
  for (let r = takeTask(); r < rows; r = takeTask()) {
    const from = kind == SELECT ? load<i32>(load<usize>(OUTPUT_ROWS) + (r << 2)) : r;
    const x = address(phase, X) + <usize>from * address(phase, X_STRIDE);
    const y = address(phase, Y) + <usize>r * address(phase, Y_STRIDE);
    const out = address(phase, OUT) + <usize>r * address(phase, OUT_STRIDE);
    if (kind == RMS_NORM)
      rmsNormHeads(
        x, address(phase, WEIGHT), address(phase, NORM_STEP), out, cols, word(phase, NORM_COLS), real(phase, EPS),
      );
    else if (kind == LAYER_NORM)
      layerNormRow(x, address(phase, WEIGHT), address(phase, NORM_BIAS), out, cols, real(phase, EPS));
    else if (kind == SOFTMAX) softmaxRow(x, out, cols);
    else if (kind == SELECT) memory.copy(out, x, cols << 2);
    else if (kind == CONCAT) concatRow(word(phase, CONCAT_HEADS), x, y, out, cols - word(phase, Y_COLS), word(phase, Y_COLS));
    else if (kind == MAP) mapRow(phase, x, out, cols);
    else zipRow(word(phase, FUNCTION), x, y, out, cols);
  }
}

/** @param xCols of all heads */
function concatRow(heads: i32, x: usize, y: usize, out: usize, xCols: i32, yCols: i32): void {
  const xBytes = <usize>(xCols / heads) << 2, yBytes = <usize>(yCols / heads) << 2;
  for (let h = 0; h < heads; h++, x += xBytes, y += yBytes, out += xBytes + yBytes) {
    memory.copy(out, x, xBytes);
    memory.copy(out + xBytes, y, yBytes);
  }
}

function mapRow(phase: usize, x: usize, out: usize, cols: i32): void {
  const fn = word(phase, FUNCTION);
  const scalars = phase + (SCALARS << 2);
  for (let i: usize = 0; i < (<usize>cols) << 2; i += 16) v128.store(out + i, map4(fn, v128.load(x + i), scalars));
}

/** @param fn ZIP_*; traps for another number */
function zipRow(fn: i32, x: usize, y: usize, out: usize, cols: i32): void {
  const bytes = (<usize>cols) << 2;
  if (fn == ZIP_ADD) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.add(v128.load(x + i), v128.load(y + i)));
  } else if (fn == ZIP_MUL) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.mul(v128.load(x + i), v128.load(y + i)));
  } else if (fn == ZIP_CLAMPED_SWIGLU) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, clampedSwiglu4(v128.load(x + i), v128.load(y + i)));
  } else unreachable();
}

// @ts-ignore: decorator
@inline
function clampedSwiglu4(a: v128, b: v128): v128 {
  const one = f32x4.splat(1), most = f32x4.splat(7);
  const g = f32x4.min(a, most);
  const u = f32x4.max(f32x4.min(b, most), f32x4.splat(-7));
  const sigmoid = f32x4.div(one, f32x4.add(one, exp4(f32x4.mul(g, f32x4.splat(-1.702)))));
  return f32x4.mul(f32x4.mul(g, sigmoid), f32x4.add(u, one));
}
