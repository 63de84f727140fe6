import { usableCores } from '../../backends/select.ts';
import type { Pace } from './pacer.ts';

/** How often an answer is drawn. On one or two cores all of them compute, and drawing slows the answer: frames are rarer. */
export function framePace(cores = usableCores()): Pace {
  return cores <= 2 ? { least: 66, most: 250, share: 0.025 } : { least: 40, most: 100, share: 0.2 };
}
