/** Repacks weights from rows of a file to groups of 16 rows (weight-layout.ts). Rows missing from a group are zero. */
import { BLOCK, GROUP, W_BF16, W_F32, W_Q4_0, W_Q4_1, W_Q8_0 } from './layout';
import { repackRow } from './repack-row';
import { groupBytes } from './weight-layout';

/**
 * Repacks `rows` rows of `cols` weights at `src` (as in a GGUF file) into whole groups at `dst`. `scratch` is 1 KiB
 * that belongs to the thread.
 */
export function repack(type: i32, src: usize, dst: usize, rows: i32, cols: i32, scratch: usize): void {
  for (let row = 0; row < rows; row += GROUP) {
    const height = min(GROUP, rows - row);
    if (type == W_F32) src = repackF32(src, dst, height, cols);
    else if (type <= W_BF16) src = repackF16(src, dst, height, cols);
    else if (type == W_Q8_0) src = repackQ8(src, dst, height, cols);
    else if (type == W_Q4_0) src = repackQ4(src, dst, height, cols, 2);
    else if (type == W_Q4_1) src = repackQ4(src, dst, height, cols, 4);
    else {
      for (let r = 0; r < height; r++) src = repackRow(type, src, dst, r, cols, scratch);
    }
    dst += groupBytes(type, cols);
  }
}

function repackF32(src: usize, dst: usize, height: i32, cols: i32): usize {
  for (let r = 0; r < height; r++) {
    for (let k = 0; k < cols; k++, src += 4) store<u32>(dst + ((k * GROUP + r) << 2), load<u32>(src));
  }
  return src;
}

function repackF16(src: usize, dst: usize, height: i32, cols: i32): usize {
  for (let r = 0; r < height; r++) {
    for (let k = 0; k < cols; k++, src += 2) {
      store<u16>(dst + (((k >> 1) * GROUP + r) << 2) + ((k & 1) << 1), load<u16>(src));
    }
  }
  return src;
}

/** The file and the nibble plane both pair k and k + 16 in a byte. `head`: bytes of d (2), or of d and m (4). */
function repackQ4(src: usize, dst: usize, height: i32, cols: i32, head: i32): usize {
  const scales = head == 4 ? 64 : 32;
  for (let r = 0; r < height; r++) {
    let out = dst;
    for (let b = cols / BLOCK; b > 0; b--) {
      if (head == 4) store<u32>(out + (r << 2), load<u32>(src));
      else store<u16>(out + ((r & 7) << 2) + ((r >> 3) << 1), load<u16>(src));
      const codes = out + scales + (r << 2);
      store<u32>(codes, load<u32>(src + head));
      store<u32>(codes, load<u32>(src + head + 4), 64);
      store<u32>(codes, load<u32>(src + head + 8), 128);
      store<u32>(codes, load<u32>(src + head + 12), 192);
      src += head + 16;
      out += scales + 256;
    }
  }
  return src;
}

function repackQ8(src: usize, dst: usize, height: i32, cols: i32): usize {
  for (let r = 0; r < height; r++) {
    let out = dst;
    for (let b = cols / BLOCK; b > 0; b--) {
      store<u16>(out + ((r & 7) << 2) + ((r >> 3) << 1), load<u16>(src));
      const codes = out + 32 + (r << 2);
      for (let j = 0; j < 8; j++) store<u32>(codes + (j << 6), load<u32>(src + 2 + (j << 2)) ^ 0x80808080);
      src += 34;
      out += 32 + 512;
    }
  }
  return src;
}
