import { usableCores } from '../../backends/select.ts';

export interface Pace {
  /** Shortest and longest time between two beats, ms. */
  readonly least: number;
  readonly most: number;
  /** Largest share of the time that tasks may use. Beats become rarer if tasks would use more. */
  readonly share: number;
}

/** The pace of an answer's frames. With one or two cores all of them compute, so that frames are rarer. */
export function framePace(cores = usableCores()): Pace {
  return cores <= 2 ? { least: 66, most: 250, share: 0.025 } : { least: 40, most: 100, share: 0.2 };
}

/** Weight of a new measurement in the moving average. */
const SMOOTHING = 0.3;

/** Runs tasks on a common beat, so that all changes within a beat are drawn in one frame. */
export class Pacer {
  readonly #pace: Pace;
  readonly #now: () => number; // ms
  readonly #tasks = new Map<() => void, number>(); // to the beats left until it runs
  #timer: NodeJS.Timeout | undefined;
  #beatMs: number;

  constructor(pace: Pace, now = () => performance.now()) {
    this.#pace = pace;
    this.#now = now;
    this.#beatMs = pace.least;
  }

  /** Runs `task` once, `beats` beats from now. Asking again before that changes nothing. */
  soon(task: () => void, beats = 1): void {
    if (!this.#tasks.has(task)) this.#tasks.set(task, beats);
    this.#timer ??= setTimeout(() => this.#beat(), this.#beatMs);
  }

  /** Removes a task that has not run. */
  cancel(task: () => void): void {
    this.#tasks.delete(task);
    if (this.#tasks.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #beat(): void {
    this.#timer = undefined;
    const tasks = [...this.#tasks];
    this.#tasks.clear();
    const start = this.#now();
    for (const [task, beats] of tasks) {
      if (beats <= 1) task();
      else this.soon(task, beats - 1);
    }
    setImmediate(() => this.#learn(this.#now() - start)); // after the frame has been drawn and written
  }

  #learn(cost: number): void {
    const { least, most, share } = this.#pace;
    const wanted = Math.max(least, Math.min(most, cost / share));
    this.#beatMs += SMOOTHING * (wanted - this.#beatMs);
  }
}
