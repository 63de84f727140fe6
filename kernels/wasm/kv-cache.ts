/**
 * The KV cache, in pages of PAGE_POSITIONS positions of a sequence; in a ring, later positions are in the same pages again. Each layer has in a page, for each kv head, chunks of
 * CHUNK positions: the keys of all of them, and elsewhere the values, so that a thread reads either front to back. A chunk, with D dimensions a head:
 *
 *   f32   keys [8 blocks][D][16 positions], values [D / 16][CHUNK][16 dimensions]
 *   f16   the same; neighbouring dimensions (keys) or positions (values) share a word
 *   q8    keys [8 blocks][D / 32]{codes [8 steps][16 positions][4 dimensions], f32 scales [16 positions]},
 *         values, codes [D / 16][32 steps][16 dimensions][4 positions]; their scales are elsewhere, f32 [positions]
 *
 * Codes are bytes of value / scale; codes of keys are + 128 unless dot products are signed. D / 16 and D / 32 are
 * rounded up; dimensions of keys beyond D are zero.
 */
import { takeTask } from './barrier';
import {
  ATTENTION_SCRATCH, BLOCK, CHUNK, HEAD_DIM, K_ROWS, K_STRIDE, KEY_CHUNK, KEYS, KV_F16, KV_F32, KV_HEADS,
  KV_TYPE, PAGE_POSITIONS, PAGE_TABLE, POSITIONS, SIGN_BYTES, SIGNED, TOKEN_KV, V_ROWS, V_STRIDE, VALUE_CHUNK, VALUE_DIM, VALUE_SCALES, VALUES,
} from './layout';
import { address, word } from './phase';
import { pack, peakOf } from './quantize';
import { ropeHead } from './rope';
import { toHalf } from './simd';

/** q8: bytes of the codes of 16 keys in a block of 32 dimensions; then with their scales. */
export const KEY_CODE_BYTES: usize = BLOCK * 16;
export const KEY_BLOCK_BYTES: usize = KEY_CODE_BYTES + 16 * 4;

/** Dimensions of a head of values in blocks of 16. */
// @ts-ignore: decorator
@inline
export function valueBlocks(phase: usize): i32 {
  return (word(phase, VALUE_DIM) + 15) >> 4;
}

/** Dimensions of a head of keys in blocks of 32. */
// @ts-ignore: decorator
@inline
export function codeBlocks(phase: usize): i32 {
  return (word(phase, HEAD_DIM) + BLOCK - 1) / BLOCK;
}

/** Bytes of 16 keys in q8. */
// @ts-ignore: decorator
@inline
export function codedKeysBytes(phase: usize): usize {
  return <usize>codeBlocks(phase) * KEY_BLOCK_BYTES;
}

/** Byte offset of the page of `position`, in the sequence's table at `kv`. */
// @ts-ignore: decorator
@inline
function pageOf(phase: usize, kv: usize, position: i32): usize {
  return load<u32>(kv + address(phase, PAGE_TABLE) + (<usize>(position / word(phase, PAGE_POSITIONS)) << 2));
}

/** Place of `position` of kv head `h` in its page, whose heads lie one after the other. */
// @ts-ignore: decorator
@inline
function placeInPage(phase: usize, h: i32, position: i32): usize {
  const positions = word(phase, PAGE_POSITIONS);
  return <usize>(h * positions + (position % positions));
}

/** Keys of kv head `h` in the chunk of `position`, of the sequence whose pages are listed at `kv`. */
// @ts-ignore: decorator
@inline
export function keysAt(phase: usize, h: i32, kv: usize, position: i32): usize {
  const chunk = placeInPage(phase, h, position) / CHUNK;
  return address(phase, KEYS) + pageOf(phase, kv, position) + chunk * address(phase, KEY_CHUNK);
}

/** Address of the values, as keysAt. */
// @ts-ignore: decorator
@inline
export function valuesAt(phase: usize, h: i32, kv: usize, position: i32): usize {
  const chunk = placeInPage(phase, h, position) / CHUNK;
  return address(phase, VALUES) + pageOf(phase, kv, position) + chunk * address(phase, VALUE_CHUNK);
}

/** Scales of the values from `position` on, to the end of its page. */
// @ts-ignore: decorator
@inline
export function valueScalesAt(phase: usize, h: i32, kv: usize, position: i32): usize {
  return address(phase, VALUE_SCALES) + pageOf(phase, kv, position) + (placeInPage(phase, h, position) << 2);
}

/** Stores the keys and values of the step; a task is one token. Steps of single tokens store while they attend. */
export function storeKv(phase: usize, rows: i32, scratch: usize): void {
  const row = scratch + address(phase, ATTENTION_SCRATCH);
  for (let t = takeTask(); t < rows; t = takeTask()) {
    const kv = load<usize>(load<usize>(TOKEN_KV) + (t << 2));
    const position = load<i32>(load<usize>(POSITIONS) + (t << 2));
    for (let h = 0; h < word(phase, KV_HEADS); h++) storeHead(phase, t, h, kv, position, row);
  }
}

/** Stores head `h` of k, rotated to `position`, and of v, from row `t` of the step; `row` is scratch of a head. */
export function storeHead(phase: usize, t: i32, h: i32, kv: usize, position: i32, row: usize): void {
  const k = address(phase, K_ROWS) + <usize>t * address(phase, K_STRIDE) + <usize>(h * word(phase, HEAD_DIM) << 2);
  const v = address(phase, V_ROWS) + <usize>t * address(phase, V_STRIDE) + <usize>(h * word(phase, VALUE_DIM) << 2);
  const keys = keysAt(phase, h, kv, position);
  const values = valuesAt(phase, h, kv, position);
  const inChunk = position & (CHUNK - 1);
  ropeHead(phase, k, row, 4, position);
  if (word(phase, KV_TYPE) == KV_F32) storeFloats(phase, row, v, keys, values, inChunk);
  else if (word(phase, KV_TYPE) == KV_F16) storeHalves(phase, row, v, keys, values, inChunk);
  else {
    storeKeyCodes(phase, row, keys + <usize>(inChunk >> 4) * codedKeysBytes(phase), inChunk & 15);
    storeValueCodes(phase, v, row, values, inChunk, valueScalesAt(phase, h, kv, position));
  }
}

function storeFloats(phase: usize, k: usize, v: usize, keys: usize, values: usize, position: i32): void {
  const headDim = word(phase, HEAD_DIM);
  keys += <usize>((position >> 4) * headDim << 6) + ((position & 15) << 2);
  values += <usize>(position << 6);
  for (let d = 0; d < headDim; d++) store<u32>(keys + (d << 6), load<u32>(k + (d << 2)));
  for (let d = 0; d < word(phase, VALUE_DIM); d++) {
    store<u32>(values + <usize>((d >> 4) * (CHUNK << 6) + ((d & 15) << 2)), load<u32>(v + (d << 2)));
  }
}

function storeHalves(phase: usize, k: usize, v: usize, keys: usize, values: usize, position: i32): void {
  const headDim = word(phase, HEAD_DIM);
  keys += <usize>((position >> 4) * headDim << 5) + ((position & 15) << 2);
  values += <usize>((position >> 1 << 6) + ((position & 1) << 1));
  for (let d = 0; d < headDim; d++) {
    store<u16>(keys + <usize>((d >> 1 << 6) + ((d & 1) << 1)), <u16>toHalf(load<f32>(k + (d << 2))));
  }
  for (let d = 0; d < word(phase, VALUE_DIM); d++) {
    const value = values + <usize>((d >> 4) * (CHUNK << 5) + ((d & 15) << 2));
    store<u16>(value, <u16>toHalf(load<f32>(v + (d << 2))));
  }
}

/** f32 [D] at `row`, zero up to whole blocks of 32. */
export function padHead(row: usize, D: i32): void {
  for (let d = D; d % BLOCK != 0; d++) store<f32>(row + (d << 2), 0);
}

function storeKeyCodes(phase: usize, row: usize, codes: usize, lane: i32): void {
  const blocks = codeBlocks(phase);
  const sign = DOT_CLASS == SIGNED ? i32x4.splat(0) : v128.load32_splat(SIGN_BYTES); // codes of keys + 128
  codes += lane << 2;
  padHead(row, word(phase, HEAD_DIM));
  for (let b = 0; b < blocks; b++, row += BLOCK * 4, codes += KEY_BLOCK_BYTES) {
    const peak = peakOf(row);
    const inverse = f32x4.splat(peak != 0 ? -128.0 / peak : 0);
    const low = v128.xor(pack(row, inverse), sign);
    const high = v128.xor(pack(row + 64, inverse), sign);
    store<i32>(codes, i32x4.extract_lane(low, 0));
    store<i32>(codes, i32x4.extract_lane(low, 1), 64);
    store<i32>(codes, i32x4.extract_lane(low, 2), 128);
    store<i32>(codes, i32x4.extract_lane(low, 3), 192);
    store<i32>(codes, i32x4.extract_lane(high, 0), 256);
    store<i32>(codes, i32x4.extract_lane(high, 1), 320);
    store<i32>(codes, i32x4.extract_lane(high, 2), 384);
    store<i32>(codes, i32x4.extract_lane(high, 3), 448);
    store<f32>(codes, peak * -0.0078125, KEY_CODE_BYTES);
  }
}

/** The head has one positive scale, so it can be folded into the weight of the position (attention-int.ts). */
function storeValueCodes(phase: usize, v: usize, row: usize, values: usize, position: i32, scale: usize): void {
  const valueDim = word(phase, VALUE_DIM);
  memory.copy(row, v, valueDim << 2);
  padHead(row, valueDim);
  let peak: f32 = 0;
  for (let b = 0; b * BLOCK < valueDim; b++) peak = max(peak, abs(peakOf(row + (b << 7))));
  store<f32>(scale, peak / 127);
  const inverse = f32x4.splat(peak != 0 ? 127 / peak : 0);
  let to = values + <usize>((position >> 2 << 6) + (position & 3));
  for (let d = 0; d < valueBlocks(phase); d++, row += 64, to += CHUNK * 16) {
    v128.store(row, pack(row, inverse));
    for (let i: usize = 0; i < 16; i++) store<u8>(to + (i << 2), load<u8>(row + i));
  }
}
