/** SIGINT, SIGTERM and SIGHUP as an AbortSignal: the first asks for an orderly end, the second ends at once. */

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** npx and the launcher forward a Ctrl-C that the terminal has delivered already; people are slower than that. */
const ECHO_MS = 100;
/** A command that does not notice the abort is ended after this long. */
const GRACE_MS = 3000;

/** The reason of the abort signal. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly exitCode: number;

  constructor(signal: keyof typeof EXIT_CODES) {
    super(`stopped by ${signal}`);
    this.exitCode = EXIT_CODES[signal];
  }
}

export function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  let abortedAt = 0;
  for (const name of Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[]) {
    process.on(name, () => {
      const exit = () => process.exit(EXIT_CODES[name]);
      if (controller.signal.aborted) {
        if (performance.now() - abortedAt > ECHO_MS) exit();
        return;
      }
      abortedAt = performance.now();
      controller.abort(new Interrupted(name));
      setTimeout(exit, GRACE_MS).unref();
    });
  }
  return controller.signal;
}
