/**
 * The experts of each row and their weights (kernels/reference/route.ts). A task is a row. Scores are those of the
 * softmax or sigmoid; merits are scores with the bias, of which the largest are taken one after the other.
 */
import { takeTask } from './barrier';
import {
  COLS, OUT, OUT_STRIDE, PICK_COUNT, ROUTE_GROUPS, ROUTE_GROUPS_USED, ROUTE_NORMALIZED, ROUTE_SCALE, ROUTE_SCALES,
  ROUTE_SIGMOID, ROW_SCRATCH, WEIGHT, X, X_STRIDE,
} from './layout';
import { address, real, word } from './phase';
import { exp4 } from './simd';
import { softmaxRow } from './softmax';

export function route(phase: usize, rows: i32, scratch: usize): void {
  const experts = word(phase, COLS);
  const scores = scratch + address(phase, ROW_SCRATCH);
  const merits = scores + (<usize>(experts + 15) >> 4 << 6);
  for (let r = takeTask(); r < rows; r = takeTask()) {
    const x = address(phase, X) + <usize>r * address(phase, X_STRIDE);
    if (word(phase, ROUTE_SIGMOID) != 0) sigmoidRow(x, scores, experts);
    else softmaxRow(x, scores, experts);
    addMerits(scores, address(phase, WEIGHT), merits, experts);
    if (word(phase, ROUTE_GROUPS) != 0) dropGroups(merits, experts, word(phase, ROUTE_GROUPS), word(phase, ROUTE_GROUPS_USED));
    pick(phase, scores, merits, experts, address(phase, OUT) + <usize>r * address(phase, OUT_STRIDE));
  }
}

function sigmoidRow(x: usize, out: usize, cols: i32): void {
  const one = f32x4.splat(1);
  for (let i: usize = 0; i < <usize>cols << 2; i += 16) {
    v128.store(out + i, f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(v128.load(x + i))))));
  }
}

function addMerits(scores: usize, bias: usize, merits: usize, experts: i32): void {
  for (let e: usize = 0; e < <usize>experts << 2; e += 4) {
    store<f32>(merits + e, load<f32>(scores + e) + (bias == 0 ? 0 : load<f32>(bias + e)));
  }
}

/** The number of the largest; the first of equals. */
function best(merits: usize, from: i32, to: i32): i32 {
  let most = from;
  for (let e = from + 1; e < to; e++) {
    if (load<f32>(merits + (<usize>e << 2)) > load<f32>(merits + (<usize>most << 2))) most = e;
  }
  return most;
}

/** The two largest merits of a group, added. */
function quality(merits: usize, from: i32, to: i32): f32 {
  const first = best(merits, from, to);
  let second: f32 = -Infinity;
  for (let e = from; e < to; e++) if (e != first) second = max(second, load<f32>(merits + (<usize>e << 2)));
  const most = load<f32>(merits + (<usize>first << 2));
  return to - from > 1 ? most + second : most;
}

/** Makes the merits of all but the `used` best groups minus infinity. */
function dropGroups(merits: usize, experts: i32, groups: i32, used: i32): void {
  const size = experts / groups;
  for (let dropped = groups - used; dropped > 0; dropped--) {
    let worst = -1;
    let least: f32 = Infinity;
    for (let group = 0; group < groups; group++) {
      const value = quality(merits, group * size, (group + 1) * size);
      if (value == -Infinity || value > least) continue; // of equals the last goes first
      least = value;
      worst = group;
    }
    if (worst < 0) return;
    for (let e = worst * size; e < (worst + 1) * size; e++) store<f32>(merits + (<usize>e << 2), -Infinity);
  }
}

/** Writes the experts, then their weights. */
function pick(phase: usize, scores: usize, merits: usize, experts: i32, out: usize): void {
  const count = word(phase, PICK_COUNT);
  const weights = out + (<usize>count << 2);
  let sum: f32 = 0;
  for (let i: usize = 0; i < <usize>count << 2; i += 4) {
    const e = best(merits, 0, experts);
    const score = load<f32>(scores + (<usize>e << 2));
    store<f32>(merits + (<usize>e << 2), -Infinity);
    store<f32>(out + i, <f32>e);
    store<f32>(weights + i, score);
    sum += score;
  }
  const scale: f32 = real(phase, ROUTE_SCALE) / (word(phase, ROUTE_NORMALIZED) != 0 ? sum : 1);
  const scales = address(phase, ROUTE_SCALES);
  for (let i: usize = 0; i < <usize>count << 2; i += 4) {
    const own: f32 = scales == 0 ? 1 : load<f32>(scales + (<usize>load<f32>(out + i) << 2));
    store<f32>(weights + i, load<f32>(weights + i) * scale * own);
  }
}
