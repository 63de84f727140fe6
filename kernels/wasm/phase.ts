/** Reading a phase's parameters, and the rows it runs over. */
import { CHOICES, OUTPUTS, ROW_PARTS, ROWS, ROWS_OUTPUTS, ROWS_TOKENS, TOKENS } from './layout';

// @ts-ignore: decorator
@inline
export function word(phase: usize, index: i32): i32 {
  return load<i32>(phase + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
export function address(phase: usize, index: i32): usize {
  return load<usize>(phase + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
export function real(phase: usize, index: i32): f32 {
  return load<f32>(phase + (<usize>index << 2));
}

/** Rows of the step this phase runs over: T, S, or those that slices choose from; times the parts of a row. */
// @ts-ignore: decorator
@inline
export function rowsOf(phase: usize): i32 {
  const rows = word(phase, ROWS) % ROW_PARTS;
  const parts = max(1, word(phase, ROWS) / ROW_PARTS);
  return parts * (rows == ROWS_TOKENS ? load<i32>(TOKENS) : load<i32>(rows == ROWS_OUTPUTS ? OUTPUTS : CHOICES));
}
