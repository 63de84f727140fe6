/** Ops on whole rows of f32, a row a task: silu, mul, add, rms-norm, softmax, select. Rows are padded to 16 floats. */
import { takeTask } from './barrier';
import {
  ADD,
  COLS,
  EPS,
  MUL,
  OUT,
  OUT_STRIDE,
  OUTPUT_ROWS,
  RMS_NORM,
  SELECT,
  SILU,
  SOFTMAX,
  WEIGHT,
  X,
  X_STRIDE,
  Y,
  Y_STRIDE,
} from './layout';
import { address, real, word } from './phase';
import { rmsNormRow } from './rms-norm';
import { silu4 } from './silu';
import { softmaxRow } from './softmax';

export function elementwise(phase: usize, kind: i32, rows: i32): void {
  const cols = word(phase, COLS);
  for (let r = takeTask(); r < rows; r = takeTask()) {
    const from = kind == SELECT ? load<i32>(load<usize>(OUTPUT_ROWS) + (r << 2)) : r;
    const x = address(phase, X) + <usize>from * address(phase, X_STRIDE);
    const y = address(phase, Y) + <usize>r * address(phase, Y_STRIDE);
    const out = address(phase, OUT) + <usize>r * address(phase, OUT_STRIDE);
    if (kind == RMS_NORM) rmsNormRow(x, address(phase, WEIGHT), out, cols, real(phase, EPS));
    else if (kind == SOFTMAX) softmaxRow(x, out, cols);
    else if (kind == SELECT) memory.copy(out, x, cols << 2);
    else {
      for (let i: usize = 0; i < (<usize>cols) << 2; i += 16) {
        const v = v128.load(x + i);
        if (kind == SILU) v128.store(out + i, silu4(v));
        else if (kind == MUL) v128.store(out + i, f32x4.mul(v, v128.load(y + i)));
        else if (kind == ADD) v128.store(out + i, f32x4.add(v, v128.load(y + i)));
      }
    }
  }
}
