/** out[t] = row of the table for token t, from groups of 16 rows (repack.ts); a token a task. */
import { takeTask } from './barrier';
import {
  BLOCK,
  COLS,
  GROUP,
  OUT,
  OUT_STRIDE,
  TOKEN_IDS,
  W_BF16,
  W_F16,
  W_F32,
  W_Q4_1,
  W_Q8_0,
  WEIGHT,
  WEIGHT_TYPE,
} from './layout';
import { address, word } from './phase';
import { blockBytes, groupBytes } from './repack';
import { loadHalf } from './simd';

export function embed(phase: usize, rows: i32): void {
  const cols = word(phase, COLS);
  const type = word(phase, WEIGHT_TYPE);
  for (let t = takeTask(); t < rows; t = takeTask()) {
    const id = load<i32>(load<usize>(TOKEN_IDS) + (t << 2));
    const group = address(phase, WEIGHT) + <usize>(id / GROUP) * groupBytes(type, cols);
    const out = address(phase, OUT) + <usize>t * address(phase, OUT_STRIDE);
    if (type <= W_BF16) embedFloat(type, group, id % GROUP, out, cols);
    else embedBlocks(type, group, id % GROUP, out, cols);
  }
}

function embedFloat(type: i32, group: usize, r: i32, out: usize, cols: i32): void {
  for (let k = 0; k < cols; k++) {
    const i = k * GROUP + r;
    if (type == W_F32) store<f32>(out + (k << 2), load<f32>(group + (i << 2)));
    else if (type == W_F16) store<f32>(out + (k << 2), loadHalf(group + (i << 1)));
    else store<u32>(out + (k << 2), (<u32>load<u16>(group + (i << 1))) << 16);
  }
}

function embedBlocks(type: i32, group: usize, r: i32, out: usize, cols: i32): void {
  for (let b = 0; b < cols / BLOCK; b++) {
    const d = loadHalf(group + <usize>(type == W_Q4_1 ? r << 2 : ((r & 7) << 2) + ((r >> 3) << 1)));
    const codes = group + (type == W_Q4_1 ? 64 : 32) + (r << 2);
    if (type == W_Q8_0) {
      for (let k = 0; k < BLOCK; k++) {
        store<f32>(out + (k << 2), d * <f32>(<i32>load<u8>(codes + ((k >> 2) << 6) + (k & 3)) - 128));
      }
    } else {
      const m = type == W_Q4_1 ? loadHalf(group + <usize>((r << 2) + 2)) : d * -8;
      for (let k = 0; k < 16; k++) {
        const q = <i32>load<u8>(codes + ((k >> 2) << 6) + (k & 3));
        store<f32>(out + (k << 2), d * <f32>(q & 15) + m);
        store<f32>(out + (k << 2), d * <f32>(q >> 4) + m, 64);
      }
    }
    group += blockBytes(type);
    out += BLOCK << 2;
  }
}
