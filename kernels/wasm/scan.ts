/**
 * A linear recurrence, head by head, whose state S [N, P] is kept for each sequence:
 *
 *   S = exp(a dt) S + k u^T,  y = S^T q + skip v
 *
 * with u = beta v (SCAN_SSM) or u = beta (v - exp(a dt) S^T k) (SCAN_DELTA).
 *
 * A task computes some groups of 16 columns of S for all tokens of a slice, one after the other, and no other task touches
 * them. Sums run over the keys in their order, in lanes of their own, so results do not depend on how tokens are split
 * into steps.
 */
import { takeTask } from './barrier';
import {
  BETA_ROWS, K_ROWS, OUT, PAST, PAST_BYTES, SCAN_CYCLIC, SCAN_DELTA, SCAN_GROUPS, SCAN_HEADS, SCAN_KEYS, SCAN_RULE,
  SCAN_SCRATCH, SCAN_SKIP, SCAN_VALUES, SLICE_LIST, SLICE_SEQUENCES, SLICES, TOKENS, V_ROWS, WEIGHT, X, Y,
} from './layout';
import { address, word } from './phase';
import { exp4, madd, store16 } from './simd';

const GROUP_BYTES: usize = 64; // of 16 columns
/** Tokens times groups of a task: some microseconds. */
const TASK_GROUPS = 4;

export function scan(phase: usize, scratch: usize): void {
  const groups = word(phase, SCAN_HEADS) * groupsOfHead(phase); // of a slice
  const span = max(1, TASK_GROUPS / load<i32>(TOKENS)); // groups of a task
  const tasks = (groups + span - 1) / span;
  const all = tasks * load<i32>(SLICES);
  for (let task = takeTask(); task < all; task = takeTask()) {
    const slice = task / tasks;
    const first = (task % tasks) * span;
    for (let group = first; group < min(groups, first + span); group++) scanGroup(phase, slice, group, scratch);
  }
}

// @ts-ignore: decorator
@inline
function groupsOfHead(phase: usize): i32 {
  return (word(phase, SCAN_VALUES) + 15) >> 4;
}

/** Row `row` of an operand: its address and its stride are the words from `index` on. */
// @ts-ignore: decorator
@inline
function rowAt(phase: usize, index: i32, row: i32): usize {
  return address(phase, index) + <usize>row * address(phase, index + 1);
}

/** A group of columns of a slice. */
function scanGroup(phase: usize, slice: i32, group: i32, scratch: usize): void {
  const entry = load<usize>(SLICE_LIST) + (slice << 4);
  const sequence = load<i32>(load<usize>(SLICE_SEQUENCES) + (slice << 2));
  const head = group / groupsOfHead(phase);
  const column = (group % groupsOfHead(phase)) << 4;
  const keys = word(phase, SCAN_KEYS), values = word(phase, SCAN_VALUES);
  const state = address(phase, PAST) + <usize>sequence * address(phase, PAST_BYTES)
    + <usize>(group * keys) * GROUP_BYTES;
  if (load<i32>(entry, 8) == 0) memory.fill(state, 0, <usize>keys * GROUP_BYTES);
  const shared = word(phase, SCAN_CYCLIC) != 0
    ? head % word(phase, SCAN_GROUPS)
    : head * word(phase, SCAN_GROUPS) / word(phase, SCAN_HEADS);
  const key = <usize>(shared * keys) << 2, value = <usize>(head * values + column) << 2, own = <usize>head << 2;
  const bytes = <usize>min(16, values - column) << 2; // of the columns that exist
  const rate = v128.load32_splat(address(phase, WEIGHT) + own);
  const skip = address(phase, SCAN_SKIP) == 0 ? f32x4.splat(0) : v128.load32_splat(address(phase, SCAN_SKIP) + own);
  const part = scratch + address(phase, SCAN_SCRATCH);
  const whole = bytes == GROUP_BYTES;
  const first = load<i32>(entry);
  for (let row = first; row < first + load<i32>(entry, 4); row++) {
    const q = rowAt(phase, X, row) + key, k = rowAt(phase, K_ROWS, row) + key;
    const v = rowAt(phase, V_ROWS, row) + value, out = rowAt(phase, OUT, row) + value;
    const decay = exp4(f32x4.mul(rate, v128.load32_splat(rowAt(phase, Y, row) + own)));
    const beta = v128.load32_splat(rowAt(phase, BETA_ROWS, row) + own);
    if (!whole) memory.copy(part, v, bytes);
    const from = whole ? v : part, to = whole ? out : part + GROUP_BYTES;
    if (word(phase, SCAN_RULE) == SCAN_DELTA) advance(true, state, keys, q, k, from, to, decay, beta, skip);
    else advance(false, state, keys, q, k, from, to, decay, beta, skip);
    if (!whole) memory.copy(out, to, bytes);
  }
}

/** One token of 16 columns: v to out. The state is [keys][16]. */
// @ts-ignore: decorator
@inline
function advance(
  delta: bool, state: usize, keys: i32, q: usize, k: usize, v: usize, out: usize, decay: v128, beta: v128, skip: v128,
): void {
  const v0 = v128.load(v), v1 = v128.load(v, 16), v2 = v128.load(v, 32), v3 = v128.load(v, 48);
  let u0 = v0, u1 = v1, u2 = v2, u3 = v3;
  if (delta) {
    let h0 = f32x4.splat(0), h1 = h0, h2 = h0, h3 = h0; // S^T k
    for (let n = 0, s = state; n < keys; n++, s += GROUP_BYTES) {
      const kn = v128.load32_splat(k + (<usize>n << 2));
      h0 = madd(v128.load(s), kn, h0);
      h1 = madd(v128.load(s, 16), kn, h1);
      h2 = madd(v128.load(s, 32), kn, h2);
      h3 = madd(v128.load(s, 48), kn, h3);
    }
    u0 = f32x4.sub(v0, f32x4.mul(decay, h0));
    u1 = f32x4.sub(v1, f32x4.mul(decay, h1));
    u2 = f32x4.sub(v2, f32x4.mul(decay, h2));
    u3 = f32x4.sub(v3, f32x4.mul(decay, h3));
  }
  u0 = f32x4.mul(u0, beta);
  u1 = f32x4.mul(u1, beta);
  u2 = f32x4.mul(u2, beta);
  u3 = f32x4.mul(u3, beta);
  let y0 = f32x4.mul(skip, v0), y1 = f32x4.mul(skip, v1), y2 = f32x4.mul(skip, v2), y3 = f32x4.mul(skip, v3);
  for (let n = 0, s = state; n < keys; n++, s += GROUP_BYTES) {
    const kn = v128.load32_splat(k + (<usize>n << 2)), qn = v128.load32_splat(q + (<usize>n << 2));
    const s0 = madd(kn, u0, f32x4.mul(decay, v128.load(s)));
    const s1 = madd(kn, u1, f32x4.mul(decay, v128.load(s, 16)));
    const s2 = madd(kn, u2, f32x4.mul(decay, v128.load(s, 32)));
    const s3 = madd(kn, u3, f32x4.mul(decay, v128.load(s, 48)));
    store16(s, s0, s1, s2, s3);
    y0 = madd(s0, qn, y0);
    y1 = madd(s1, qn, y1);
    y2 = madd(s2, qn, y2);
    y3 = madd(s3, qn, y3);
  }
  store16(out, y0, y1, y2, y3);
}
