import type { Mark } from '../../bench/events.ts';
import type { Point } from '../terminal/plot/scene.ts';

/** Runs of fewer steps are shown step by step. */
const FEW_STEPS = 16;
/** Else a speed is that of a window, so that the clock's grain does not show. */
const WINDOWS = 30;

/** Tokens a second over the seconds of a run. */
export function speedCurve(marks: readonly Mark[]): Point[] {
  if (marks.length < FEW_STEPS) return steps(marks);
  const window = marks.at(-1)![0] / WINDOWS; // seconds
  const points: Point[] = [];
  let from = 0; // the mark that begins the window; before the first one there is (0, 0)
  for (const [i, [seconds, tokens]] of marks.entries()) {
    while (from < i && seconds - marks[from]![0] > window) from++;
    const [start, before] = from > 0 ? marks[from - 1]! : [0, 0];
    points.push([seconds, (tokens - before) / (seconds - start)]);
  }
  return points;
}

/** Each step at its own speed, from its beginning to its end. */
function steps(marks: readonly Mark[]): Point[] {
  let [start, before] = [0, 0];
  return marks.flatMap(([seconds, tokens]) => {
    const speed = (tokens - before) / (seconds - start);
    const points: Point[] = [
      [start, speed],
      [seconds, speed],
    ];
    [start, before] = [seconds, tokens];
    return points;
  });
}
