/**
 * out[t] = row of the table for token t, by its id or its position, from groups of 16 rows (weight-layout.ts). A task
 * is one token.
 */
import { takeTask } from './barrier';
import {
  BLOCK, COLS, GROUP, OUT, OUT_STRIDE, PANEL, POSITIONS, ROW_IDS, TOKEN_IDS, W_BF16, W_F16, W_F32, W_Q4_0, W_Q5_0, WEIGHT,
  WEIGHT_TYPE,
} from './layout';
import { codeAt, isFine, isWide, panelCodeBytes, unpackInt, wideCode } from './panel';
import { address, word } from './phase';
import { loadHalf } from './simd';
import { groupBytes } from './weight-layout';

export function embed(phase: usize, rows: i32, scratch: usize): void {
  const cols = word(phase, COLS);
  const type = word(phase, WEIGHT_TYPE);
  const ids = word(phase, ROW_IDS) == 0 ? load<usize>(TOKEN_IDS) : load<usize>(POSITIONS);
  for (let t = takeTask(); t < rows; t = takeTask()) {
    const id = load<i32>(ids + (t << 2));
    const group = address(phase, WEIGHT) + <usize>(id / GROUP) * groupBytes(type, cols);
    const out = address(phase, OUT) + <usize>t * address(phase, OUT_STRIDE);
    if (type <= W_BF16) embedFloat(type, group, id % GROUP, out, cols);
    else embedInt(type, group, id % GROUP, out, cols, scratch + address(phase, PANEL));
  }
}

function embedFloat(type: i32, group: usize, r: i32, out: usize, cols: i32): void {
  for (let k = 0; k < cols; k++) {
    const half = group + <usize>((((k >> 1) * GROUP + r) << 2) + ((k & 1) << 1));
    if (type == W_F32) store<f32>(out + (k << 2), load<f32>(group + ((k * GROUP + r) << 2)));
    else if (type == W_F16) store<f32>(out + (k << 2), loadHalf(half));
    else store<u32>(out + (k << 2), <u32>load<u16>(half) << 16);
  }
}

/** Unpacks the whole group, as a matmul does, and keeps one row of it. */
function embedInt(type: i32, group: usize, r: i32, out: usize, cols: i32, panel: usize): void {
  let scales = panel + panelCodeBytes(type, cols);
  unpackInt(type, group, panel, scales, cols);
  const wide = isWide(type);
  const shift = type == W_Q4_0 ? 8 : type == W_Q5_0 ? 16 : 0;
  const run = isFine(type) ? BLOCK / 2 : BLOCK; // k of a scale
  scales += <usize>(r << 2);
  for (let k = 0; k < cols; k++) {
    if (k > 0 && k % run == 0) scales += 128;
    const code = <f32>(wide ? wideCode(panel, r, k) : codeAt(panel, r, k) - shift);
    const minimum: f32 = wide || shift != 0 ? 0 : load<f32>(scales, 64);
    store<f32>(out + (k << 2), load<f32>(scales) * code + minimum);
  }
}
