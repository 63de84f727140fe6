/**
 * Handles the signals that end a process during work that can be aborted: the first aborts the work, the second exits at
 * once.
 * Outside such work there is no handler, so that they end the process even if it blocks the event loop.
 */
export const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGQUIT: 131 } as const;
type Signal = keyof typeof SIGNAL_EXIT_CODES;

/** npx and the launcher forward a Ctrl-C that the terminal has already delivered. A second Ctrl-C takes a user longer. */
const ECHO_MS = 100;
/** The process exits this long after an abort that the work does not react to. */
const GRACE_MS = 3000;

/** Delays the signals that end the process until the returned function is called. The first is sent again then. */
export function holdSignals(): () => void {
  let held: Signal | undefined;
  const names = Object.keys(SIGNAL_EXIT_CODES) as Signal[];
  const hold = (name: Signal) => {
    held ??= name;
  };
  for (const name of names) process.on(name, hold);
  return () => {
    for (const name of names) process.off(name, hold);
    if (held) process.kill(process.pid, held);
  };
}

export class Interruption {
  #exitCode: number | undefined;
  #abortedAt = 0;

  /** 128 + the number of the signal received during work, if any. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Runs `work` with a signal that Ctrl-C aborts. */
  async during<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const onSignal = (name: Signal) => this.#onSignal(SIGNAL_EXIT_CODES[name], controller);
    const names = Object.keys(SIGNAL_EXIT_CODES) as Signal[];
    for (const name of names) process.on(name, onSignal);
    try {
      return await work(controller.signal);
    } finally {
      // After a signal the handlers stay: a forwarded copy must not end the process before it has finished.
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
