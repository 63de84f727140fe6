/** Reading a phase's parameters, and the rows it runs over. */
import { CHOICES, OUTPUTS, ROWS, ROWS_OUTPUTS, ROWS_TOKENS, TOKENS } from './layout';

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

/** Rows of the step this phase runs over: T, S, or those that slices choose from. */
// @ts-ignore: decorator
@inline
export function rowsOf(phase: usize): i32 {
  const rows = word(phase, ROWS);
  return rows == ROWS_TOKENS ? load<i32>(TOKENS) : rows == ROWS_OUTPUTS ? load<i32>(OUTPUTS) : load<i32>(CHOICES);
}
