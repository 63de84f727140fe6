/**
 * SIGINT, SIGTERM and SIGHUP as an AbortSignal: the first asks for an orderly end, the second ends at once.
 * Until a command asks for the signal, Ctrl-C ends the process by itself: work that never yields to the event
 * loop could not be stopped otherwise.
 */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** npx and the launcher forward a Ctrl-C that the terminal has delivered already; people are slower than that. */
const ECHO_MS = 100;
/** A command that does not notice the abort is ended after this long. */
const GRACE_MS = 3000;

export class Interruption {
  #controller: AbortController | undefined;
  #exitCode: number | undefined;
  #abortedAt = 0;

  /** 128 + the number of the signal that came, if one did. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** From the first call on, signals of the terminal abort this one. */
  signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      for (const name of Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[]) {
        process.on(name, () => this.#onSignal(EXIT_CODES[name]));
      }
    }
    return this.#controller.signal;
  }

  #onSignal(exitCode: number): void {
    const now = performance.now();
    if (this.#exitCode === undefined) {
      this.#exitCode = exitCode;
      this.#abortedAt = now;
      setTimeout(() => process.exit(exitCode), GRACE_MS).unref();
      this.#controller!.abort();
    } else if (now - this.#abortedAt > ECHO_MS) {
      process.exit(exitCode);
    }
  }
}
