export interface Pace {
  /** Between two beats, ms. */
  readonly least: number;
  readonly most: number;
  /** Part of the time that what is done on a beat may take; beats are rarer where it would take more. */
  readonly share: number;
}

/** What a new measurement counts for. */
const NEWS = 0.3;

/** Does what was asked for on a common beat, so that all that changes within it is drawn in one frame. */
export class Pacer {
  readonly #pace: Pace;
  readonly #now: () => number; // ms
  readonly #tasks = new Map<() => void, number>(); // and the beats until it is their turn
  #timer: NodeJS.Timeout | undefined;
  #beatMs: number;

  constructor(pace: Pace, now = () => performance.now()) {
    this.#pace = pace;
    this.#now = now;
    this.#beatMs = pace.least;
  }

  /** Runs `task` once, so many beats from now at the latest; asking again meanwhile changes nothing. */
  soon(task: () => void, beats = 1): void {
    if (!this.#tasks.has(task)) this.#tasks.set(task, beats);
    this.#timer ??= setTimeout(() => this.#beat(), this.#beatMs);
  }

  /** Forgets what was asked for. */
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
    setImmediate(() => this.#learn(this.#now() - start)); // when it is drawn and written
  }

  #learn(cost: number): void {
    const { least, most, share } = this.#pace;
    const wanted = Math.max(least, Math.min(most, cost / share));
    this.#beatMs += NEWS * (wanted - this.#beatMs);
  }
}
