/** Rotary embedding of one head: rotates pair i by the angle whose cosine and sine are in the table. */
import { takeTask } from './barrier';
import {
  HEAD_DIM,
  HEADS,
  OUT,
  OUT_STRIDE,
  POSITIONS,
  ROPE_HALF,
  ROPE_KIND,
  ROPE_PAIRS,
  ROPE_TABLE,
  X,
  X_STRIDE,
} from './layout';
import { address, word } from './phase';

/**
 * Rotates the head at `x` (f32 [headDim]) to `position` and writes it to out[d * step]; step is in bytes, so a head can
 * be written into an interleaved tile. Dimensions beyond the pairs are copied.
 */
export function ropeHead(phase: usize, x: usize, out: usize, step: usize, position: i32): void {
  const kind = word(phase, ROPE_KIND);
  const headDim = word(phase, HEAD_DIM);
  const pairs = kind == 0 ? 0 : word(phase, ROPE_PAIRS);
  const table = address(phase, ROPE_TABLE) + <usize>(position * pairs) * 8;
  const first = kind == ROPE_HALF ? 1 : 2; // distance of neighbouring pairs
  const second = kind == ROPE_HALF ? pairs : 1; // distance within a pair
  for (let i = 0; i < pairs; i++) {
    const cos = load<f32>(table + (i << 3));
    const sin = load<f32>(table + (i << 3), 4);
    const a = i * first;
    const b = a + second;
    const xa = load<f32>(x + (a << 2));
    const xb = load<f32>(x + (b << 2));
    store<f32>(out + <usize>a * step, xa * cos - xb * sin);
    store<f32>(out + <usize>b * step, xa * sin + xb * cos);
  }
  for (let d = pairs * 2; d < headDim; d++) store<f32>(out + <usize>d * step, load<f32>(x + (d << 2)));
}

/** The op by itself: rotates every head of a token; a task is one token. */
export function rope(phase: usize, rows: i32): void {
  const headBytes = (<usize>word(phase, HEAD_DIM)) << 2;
  for (let t = takeTask(); t < rows; t = takeTask()) {
    const x = address(phase, X) + <usize>t * address(phase, X_STRIDE);
    const out = address(phase, OUT) + <usize>t * address(phase, OUT_STRIDE);
    const position = load<i32>(load<usize>(POSITIONS) + (t << 2));
    for (let h: usize = 0; h < <usize>word(phase, HEADS); h++) {
      ropeHead(phase, x + h * headBytes, out + h * headBytes, 4, position);
    }
  }
}
