/**
 * SIGINT, SIGTERM and SIGHUP while work can be aborted: the first asks for an orderly end, the second ends at
 * once. Outside such work they end the process by themselves, because work that never yields to the event loop
 * could not be stopped otherwise.
 */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** npx and the launcher forward a Ctrl-C that the terminal has delivered already; people are slower than that. */
const ECHO_MS = 100;
/** Work that does not notice the abort is ended after this long. */
const GRACE_MS = 3000;

export class Interruption {
  #exitCode: number | undefined;
  #abortedAt = 0;

  /** 128 + the number of the signal that came during work, if one did. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Runs `work` with a signal that Ctrl-C aborts. */
  async during<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const onSignal = (name: keyof typeof EXIT_CODES) => this.#onSignal(EXIT_CODES[name], controller);
    const names = Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[];
    for (const name of names) process.on(name, onSignal);
    try {
      return await work(controller.signal);
    } finally {
      // An echo may still be on its way: it must not cut off what is left to do.
      if (this.#exitCode === undefined) for (const name of names) process.off(name, onSignal);
    }
  }

  #onSignal(exitCode: number, controller: AbortController): void {
    if (this.#exitCode === undefined) {
      this.#exitCode = exitCode;
      this.#abortedAt = performance.now();
      setTimeout(() => process.exit(exitCode), GRACE_MS).unref();
      controller.abort();
    } else if (performance.now() - this.#abortedAt > ECHO_MS) {
      process.exit(exitCode);
    }
  }
}
