/**
 * The two streams and the exit code: data goes to stdout, everything else to stderr. Text may come from outside, such as
 * names in a model file. Here its control characters become visible: on a terminal, and on stderr, which people read.
 */
import { once } from 'node:events';
import type { WriteStream } from 'node:tty';
import { type ErrorKind, UserError } from '../errors.ts';
import { limitHint, systemError } from './system-errors.ts';
import { terminalJson, terminalText } from './terminal/terminal-text.ts';

export const EXIT_CODES = {
  error: 1,
  usage: 2,
  'model-not-found': 3,
  network: 4,
  memory: 5,
  context: 6,
  device: 7,
  'no-code': 8,
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
  [EXIT_CODES['no-code'], 'the answer has no whole code block (--extract)'],
  [130, 'Ctrl-C (143: SIGTERM)'],
];

type ColorLevel = 0 | 1 | 2 | 3;
type Stream = Pick<WriteStream, 'write' | 'once' | 'isTTY' | 'getColorDepth'> & { readonly columns?: number };

export interface OutputOptions {
  readonly quiet?: boolean;
  readonly debug?: boolean;
  readonly noColor?: boolean;
  readonly ascii?: boolean;
  /** stdout has one JSON value, or one on each line; errors are JSON there, too. */
  readonly json?: boolean;
  readonly jsonl?: boolean;
  readonly stdout?: Stream;
  readonly stderr?: Stream;
  readonly env?: NodeJS.ProcessEnv;
}

export class Output {
  /** stdout is a terminal. */
  readonly interactive: boolean;
  /** stderr is a terminal that can redraw a line. */
  readonly progressBars: boolean;
  readonly style: ReturnType<typeof styles>;
  /** The user's choice: no colours, only ASCII glyphs. */
  readonly appearance: Pick<OutputOptions, 'noColor' | 'ascii'>;
  /** Surrounds every line on stderr, so that who draws on the same terminal can make room. */
  beside: (write: () => void) => void = (write) => write();
  readonly #stdout: Stream;
  readonly #stderr: Stream;
  readonly #quiet: boolean;
  readonly #debug: boolean;
  readonly #format: 'text' | 'json' | 'jsonl';
  readonly #errorStyle: ReturnType<typeof styles>;
  #printedJson = false;

  constructor(options: OutputOptions = {}) {
    const env = options.env ?? process.env;
    this.#stdout = options.stdout ?? process.stdout;
    this.#stderr = options.stderr ?? process.stderr;
    this.#quiet = options.quiet ?? false;
    this.#debug = options.debug ?? false;
    this.#format = options.jsonl ? 'jsonl' : options.json ? 'json' : 'text';
    this.appearance = { noColor: options.noColor, ascii: options.ascii };
    this.interactive = this.#stdout.isTTY === true;
    this.progressBars = this.#stderr.isTTY === true && env.TERM !== 'dumb' && !env.CI;
    this.style = styles(colorLevel(this.#stdout, env, options.noColor));
    this.#errorStyle = styles(colorLevel(this.#stderr, env, options.noColor));
  }

  /** Writes data to stdout. Waits while the reader is slow. */
  async print(text: string): Promise<void> {
    await this.control((this.interactive ? terminalText(text) : text).replaceAll(STYLE_KEY, '\x1b['));
  }

  /** Writes control sequences of the program itself to stdout. */
  async control(sequences: string): Promise<void> {
    if (!this.#stdout.write(sequences)) await once(this.#stdout as WriteStream, 'drain');
  }

  /** Writes bytes as they are. Throws UserError for a terminal, which would take them for text. */
  async bytes(bytes: Uint8Array): Promise<void> {
    if (this.interactive) {
      throw new UserError('Raw bytes are not for a terminal.', 'Send them to a file: > FILE', {
        kind: 'usage',
      });
    }
    if (!this.#stdout.write(bytes)) await once(this.#stdout as WriteStream, 'drain');
  }

  /** Writes one JSON value on its own line. Integers above 2^53 become strings. */
  async json(value: unknown): Promise<void> {
    const text = JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? String(item) : item));
    this.#printedJson = true;
    await this.print(`${terminalJson(text)}\n`);
  }

  /**
   * Writes columns as wide as their longest cell. The last one is not padded. Cells are one line each; on a terminal that
   * is too narrow they are wrapped.
   */
  async table(cells: readonly (readonly string[])[]): Promise<void> {
    const rows = cells.map((row) => row.map((cell) => cell.replaceAll('\n', '\u240a').replaceAll('\t', ' ')));
    const count = Math.max(0, ...rows.map((row) => row.length));
    const widths = Array.from({ length: count }, (_, i) =>
      Math.max(...rows.map((row) => row[i]?.length ?? 0)),
    );
    let lines = rows.map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    );
    const { columns } = this.#stdout;
    if (this.interactive && columns && lines.some((line) => line.length > columns || /[^ -~]/.test(line))) {
      const { columnLines } = await import('./terminal/text/columns.ts');
      lines = columnLines(rows, columns);
    }
    await this.print(lines.map((line) => `${line}\n`).join(''));
  }

  /** Writes a line for the user to stderr, unless --quiet. */
  note(line: string): void {
    if (!this.#quiet) this.#writeLine(line);
  }

  /** As `note`, only with --debug. */
  detail(line: string): void {
    if (this.#debug) this.note(this.#errorStyle.faint(line));
  }

  /** Replaces the current line of stderr. Only if `progressBars`. The line is a drawing: its text is clean. */
  status(line: string): void {
    if (!this.#quiet) this.#stderr.write(`\r\x1b[K${line}`);
  }

  /**
   * Writes the message and the hint of an error to stderr, and its causes with --debug. For scripts also as JSON to
   * stdout, unless the one value of --json is there already.
   */
  async error(error: unknown): Promise<void> {
    const style = this.#errorStyle;
    const [message, ...more] = describeError(error, { debug: this.#debug });
    this.#writeLine(`${style.error('error:')} ${message}`);
    for (const line of more) this.#writeLine(style.faint(line));
    if (this.#format === 'jsonl') await this.json({ type: 'error', error: errorJson(error) });
    if (this.#format === 'json' && !this.#printedJson) await this.json({ error: errorJson(error) });
  }

  #writeLine(line: string): void {
    const text = `${terminalText(line).replaceAll(STYLE_KEY, '\x1b[')}\n`;
    this.beside(() => this.#stderr.write(text));
  }

  /** Resolves when both streams are flushed, so that exiting loses nothing. */
  async drained(): Promise<void> {
    const flush = (stream: Stream) => new Promise<void>((resolve) => stream.write('', () => resolve()));
    await Promise.all([flush(this.#stdout), flush(this.#stderr)]);
  }
}

/** Stands for the start of a control sequence in styled text. Random, so that no text from outside contains it. */
const STYLE_KEY = `<${Math.random()}>`;

/** Colours by meaning. */
function styles(level: ColorLevel) {
  const style = (code: string) => (text: string) =>
    level === 0 || text === '' ? text : `${STYLE_KEY}${code}m${text}${STYLE_KEY}0m`;
  return { error: style('1;31'), heading: style('1'), faint: style('2') };
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
  return EXIT_CODES[known(error).kind];
}

/** The lines of an error: its message, its hint (indented), and with `debug` the chain of causes. */
export function describeError(error: unknown, { debug }: { debug: boolean }): [message: string, ...string[]] {
  const { message, hint } = known(error);
  return [message, ...(hint ? [`  ${hint}`] : []), ...(debug ? causes(error) : [])];
}

/** An error as scripts read it. */
function errorJson(error: unknown) {
  const { message, hint, kind } = known(error);
  return { message, hint, kind, exit_code: EXIT_CODES[kind] };
}

/** The error for the user: in its own words, or in those for errors of the system. All others are bugs. */
function known(error: unknown): Pick<UserError, 'message' | 'hint' | 'kind'> {
  const own = error instanceof UserError ? error : systemError(error);
  if (own) return { message: own.message, hint: limitHint(own.cause) ?? own.hint, kind: own.kind };
  const message = error instanceof Error ? error.message : String(error);
  const hint = 'This is a bug in percept: please report it with the output of --debug.';
  return { message, hint, kind: 'error' };
}

function* causes(error: unknown): Generator<string> {
  if (error instanceof Error && error.stack) yield error.stack;
  for (let cause = (error as Error)?.cause; cause !== undefined; cause = (cause as Error)?.cause) {
    yield `caused by: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`;
  }
}
