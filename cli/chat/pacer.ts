/** Does what was asked for on a common beat, so that all that changes within it is drawn in one frame. */
export class Pacer {
  readonly #beatMs: number;
  readonly #tasks = new Map<() => void, number>(); // and the beats until it is their turn
  #timer: NodeJS.Timeout | undefined;

  constructor(beatMs: number) {
    this.#beatMs = beatMs;
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
    for (const [task, beats] of tasks) {
      if (beats <= 1) task();
      else this.soon(task, beats - 1);
    }
  }
}
