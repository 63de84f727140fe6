/**
 * Weights from the file's row-major blocks to groups of 16 rows that a kernel streams once, front to back.
 *
 * Group g holds rows 16g..16g+15 (rows beyond the matrix are zero). Per block of 32 k:
 *   Q4_0 [8 words: f16 d of row r | d of row r+8 << 16][4 steps][16 rows][4 bytes: k 4j.. low, 16+4j.. high nibble]
 *   Q4_1 [16 words: f16 d | m << 16][codes as Q4_0]
 *   Q8_0 [8 words of d as Q4_0][8 steps][16 rows][4 k, unsigned: value + 128]
 * Float types: [k][16 rows], 4 or 2 bytes each.
 */
import { BLOCK, GROUP, W_BF16, W_F16, W_F32, W_Q4_0, W_Q4_1, W_Q8_0 } from './layout';

/** Bytes of one block of 32 k of a group of 16 rows. */
// @ts-ignore: decorator
@inline
export function blockBytes(type: i32): usize {
  if (type == W_Q4_0) return 32 + 256;
  if (type == W_Q4_1) return 64 + 256;
  if (type == W_Q8_0) return 32 + 512;
  return type == W_F32 ? BLOCK * GROUP * 4 : BLOCK * GROUP * 2;
}

/** Bytes of a group of 16 rows of `cols` weights. */
export function groupBytes(type: i32, cols: i32): usize {
  if (type <= W_BF16) return <usize>cols * GROUP * (type == W_F32 ? 4 : 2);
  return <usize>(cols / BLOCK) * blockBytes(type);
}

/** Repacks `rows` rows of `cols` weights at `src` (GGUF layout) into whole groups at `dst`. */
export function repack(type: i32, src: usize, dst: usize, rows: i32, cols: i32): void {
  for (let row = 0; row < rows; row += GROUP) {
    const height = min(GROUP, rows - row);
    if (type == W_F32) src = repackF32(src, dst, height, cols);
    else if (type <= W_BF16) src = repackF16(src, dst, height, cols);
    else if (type == W_Q8_0) src = repackQ8(src, dst, height, cols);
    else src = repackQ4(src, dst, height, cols, type == W_Q4_1 ? 4 : 2);
    dst += groupBytes(type, cols);
  }
}

function repackF32(src: usize, dst: usize, height: i32, cols: i32): usize {
  for (let r = 0; r < height; r++) {
    for (let k = 0; k < cols; k++, src += 4) {
      store<u32>(dst + ((k * GROUP + r) << 2), load<u32>(src));
    }
  }
  return src;
}

function repackF16(src: usize, dst: usize, height: i32, cols: i32): usize {
  for (let r = 0; r < height; r++) {
    for (let k = 0; k < cols; k++, src += 2) {
      store<u16>(dst + ((k * GROUP + r) << 1), load<u16>(src));
    }
  }
  return src;
}

/** `head` bytes of scales stand before the 16 bytes of codes: 2 (d) or 4 (d, m). */
function repackQ4(src: usize, dst: usize, height: i32, cols: i32, head: i32): usize {
  const blocks = cols / BLOCK;
  const scales = head == 4 ? 64 : 32;
  for (let r = 0; r < height; r++) {
    let out = dst;
    for (let b = 0; b < blocks; b++) {
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
  const blocks = cols / BLOCK;
  for (let r = 0; r < height; r++) {
    let out = dst;
    for (let b = 0; b < blocks; b++) {
      store<u16>(out + ((r & 7) << 2) + ((r >> 3) << 1), load<u16>(src));
      const codes = out + 32 + (r << 2);
      for (let j = 0; j < 8; j++) {
        store<u32>(codes + (j << 6), load<u32>(src + 2 + (j << 2)) ^ 0x80808080);
      }
      src += 34;
      out += 32 + 512;
    }
  }
  return src;
}
