/** The state of an executable: it runs one step at a time, and none after it was disposed of. */
export class Lifecycle {
  #busy = false;
  #disposed = false;

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Calls `start`, and is busy until its promise settles. Throws RangeError while busy and when disposed of. */
  run<T>(start: () => Promise<T>): Promise<T> {
    if (this.#busy) throw new RangeError('The earlier step has not settled yet.');
    this.checkUsable();
    const running = start();
    this.#busy = true;
    return running.finally(() => {
      this.#busy = false;
    });
  }

  /** Throws RangeError for an executable that was disposed of. */
  checkUsable(): void {
    if (this.#disposed) throw new RangeError('The executable was disposed of.');
  }

  /** Returns whether this was the first call. */
  dispose(): boolean {
    const first = !this.#disposed;
    this.#disposed = true;
    return first;
  }
}
