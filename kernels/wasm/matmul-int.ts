/** Table of integer kernels by weight type. */
import { NARROW_NIBBLES } from './dot';
import { BLOCK, W_Q4_0, W_Q4_1, W_Q4_K, W_Q5_0, W_Q5_1, W_Q5_K, W_Q6_K, W_Q8_0, W_TQ1_0 } from './layout';
import { gemvQ4_0, gemvQ4_1, gemvQ5_0, gemvQ5_1, gemvQ8_0 } from './matmul-int-gemv';
import { gemvQ4_K, gemvQ5_K, gemvQ6_K } from './matmul-int-gemv-k';
import { rowFine, rowMin, rowWide } from './matmul-int-row';
import { tileFine, tileMin, tileMinNarrow, tileShift3, tileShift4, tileWide } from './matmul-int-tile';
import {
  streamQ4_0, streamQ4_1, streamQ4_K, streamQ5_0, streamQ5_1, streamQ5_K, streamQ6_K, streamQ8_0,
} from './matmul-int-stream';
import { isFine, isWide, panelCodeBytes, unpackInt } from './panel';

/** out[16] = one token times the group at `w`; `panel` is scratch for types that must be unpacked first. */
export function gemvInt(type: i32, w: usize, x: usize, out: usize, cols: i32, panel: usize): void {
  const s = x + cols;
  const blocks = cols / BLOCK;
  if (type == W_Q4_1) return gemvQ4_1(w, x, s, out, blocks);
  if (type == W_Q4_0) return gemvQ4_0(w, x, s, out, blocks);
  if (type == W_Q8_0) return gemvQ8_0(w, x, s, out, blocks);
  if (type == W_Q5_0) return gemvQ5_0(w, x, s, out, blocks);
  if (type == W_Q5_1) return gemvQ5_1(w, x, s, out, blocks);
  if (type == W_Q4_K) return gemvQ4_K(w, x, s, out, cols / 256);
  if (type == W_Q5_K) return gemvQ5_K(w, x, s, out, cols / 256);
  if (type == W_Q6_K) return gemvQ6_K(w, x, s, out, cols / 256);
  const d = panel + panelCodeBytes(type, cols);
  unpackInt(type, w, panel, d, cols);
  rowInt(type, panel, x, out, cols);
}

/** out[16] = one token times a panel; of types whose gemv unpacks, the panel that it leaves. */
export function rowInt(type: i32, panel: usize, x: usize, out: usize, cols: i32): void {
  const d = panel + panelCodeBytes(type, cols);
  const s = x + cols;
  const blocks = cols / BLOCK;
  if (isWide(type)) rowWide(panel, d, x, s, out, blocks);
  else if (isFine(type)) rowFine(panel, d, x, s, out, blocks);
  else rowMin(panel, d, x, s, out, blocks);
}

/** Adds 4 tokens times a panel to out[4][16]; x holds the codes of a tile, then its scales. */
export function tileInt(type: i32, panel: usize, x: usize, out: usize, cols: i32): void {
  const d = panel + panelCodeBytes(type, cols);
  const s = x + 4 * cols;
  const blocks = cols / BLOCK;
  if (isWide(type)) tileWide(panel, d, x, s, out, blocks);
  else if (isFine(type)) tileFine(panel, d, x, s, out, blocks);
  else if (type == W_Q5_0) tileShift4(panel, d, x, s, out, blocks);
  else if (type == W_Q4_0) tileShift3(panel, d, x, s, out, blocks);
  else if (NARROW_NIBBLES && (type == W_Q4_1 || type == W_Q4_K || type >= W_TQ1_0)) {
    tileMinNarrow(panel, d, x, s, out, blocks);
  } else tileMin(panel, d, x, s, out, blocks);
}

/** Whether streamInt has a kernel for the type. */
export function isStreamed(type: i32): bool {
  return (type >= W_Q4_0 && type <= W_Q8_0) || (type >= W_Q4_K && type <= W_Q6_K);
}

/** As tileInt, but reads the group at `w` in place; `panel` is scratch. */
export function streamInt(type: i32, w: usize, x: usize, out: usize, cols: i32, panel: usize): void {
  const s = x + 4 * cols;
  if (type == W_Q4_0) streamQ4_0(w, x, s, out, cols, panel);
  else if (type == W_Q4_1) streamQ4_1(w, x, s, out, cols, panel);
  else if (type == W_Q4_K) streamQ4_K(w, x, s, out, cols, panel);
  else if (type == W_Q5_0) streamQ5_0(w, x, s, out, cols, panel);
  else if (type == W_Q5_1) streamQ5_1(w, x, s, out, cols, panel);
  else if (type == W_Q5_K) streamQ5_K(w, x, s, out, cols, panel);
  else if (type == W_Q6_K) streamQ6_K(w, x, s, out, cols, panel);
  else streamQ8_0(w, x, s, out, cols, panel);
}
