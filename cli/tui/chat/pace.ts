import { usableCores } from '../../../backends/select.ts';

/** Milliseconds between two frames of an answer: where all cores compute, drawing takes from them. */
export function frameMs(cores = usableCores()): number {
  return cores <= 2 ? 100 : 40;
}
