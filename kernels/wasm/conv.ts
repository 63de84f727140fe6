/**
 * Causal convolution of each column by itself, over the rows of a sequence that a state keeps and those of the step:
 *
 *   y[t][c] = bias[c] + sum over j of weight[c][j] * x[t - (K - 1) + j][c]
 *
 * A task computes some groups of 16 columns for all tokens of a slice, and no other task touches their state. Products are
 * added in the order of j, so results do not depend on how tokens are split into steps.
 */
import { takeTask } from './barrier';
import {
  COLS, CONV_BIAS, OUT, OUT_STRIDE, PAST, PAST_BYTES, SLICE_LIST, SLICE_SEQUENCES, SLICES, TAP_BYTES, TAPS, TOKENS, WEIGHT, X,
  X_STRIDE,
} from './layout';
import { address, word } from './phase';
import { madd, store16 } from './simd';

const GROUP_BYTES: usize = 64; // of 16 columns of a row
/** Tokens times groups of a task: some microseconds. */
const TASK_GROUPS = 128;

export function conv(phase: usize): void {
  const groups = (word(phase, COLS) + 15) >> 4;
  const span = max(1, TASK_GROUPS / load<i32>(TOKENS)); // groups of a task
  const tasks = (groups + span - 1) / span; // of a slice
  const all = tasks * load<i32>(SLICES);
  for (let task = takeTask(); task < all; task = takeTask()) {
    const slice = task / tasks;
    const first = (task % tasks) * span;
    for (let group = first; group < min(groups, first + span); group++) convolve(phase, slice, group);
  }
}

/** A group of columns of a slice. */
function convolve(phase: usize, slice: i32, group: i32): void {
  const entry = load<usize>(SLICE_LIST) + (slice << 4);
  const sequence = load<i32>(load<usize>(SLICE_SEQUENCES) + (slice << 2));
  const before = word(phase, TAPS) - 1;
  const past = address(phase, PAST) + <usize>sequence * address(phase, PAST_BYTES)
    + <usize>(group * before) * GROUP_BYTES;
  const row = load<i32>(entry), tokens = load<i32>(entry, 4);
  if (load<i32>(entry, 8) == 0) memory.fill(past, 0, <usize>before * GROUP_BYTES);
  const xStride = address(phase, X_STRIDE), outStride = address(phase, OUT_STRIDE);
  const x = address(phase, X) + <usize>row * xStride + <usize>group * GROUP_BYTES;
  const out = address(phase, OUT) + <usize>row * outStride + <usize>group * GROUP_BYTES;
  const weights = address(phase, WEIGHT) + <usize>(group * word(phase, TAPS)) * GROUP_BYTES;
  const biases = address(phase, CONV_BIAS);
  const bias = biases == 0 ? 0 : biases + <usize>group * GROUP_BYTES;
  for (let t = 0; t < tokens; t++) {
    convolveRow(weights, address(phase, TAP_BYTES), past, before, x, xStride, t, bias, out + <usize>t * outStride);
  }
  for (let i = 0; i < before; i++) { // in place: sources lie after their targets
    memory.copy(past + <usize>i * GROUP_BYTES, rowAt(past, before, x, xStride, tokens - before + i), GROUP_BYTES);
  }
}

/** Row `t` of x; the `before` rows in front of row 0 lie in the state. */
// @ts-ignore: decorator
@inline
function rowAt(past: usize, before: i32, x: usize, stride: usize, t: i32): usize {
  return t < 0 ? past + <usize>(before + t) * GROUP_BYTES : x + <usize>t * stride;
}

/** 16 columns of row `t`; `bias` is 0 without one. */
// @ts-ignore: decorator
@inline
function convolveRow(
  weights: usize, tapBytes: usize, past: usize, before: i32, x: usize, stride: usize, t: i32, bias: usize,
  out: usize,
): void {
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0;
  if (bias != 0) {
    y0 = v128.load(bias);
    y1 = v128.load(bias, 16);
    y2 = v128.load(bias, 32);
    y3 = v128.load(bias, 48);
  }
  for (let j = 0; j <= before; j++, weights += tapBytes) {
    const r = rowAt(past, before, x, stride, t - before + j);
    y0 = madd(v128.load(weights), v128.load(r), y0);
    y1 = madd(v128.load(weights, 16), v128.load(r, 16), y1);
    y2 = madd(v128.load(weights, 32), v128.load(r, 32), y2);
    y3 = madd(v128.load(weights, 48), v128.load(r, 48), y3);
  }
  store16(out, y0, y1, y2, y3);
}
