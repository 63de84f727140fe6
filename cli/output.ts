/** The two streams and the exit code: data goes to stdout, everything else to stderr. */
import { once } from 'node:events';
import type { WriteStream } from 'node:tty';
import { Chalk, type ChalkInstance } from 'chalk';
import { type ErrorKind, UserError } from '../errors.ts';

export const EXIT_CODES = {
  error: 1,
  usage: 2,
  'model-not-found': 3,
  network: 4,
  memory: 5,
  context: 6,
  device: 7,
} as const satisfies Record<ErrorKind, number>;

/** Shown at the end of --help. */
export const EXIT_CODE_MEANINGS: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'ok'],
  [EXIT_CODES.error, 'error'],
  [EXIT_CODES.usage, 'usage: a flag or an argument is wrong'],
  [EXIT_CODES['model-not-found'], 'model not found'],
  [EXIT_CODES.network, 'network'],
  [EXIT_CODES.memory, 'the model or its context does not fit in memory'],
  [EXIT_CODES.context, 'more tokens than the context holds'],
  [EXIT_CODES.device, 'the device was lost or failed'],
  [130, 'Ctrl-C (143: SIGTERM)'],
];

type ColorLevel = 0 | 1 | 2 | 3;
type Stream = Pick<WriteStream, 'write' | 'once' | 'isTTY' | 'getColorDepth'>;

export interface OutputOptions {
  readonly quiet?: boolean;
  readonly debug?: boolean;
  readonly noColor?: boolean;
  readonly ascii?: boolean;
  readonly stdout?: Stream;
  readonly stderr?: Stream;
  readonly env?: NodeJS.ProcessEnv;
}

export class Output {
  /** stdout is a terminal: text from a model must be cleaned before it is printed. */
  readonly interactive: boolean;
  /** stderr is a terminal that can redraw a line. */
  readonly progressBars: boolean;
  readonly style: ReturnType<typeof styles>;
  /** The user's choice: no colours, only ASCII glyphs. */
  readonly appearance: Pick<OutputOptions, 'noColor' | 'ascii'>;
  readonly #stdout: Stream;
  readonly #stderr: Stream;
  readonly #quiet: boolean;
  readonly #debug: boolean;
  readonly #errorStyle: ReturnType<typeof styles>;

  constructor(options: OutputOptions = {}) {
    const env = options.env ?? process.env;
    this.#stdout = options.stdout ?? process.stdout;
    this.#stderr = options.stderr ?? process.stderr;
    this.#quiet = options.quiet ?? false;
    this.#debug = options.debug ?? false;
    this.appearance = { noColor: options.noColor, ascii: options.ascii };
    this.interactive = this.#stdout.isTTY === true;
    this.progressBars = this.#stderr.isTTY === true && env.TERM !== 'dumb' && !env.CI;
    this.style = styles(colorLevel(this.#stdout, env, options.noColor));
    this.#errorStyle = styles(colorLevel(this.#stderr, env, options.noColor));
  }

  /** Writes data to stdout. Waits while the reader is slow. */
  async print(text: string): Promise<void> {
    if (!this.#stdout.write(text)) await once(this.#stdout as WriteStream, 'drain');
  }

  /** Writes one JSON value on its own line. Integers above 2^53 become strings. */
  async json(value: unknown): Promise<void> {
    const text = JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? String(item) : item));
    await this.print(`${text}\n`);
  }

  /** Writes columns as wide as their longest cell. The last one is not padded. */
  async table(rows: readonly (readonly string[])[]): Promise<void> {
    const columns = Math.max(0, ...rows.map((row) => row.length));
    const widths = Array.from({ length: columns }, (_, i) =>
      Math.max(...rows.map((row) => row[i]?.length ?? 0)),
    );
    const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  '));
    await this.print(lines.map((line) => `${line.trimEnd()}\n`).join(''));
  }

  /** Writes a line for the user to stderr, unless --quiet. */
  note(line: string): void {
    if (!this.#quiet) this.#stderr.write(`${line}\n`);
  }

  /** As `note`, only with --debug. */
  detail(line: string): void {
    if (this.#debug) this.note(this.#errorStyle.faint(line));
  }

  /** Replaces the current line of stderr. Only if `progressBars`. */
  status(line: string): void {
    if (!this.#quiet) this.#stderr.write(`\r\x1b[K${line}`);
  }

  /** Writes the message and the hint of an error, and its causes with --debug. */
  error(error: unknown): void {
    const style = this.#errorStyle;
    const [message, ...more] = describeError(error, { debug: this.#debug });
    this.#stderr.write(`${style.error('error:')} ${message}\n`);
    for (const line of more) this.#stderr.write(`${style.faint(line)}\n`);
  }

  /** Resolves when both streams are flushed, so that exiting loses nothing. */
  async drained(): Promise<void> {
    const flush = (stream: Stream) => new Promise<void>((resolve) => stream.write('', () => resolve()));
    await Promise.all([flush(this.#stdout), flush(this.#stderr)]);
  }
}

/** Colours by meaning. */
function styles(level: ColorLevel) {
  const chalk: ChalkInstance = new Chalk({ level });
  return { error: chalk.red.bold, heading: chalk.bold, faint: chalk.dim };
}

/** --no-color decides first, then FORCE_COLOR, then NO_COLOR, then the terminal. */
export function colorLevel(
  stream: Pick<Stream, 'isTTY' | 'getColorDepth'>,
  env: NodeJS.ProcessEnv,
  noColor = false,
): ColorLevel {
  if (noColor) return 0;
  const forced = env.FORCE_COLOR;
  if (forced === '0' || forced === 'false') return 0;
  if (forced !== undefined) return forced === '2' ? 2 : forced === '3' ? 3 : 1;
  if (env.NO_COLOR || !stream.isTTY || env.TERM === 'dumb') return 0;
  const bits = stream.getColorDepth(env as Record<string, string>);
  return bits >= 24 ? 3 : bits >= 8 ? 2 : bits >= 4 ? 1 : 0;
}

/** The error for a stdout that cannot be written, such as a file on a full disk. */
export function unwritable(cause: Error): UserError {
  const hint = 'Make room where stdout goes, or redirect it elsewhere.';
  return new UserError(`Writing to stdout failed: ${cause.message}.`, hint, { cause });
}

export function exitCodeOf(error: unknown): number {
  return EXIT_CODES[error instanceof UserError ? error.kind : 'error'];
}

/** The lines of an error: its message, its hint (indented), and with `debug` the chain of causes. */
export function describeError(error: unknown, { debug }: { debug: boolean }): [message: string, ...string[]] {
  const known = error instanceof UserError;
  const message = error instanceof Error ? error.message : String(error);
  const hint = known ? error.hint : 'This is a bug in percept: please report it with the output of --debug.';
  return [message, ...(hint ? [`  ${hint}`] : []), ...(debug ? causes(error) : [])];
}

function* causes(error: unknown): Generator<string> {
  if (error instanceof Error && error.stack) yield error.stack;
  for (let cause = (error as Error)?.cause; cause !== undefined; cause = (cause as Error)?.cause) {
    yield `caused by: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`;
  }
}
