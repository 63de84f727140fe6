/** A terminal in memory: Ink's output goes through xterm's own parser, so erasing, scrolling and wide cells count. */
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import xterm from '@xterm/headless';

const BEGIN_FRAME = '\x1b[?2026h';

export class FakeTerminal extends EventEmitter {
  readonly isTTY = true;
  columns: number;
  rows: number;
  /** The raw writes. */
  readonly writes: string[] = [];
  readonly stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: () => this.stdin,
    ref: () => this.stdin,
    unref: () => this.stdin,
  });
  readonly #screen: InstanceType<typeof xterm.Terminal>;

  constructor(columns = 80, rows = 24) {
    super();
    this.columns = columns;
    this.rows = rows;
    const options = { cols: columns, rows, scrollback: 10_000, allowProposedApi: true, convertEol: true };
    this.#screen = new xterm.Terminal(options);
  }

  /** write() of a stream; Ink waits for the callback. */
  write(data: string | Uint8Array, encoding?: unknown, done?: () => void): boolean {
    const text = typeof data === 'string' ? data : Buffer.from(data).toString();
    this.writes.push(text);
    this.#screen.write(text, typeof encoding === 'function' ? (encoding as () => void) : done);
    return true;
  }

  getColorDepth(): number {
    return 24;
  }

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    this.#screen.resize(columns, rows);
    this.emit('resize');
  }

  /** Sends keys as a terminal in raw mode does. */
  type(text: string): void {
    this.stdin.write(text);
  }

  get bytes(): number {
    return this.writes.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  }

  get frames(): number {
    return this.writes.filter((text) => text.includes(BEGIN_FRAME)).length;
  }

  /** Waits until it shows all that was written. */
  settled(): Promise<void> {
    return new Promise((resolve) => this.#screen.write('', resolve));
  }

  /** All lines, including scrolled-away ones, up to the last one that is not empty. */
  async lines(): Promise<string[]> {
    await this.settled();
    const { active } = this.#screen.buffer;
    const lines = Array.from({ length: active.length }, (_, i) => active.getLine(i)!.translateToString(true));
    return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
  }

  /** The same lines as written: rows wrapped by the terminal are joined. */
  async unwrapped(): Promise<string[]> {
    const rows = await this.lines();
    const { active } = this.#screen.buffer;
    const lines: string[] = [];
    for (const [i, row] of rows.entries()) {
      if (active.getLine(i)!.isWrapped) lines.push(`${lines.pop()}${row}`);
      else lines.push(row);
    }
    return lines;
  }

  get cursor(): { x: number; y: number } {
    const { active } = this.#screen.buffer;
    return { x: active.cursorX, y: active.cursorY };
  }
}
