/** Accessors for the parameters of a phase and the number of its rows. */
import { OUTPUTS, ROWS, ROWS_OUTPUTS, TOKENS } from './layout';

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

/** Number of rows that this phase runs over: T or S. */
// @ts-ignore: decorator
@inline
export function rowsOf(phase: usize): i32 {
  return word(phase, ROWS) == ROWS_OUTPUTS ? load<i32>(OUTPUTS) : load<i32>(TOKENS);
}
