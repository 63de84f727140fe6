/**
 * The largest logits of a row, for slices that want those alone: the host then reads a few numbers, not the vocabulary.
 *
 * Scanning (a task is CHOICE_PART columns of a row) leaves the maximum of every CHOICE_BLOCK columns, and of a part its
 * maximum m and the sum of exp(x - m). Picking (a task is a row) takes the k-th largest of the block maxima as a bound:
 * at least k logits reach it, few more do, and only blocks whose maximum reaches it are read again.
 *
 * A row of results: {maximum, sum of exp(x - maximum), then CHOICE_MOST ids, then CHOICE_MOST logits}, the largest
 * first, of equal ones the lowest id first. Parts are fixed columns, so the sum has the same bits on any number of threads.
 * If a logit is NaN, the maximum is.
 */
import { takeTask } from './barrier';
import {
  CHOICE_BLOCK, CHOICE_LIST, CHOICE_MOST, CHOICE_PART, COLS, MAXIMA, OUT, OUT_STRIDE, PART_SUMS, X, X_STRIDE,
} from './layout';
import { address, word } from './phase';
import { exp4, maxLanes, sumLanes } from './simd';

// @ts-ignore: decorator
@inline
function blocksOf(cols: i32): i32 {
  return (cols + CHOICE_BLOCK - 1) / CHOICE_BLOCK;
}

// @ts-ignore: decorator
@inline
function partsOf(cols: i32): i32 {
  return (cols + CHOICE_PART - 1) / CHOICE_PART;
}

/** Columns from `i` on as a vector; beyond `end` minus infinity. */
// @ts-ignore: decorator
@inline
function lanes(row: usize, i: i32, end: i32): v128 {
  const v = v128.load(row + (<usize>i << 2));
  if (i + 4 <= end) return v;
  const inside = i32x4.lt_s(i32x4.add(i32x4.splat(i), i32x4(0, 1, 2, 3)), i32x4.splat(end));
  return v128.bitselect(v, f32x4.splat(-Infinity), inside);
}

// @ts-ignore: decorator
@inline
function rowOf(phase: usize, choice: i32): usize {
  const row = load<i32>(load<usize>(CHOICE_LIST) + (<usize>choice << 3));
  return address(phase, X) + <usize>row * address(phase, X_STRIDE);
}

export function scanChoices(phase: usize, choices: i32): void {
  const cols = word(phase, COLS);
  const parts = partsOf(cols);
  for (let task = takeTask(); task < choices * parts; task = takeTask()) {
    const choice = task / parts;
    const from = (task % parts) * CHOICE_PART;
    const end = min(cols, from + CHOICE_PART);
    const row = rowOf(phase, choice);
    let maxima = address(phase, MAXIMA) + (<usize>(choice * blocksOf(cols) + from / CHOICE_BLOCK) << 2);
    let top = f32x4.splat(-Infinity);
    for (let block = from; block < end; block += CHOICE_BLOCK, maxima += 4) {
      let most = f32x4.splat(-Infinity);
      for (let i = block; i < min(end, block + CHOICE_BLOCK); i += 4) most = f32x4.max(most, lanes(row, i, end));
      store<f32>(maxima, maxLanes(most));
      top = f32x4.max(top, most);
    }
    const max = maxLanes(top);
    const shift = f32x4.splat(max);
    let sums = f32x4.splat(0);
    for (let i = from; i < end; i += 4) sums = f32x4.add(sums, exp4(f32x4.sub(lanes(row, i, end), shift)));
    const part = address(phase, PART_SUMS) + (<usize>(choice * parts + task % parts) << 3);
    store<f32>(part, max);
    store<f32>(part, sumLanes(sums), 4);
  }
}

export function pickChoices(phase: usize, choices: i32): void {
  for (let choice = takeTask(); choice < choices; choice = takeTask()) {
    const out = address(phase, OUT) + <usize>choice * address(phase, OUT_STRIDE);
    mergeSums(phase, choice, out);
    const count = load<i32>(load<usize>(CHOICE_LIST) + (<usize>choice << 3), 4);
    pick(phase, choice, count, out + 8, out + 8 + CHOICE_MOST * 4);
  }
}

/** Maximum and sum of the whole row, from its parts in order. */
function mergeSums(phase: usize, choice: i32, out: usize): void {
  const parts = partsOf(word(phase, COLS));
  const first = address(phase, PART_SUMS) + (<usize>(choice * parts) << 3);
  let max: f32 = -Infinity;
  for (let p = 0; p < parts; p++) {
    const m = load<f32>(first + (<usize>p << 3));
    max = m > max || m != m ? m : max; // a NaN stays
  }
  let sum: f32 = 0;
  for (let p = 0; p < parts; p++) {
    const part = first + (<usize>p << 3);
    const scale = f32x4.extract_lane(exp4(f32x4.splat(load<f32>(part) - max)), 0);
    sum += load<f32>(part, 4) * scale;
  }
  store<f32>(out, max);
  store<f32>(out, sum, 4);
}

/** The `count` largest of a row, in order. */
function pick(phase: usize, choice: i32, count: i32, ids: usize, values: usize): void {
  const cols = word(phase, COLS);
  const blocks = blocksOf(cols);
  const maxima = address(phase, MAXIMA) + (<usize>(choice * blocks) << 2);
  let held = 0;
  for (let b = 0; b < blocks; b++) held = insert(ids, values, held, count, b, load<f32>(maxima + (<usize>b << 2)));
  const bound = held == count ? load<f32>(values + (<usize>(count - 1) << 2)) : <f32>-Infinity;
  const row = rowOf(phase, choice);
  held = 0;
  for (let b = 0; b < blocks; b++) {
    if (load<f32>(maxima + (<usize>b << 2)) < bound) continue;
    const end = min(cols, (b + 1) * CHOICE_BLOCK);
    for (let i = b * CHOICE_BLOCK; i < end; i++) {
      const value = load<f32>(row + (<usize>i << 2));
      if (value >= bound) held = insert(ids, values, held, count, i, value);
    }
  }
}

/** Puts a value into the sorted list of at most `most`, after equal ones; returns how many it holds. */
// @ts-ignore: decorator
@inline
function insert(ids: usize, values: usize, held: i32, most: i32, id: i32, value: f32): i32 {
  if (held == most && !(value > load<f32>(values + (<usize>(most - 1) << 2)))) return held;
  let at = held == most ? most - 1 : held;
  for (; at > 0 && value > load<f32>(values + (<usize>(at - 1) << 2)); at--) {
    store<f32>(values + (<usize>at << 2), load<f32>(values + (<usize>(at - 1) << 2)));
    store<i32>(ids + (<usize>at << 2), load<i32>(ids + (<usize>(at - 1) << 2)));
  }
  store<f32>(values + (<usize>at << 2), value);
  store<i32>(ids + (<usize>at << 2), id);
  return held == most ? most : held + 1;
}
