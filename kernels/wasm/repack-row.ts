/**
 * Repacks one row of all types but floats, Q4_0, Q4_1 and Q8_0. Each superblock is decoded to one code a byte and then
 * packed into the planes of weight-layout.ts. Block layouts are those of ggml's ggml-common.h (structs block_q5_0 ...).
 */
import {
  BLOCK, GROUP, W_IQ4_NL, W_IQ4_XS, W_MXFP4, W_Q2_K, W_Q3_K, W_Q4_K, W_Q5_0, W_Q5_1, W_Q5_K, W_Q6_K, W_TQ1_0,
} from './layout';
import { codeBytes, headBytes, superblock } from './weight-layout';

// @ts-ignore: decorator
@inline
function byte(p: usize): u32 {
  return <u32>load<u8>(p);
}

/** Repacks the file's row at `src` into row `r` of the group at `dst`; returns the end of the row in the file. */
export function repackRow(type: i32, src: usize, dst: usize, r: i32, cols: i32, scratch: usize): usize {
  const k = superblock(type);
  for (let done = 0; done < cols; done += k) {
    src = decode(type, src, dst, r, scratch);
    dst += headBytes(type);
    for (let i = 0; i < k; i += BLOCK, dst += codeBytes(type)) layPlanes(type, scratch + i, dst, r);
  }
  return src;
}

/** Decodes a superblock: its head to `head`, its codes to `codes`, one a byte; returns the end of the superblock. */
function decode(type: i32, src: usize, head: usize, r: i32, codes: usize): usize {
  if (type == W_Q5_0) return decode32(src, head, r, codes, 2, true);
  if (type == W_Q5_1) return decode32(src, head, r, codes, 4, true);
  if (type == W_IQ4_NL) return decode32(src, head, r, codes, 2, false);
  if (type == W_MXFP4) return decode32(src, head, r, codes, 1, false);
  if (type == W_Q2_K) return decodeQ2(src, head, r, codes);
  if (type == W_Q3_K) return decodeQ3(src, head, r, codes);
  if (type == W_Q4_K) return decodeQ45(src, head, r, codes, false);
  if (type == W_Q5_K) return decodeQ45(src, head, r, codes, true);
  if (type == W_Q6_K) return decodeQ6(src, head, r, codes);
  if (type == W_IQ4_XS) return decodeIq4Xs(src, head, r, codes);
  return type == W_TQ1_0 ? decodeTq1(src, head, r, codes) : decodeTq2(src, head, r, codes);
}

/** Stores the f16 at `src` into the pairs of a head. */
// @ts-ignore: decorator
@inline
function storePair(head: usize, r: i32, src: usize): void {
  store<u16>(head + ((r & 7) << 2) + ((r >> 3) << 1), load<u16>(src));
}

/** Offset of scale `i` of row `r` in the subs of a head. */
// @ts-ignore: decorator
@inline
function subAt(i: i32, r: i32): usize {
  return <usize>(((i >> 2) << 6) + (r << 2) + (i & 3));
}

/** Blocks of 32: `scale` bytes (1 exponent, 2 d, 4 d and m), the fifth bits if any, 16 bytes of nibbles. */
function decode32(src: usize, head: usize, r: i32, codes: usize, scale: i32, fifth: bool): usize {
  if (scale == 1) store<u8>(head + r, byte(src));
  else if (scale == 2) storePair(head, r, src);
  else store<u32>(head + (r << 2), load<u32>(src));
  src += scale;
  const high: u32 = fifth ? load<u32>(src) : 0;
  if (fifth) src += 4;
  for (let i = 0; i < 16; i++) {
    const pair = byte(src + i);
    store<u8>(codes + i, (pair & 15) | (((high >> i) & 1) << 4));
    store<u8>(codes + i, (pair >> 4) | (((high >> (i + 16)) & 1) << 4), 16);
  }
  return src + 16;
}

/** 16 bytes of 4-bit scale and minimum, 64 of codes, d, dmin. */
function decodeQ2(src: usize, head: usize, r: i32, codes: usize): usize {
  store<u32>(head + (r << 2), load<u32>(src + 80));
  for (let i = 0; i < 16; i++) store<u8>(head + 64 + subAt(i, r), byte(src + i));
  decodeCrumbs(src + 16, codes);
  return src + 84;
}

/** 64 bytes of 2-bit codes: byte 32 n + l holds k = 128 n + l, + 32, + 64, + 96. */
function decodeCrumbs(src: usize, codes: usize): void {
  for (let k = 0; k < 256; k++) {
    store<u8>(codes + k, (byte(src + ((k >> 7) << 5) + (k & 31)) >> ((k >> 5) & 3) * 2) & 3);
  }
}

/** 32 bytes of third bits, 64 of codes, 12 of 6-bit scales, d. */
function decodeQ3(src: usize, head: usize, r: i32, codes: usize): usize {
  storePair(head, r, src + 108);
  const scales = src + 96;
  for (let i = 0; i < 16; i++) {
    const low = i < 8 ? byte(scales + i) & 15 : byte(scales + i - 8) >> 4;
    const high = (byte(scales + 8 + (i & 3)) >> ((i >> 2) * 2)) & 3;
    store<i8>(head + 32 + subAt(i, r), <i8>((low | (high << 4)) - 32));
  }
  decodeCrumbs(src + 32, codes);
  for (let k = 0; k < 256; k++) {
    const third = (byte(src + (k & 31)) >> (k >> 5)) & 1;
    store<u8>(codes + k, byte(codes + k) | (third << 2));
  }
  return src + 110;
}

/** d, dmin, 12 bytes of 6-bit scales and minima, 32 of fifth bits (Q5_K), 128 of nibbles. */
function decodeQ45(src: usize, head: usize, r: i32, codes: usize, fifth: bool): usize {
  store<u32>(head + (r << 2), load<u32>(src));
  const scales = src + 4;
  for (let i = 0; i < 8; i++) {
    let scale = byte(scales + i), minimum = byte(scales + i + 4);
    if (i < 4) {
      scale &= 63;
      minimum &= 63;
    } else {
      const both = minimum;
      minimum = (both >> 4) | ((scale >> 6) << 4);
      scale = (both & 15) | ((byte(scales + i - 4) >> 6) << 4);
    }
    store<u8>(head + 64 + subAt(i, r), scale);
    store<u8>(head + 64 + 8 * GROUP + subAt(i, r), minimum);
  }
  const high = src + 16;
  const low = high + (fifth ? 32 : 0);
  for (let k = 0; k < 256; k++) {
    const pair = byte(low + ((k >> 6) << 5) + (k & 31));
    const code = (k >> 5) & 1 ? pair >> 4 : pair & 15;
    const bit: u32 = fifth ? (byte(high + (k & 31)) >> (k >> 5)) & 1 : 0;
    store<u8>(codes + k, code | (bit << 4));
  }
  return low + 128;
}

/** 128 bytes of low nibbles, 64 of high crumbs, 16 signed scales, d. */
function decodeQ6(src: usize, head: usize, r: i32, codes: usize): usize {
  storePair(head, r, src + 208);
  for (let i = 0; i < 16; i++) store<u8>(head + 32 + subAt(i, r), byte(src + 192 + i));
  for (let k = 0; k < 256; k++) {
    const half = k >> 7;
    const quarter = (k >> 5) & 3;
    const pair = byte(src + (half << 6) + ((quarter & 1) << 5) + (k & 31));
    const low = quarter < 2 ? pair & 15 : pair >> 4;
    const high = (byte(src + 128 + (half << 5) + (k & 31)) >> (quarter * 2)) & 3;
    store<u8>(codes + k, low | (high << 4));
  }
  return src + 210;
}

/** d, 2 bytes of high scale bits, 4 of low ones, 128 of nibbles. */
function decodeIq4Xs(src: usize, head: usize, r: i32, codes: usize): usize {
  storePair(head, r, src);
  const high = <u32>load<u16>(src + 2);
  for (let i = 0; i < 8; i++) {
    const low = (byte(src + 4 + (i >> 1)) >> ((i & 1) * 4)) & 15;
    store<i8>(head + 32 + subAt(i, r), <i8>((low | (((high >> (2 * i)) & 3) << 4)) - 32));
  }
  for (let k = 0; k < 256; k++) {
    const pair = byte(src + 8 + ((k >> 5) << 4) + (k & 15));
    store<u8>(codes + k, (k >> 4) & 1 ? pair >> 4 : pair & 15);
  }
  return src + 136;
}

/** 64 bytes of crumbs, d. */
function decodeTq2(src: usize, head: usize, r: i32, codes: usize): usize {
  storePair(head, r, src + 64);
  decodeCrumbs(src, codes);
  return src + 66;
}

/** 48 bytes of 5 ternary digits, 4 of 4, d. */
function decodeTq1(src: usize, head: usize, r: i32, codes: usize): usize {
  storePair(head, r, src + 52);
  codes = decodeDigits(src, 32, 5, codes);
  codes = decodeDigits(src + 32, 16, 5, codes);
  decodeDigits(src + 48, 4, 4, codes);
  return src + 54;
}

/** `bytes` bytes of ternary fractions: digit n of all bytes, then digit n + 1; returns the end of the codes. */
function decodeDigits(src: usize, bytes: i32, digits: i32, codes: usize): usize {
  let power: u32 = 1;
  for (let n = 0; n < digits; n++, power *= 3) {
    for (let i = 0; i < bytes; i++, codes++) {
      const fraction = (byte(src + i) * power) & 255;
      store<u8>(codes, <u8>((fraction * 3) >> 8));
    }
  }
  return codes;
}

// --- planes ----------------------------------------------------------------------------------------------------------

/** Packs 32 codes of row `r` into the planes of a block. */
function layPlanes(type: i32, codes: usize, dst: usize, r: i32): void {
  const at = dst + (r << 2);
  const size = codeBytes(type);
  if (size >= 256) {
    layNibbles(codes, at);
    if (size == 256 + 64) layBits(codes, at + 256, 4);
    else if (size == 256 + 128) layCrumbs(codes, at + 256, 4);
  } else {
    layCrumbs(codes, at, 0);
    if (size == 128 + 64) layBits(codes, at + 128, 2);
  }
}

function layNibbles(codes: usize, at: usize): void {
  for (let j = 0; j < 4; j++) {
    const low = load<u32>(codes + (j << 2)) & 0x0f0f0f0f;
    const high = load<u32>(codes + (j << 2), 16) & 0x0f0f0f0f;
    store<u32>(at + (j << 6), low | (high << 4));
  }
}

/** Packs bits `shift` and `shift` + 1 of the codes. */
function layCrumbs(codes: usize, at: usize, shift: i32): void {
  for (let j = 0; j < 2; j++) {
    let word = 0;
    for (let q = 0; q < 4; q++) {
      word |= ((load<u32>(codes + ((j + 2 * q) << 2)) >> shift) & 0x03030303) << (2 * q);
    }
    store<u32>(at + (j << 6), word);
  }
}

/** Packs bit `shift` of the codes. */
function layBits(codes: usize, at: usize, shift: i32): void {
  let word = 0;
  for (let s = 0; s < 8; s++) word |= ((load<u32>(codes + (s << 2)) >> shift) & 0x01010101) << s;
  store<u32>(at, word);
}
