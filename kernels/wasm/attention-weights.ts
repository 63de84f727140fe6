/**
 * Attention weights of a single token, for steps that ask for them. Attention does not keep its scores. Once the states
 * of a tile are merged, the same kernels compute the scores again. A weight is exp of the score less the chunk's
 * maximum m, times exp(m - M) / sum, with the maximum M and the sum of the merged state. With an 8-bit cache, these
 * are the weights before they are rounded to 7 bits.
 *
 * Weights of a phase: f32 [HEADS][CONTEXT]; whole blocks of 16 positions are written, and those in front of a window.
 */
import { scoreFloats } from './attention-float';
import { LOG2_E, power, scoreCodes } from './attention-int';
import {
  TILE_BYTES, capScores, hiddenOf, maskRow, ROW_BYTES, rowMaximum, STATE_SUMS, TILE_ROWS, withSink,
} from './attention-scores';
import { keysAt } from './kv-cache';
import { ATTENTION_WEIGHTS, CHUNK, CONTEXT, HEADS, KV_HEADS, KV_OUT, KV_Q8, KV_TYPE, SCALE } from './layout';
import { address, real, word } from './phase';
import { exp4, madd } from './simd';

/** Weights of a tile, whose first row is row `first` of kv head `h`, from its queries and its merged state. */
export function storeWeights(
  phase: usize, h: i32, kv: usize, position: i32, first: i32, q: usize, work: usize, state: usize,
): void {
  const group = word(phase, HEADS) / word(phase, KV_HEADS);
  const present = min(TILE_ROWS, group - first);
  const coded = word(phase, KV_TYPE) == KV_Q8;
  const rowBytes = <usize>word(phase, CONTEXT) << 2;
  const hidden = hiddenOf(phase, position + 1);
  for (let from = hidden / CHUNK * CHUNK; from <= position; from += CHUNK) {
    const keys = min(CHUNK, position - from + 1);
    const k = keysAt(phase, h, kv, from);
    if (coded) scoreCodes(phase, k, keys, q, work, present);
    else scoreFloats(phase, k, keys, q, work);
    capScores(phase, work, keys, real(phase, SCALE) * (coded ? <f32>1 : real(phase, KV_OUT)));
    let out = address(phase, ATTENTION_WEIGHTS) + <usize>(h * group + first) * rowBytes + (<usize>from << 2);
    for (let r = 0; r < present; r++, out += rowBytes) {
      const top = load<f32>(state + (r << 2));
      const sum = withSink(phase, h * group + first + r, top, load<f32>(state + (r << 2), STATE_SUMS));
      weighRow(phase, work + r * ROW_BYTES, hidden - from, keys, top, sum, out, coded);
    }
  }
  const weights = address(phase, ATTENTION_WEIGHTS) + <usize>(h * group + first) * rowBytes;
  for (let r = 0; r < present; r++) memory.fill(weights + <usize>r * rowBytes, 0, hidden << 2);
}

/** Weights of a row over the keys `hidden` to `keys` - 1 of a chunk; `top` and `sum` are those over all keys of the row. */
function weighRow(
  phase: usize, scores: usize, hidden: i32, keys: i32, top: f32, sum: f32, out: usize, coded: bool,
): void {
  const blocks = (keys + 15) >> 4;
  const scale = real(phase, SCALE) * (coded ? <f32>1 : real(phase, KV_OUT));
  maskRow(scores, hidden, keys, blocks);
  const chunkTop = rowMaximum(scores, blocks, scale);
  const share = f32x4.div(exp4(f32x4.splat(chunkTop - top)), f32x4.splat(sum));
  for (let end = scores + blocks * TILE_BYTES; scores < end; scores += TILE_BYTES, out += ROW_BYTES) {
    for (let i = 0; i < ROW_BYTES; i += 16) {
      const score = v128.load(scores + i);
      const e = coded
        ? power(madd(score, f32x4.splat(scale * LOG2_E), f32x4.splat(-chunkTop * LOG2_E)))
        : exp4(f32x4.sub(f32x4.mul(score, f32x4.splat(scale)), f32x4.splat(chunkTop)));
      v128.store(out + i, f32x4.mul(e, share));
    }
  }
}
