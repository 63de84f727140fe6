/**
 * The last rows of a program's output, redrawn in place. Lines above go to the scrollback once and stay.
 *
 * It replaces Ink's own writer. A terminal that is resized moves and rewraps rows before the program learns of it (tmux:
 * up to a quarter of a second), and Ink then erases rows that are not its own. Two invariants hold across a resize:
 * - Rows are found from the cursor, which a terminal keeps at its character. The cursor waits in the first cell of the
 *   region, unless the user types there.
 * - Rows are cut at the edge, never wrapped. A frame made for another width has as many rows as lines.
 */

import { withCaret } from './caret.ts';
import { columnsOf } from './text/width.ts';

/** A cell, counted from the first of the frame. Fields may be getters: they are read when a frame is drawn. */
export interface Cell {
  readonly x: number;
  readonly y: number;
}

// Synchronized output (mode 2026), cursor (25) and wrapping at the edge (7).
const BEGIN = '\x1b[?2026h';
const END = '\x1b[?2026l';
const SHOW = '\x1b[?25h';
const HIDE = '\x1b[?25l';
const WRAP = '\x1b[?7h';
const CUT = '\x1b[?7l';

/** Erases from the start of a row to the end of the screen. The space is for tmux: from the corner it would keep a copy. */
const ERASE = ' \x1b[J\r\x1b[K';
const CLEAR = '\x1b[2J\x1b[H';

const CONTROL = /^(?:\x1b\[[?<>=]?[\d;]*[A-Za-z])+$/;

interface LiveRegionOptions {
  /** Escape sequence that erases the launcher's placeholder for the first frame. */
  readonly erase?: string;
  /** Whether the terminal rewraps rows when it becomes narrower. */
  readonly reflows?: boolean;
}

export class LiveRegion {
  /** For Ink in debug mode, in which it writes whole frames. Each event loop turn makes one write to the terminal. */
  readonly stdout: NodeJS.WriteStream;
  readonly #terminal: NodeJS.WriteStream;
  readonly #reflows: boolean;
  #controls: string;
  #above: string[] = []; // lines
  #frame: readonly string[] = [];
  #drawn: readonly string[] = []; // the part of it on the terminal
  #row = 0; // of the cursor, from the first drawn line
  #columns = 0; // of the terminal at the last frame
  #rows = 0;
  #caret: Cell | undefined;
  #drawsCaret = false;
  #shown: Cell | undefined; // of the visible cursor
  #callbacks: (() => void)[] = [];
  #scheduled = false;
  #state: 'drawing' | 'away' | 'ended' = 'drawing';

  constructor(terminal: NodeJS.WriteStream, { erase = '', reflows = false }: LiveRegionOptions = {}) {
    this.#terminal = terminal;
    this.#controls = erase;
    this.#reflows = reflows;
    const write = this.#receive.bind(this);
    this.stdout = new Proxy(terminal, {
      get(target, name) {
        if (name === 'write') return write;
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    process.once('exit', this.end);
  }

  /** Prints lines to the scrollback, with the next frame if there is one. They must not be wider than the terminal. */
  readonly print = (lines: readonly string[]): void => {
    this.#above.push(...lines);
    setImmediate(() => this.#flush());
  };

  /** Sets the lines of the frame; none leave no region. They must not be wider than the terminal. */
  readonly show = (lines: readonly string[]): void => {
    this.#frame = lines;
    this.#schedule();
  };

  /** Sets the cell where the user types; undefined if there is none. */
  readonly place = (caret: Cell | undefined): void => {
    this.#caret = caret;
  };

  /** Whether the caret is drawn. The cursor then waits in the first cell, where rewrapping cannot move it. */
  drawCaret(drawn: boolean): void {
    this.#drawsCaret = drawn;
  }

  /** Clears the screen and draws the frame at its top. */
  redraw(): void {
    this.#terminal.write(this.#erase() + CLEAR);
    this.#flush();
  }

  /** Erases the region, so that another program can use the terminal. */
  leave(): void {
    this.#flush();
    this.#terminal.write(this.#erase() + SHOW);
    this.#state = 'away';
  }

  /** After `leave`: the next frame is drawn at the cursor. */
  enter(): void {
    this.#state = 'drawing';
  }

  /** Leaves the last frame on the terminal, with the cursor below it. */
  readonly end = (): void => {
    if (this.#state === 'ended') return;
    process.off('exit', this.end);
    this.#flush();
    const rest = this.#drawn.length - 1 - this.#row;
    this.#terminal.write((this.#drawn.length > 0 ? down(rest + 1) : '') + SHOW);
    this.#state = 'ended';
  };

  /** The `write` of a stream. A chunk is a frame, control sequences, or empty with a callback. */
  #receive(chunk: string | Uint8Array, encoding?: unknown, callback?: () => void): boolean {
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    const done = typeof encoding === 'function' ? (encoding as () => void) : callback;
    if (done) this.#callbacks.push(done);
    if (CONTROL.test(text)) this.#controls += text;
    else if (text !== '') this.#frame = text.split('\n');
    if (this.#state === 'ended') this.#flush();
    else this.#schedule();
    return true;
  }

  #schedule(): void {
    if (!this.#scheduled) process.nextTick(() => this.#flush());
    this.#scheduled = true;
  }

  #flush(): void {
    this.#scheduled = false;
    const text = this.#controls + (this.#state === 'drawing' ? this.#update() : '');
    const callbacks = this.#callbacks;
    this.#controls = '';
    this.#callbacks = [];
    if (text === '' && callbacks.length === 0) return;
    this.#terminal.write(text, () => {
      for (const callback of callbacks) callback();
    });
  }

  /** Bytes that bring the terminal up to date; empty if it is. */
  #update(): string {
    const { columns, rows } = this.#terminal;
    const cut = Math.max(0, this.#frame.length - rows);
    const caret = this.#caret && { x: this.#caret.x, y: this.#caret.y - cut };
    const shown = this.#drawsCaret ? undefined : caret;
    const lines = this.#frame.slice(cut);
    if (caret && !shown) lines[caret.y] = withCaret(lines[caret.y] ?? '', caret.x);
    const resized = columns !== this.#columns || rows !== this.#rows;
    const redraws = resized || this.#above.length > 0 || this.#drawn.length === 0 || lines.length === 0;
    const change = redraws ? this.#redrawn(lines) : differences(this.#drawn, lines);
    if (change === '' && shown?.x === this.#shown?.x && shown?.y === this.#shown?.y) return '';
    const last = Math.max(0, lines.length - 1);
    const rest = shown ?? { x: 0, y: 0 };
    const place = `${up(last - rest.y)}\x1b[${rest.x + 1}G${shown ? SHOW : ''}`;
    const text = `${BEGIN}${HIDE}${up(this.#rowsAbove())}\r${CUT}${change || down(last)}${WRAP}${place}${END}`;
    this.#drawn = lines;
    this.#row = rest.y;
    this.#columns = columns;
    this.#rows = rows;
    this.#shown = shown;
    this.#above = [];
    return text;
  }

  #redrawn(lines: readonly string[]): string {
    const erase = this.#drawn.length > 0 ? ERASE : '';
    const above = this.#above.map((line) => `${line}\r\n`).join('');
    return `${erase}${above && WRAP + above + CUT}${lines.join('\r\n')}`;
  }

  /** Rows of the region above the cursor. If unsure, too few: erasing too many would lose lines of the scrollback. */
  #rowsAbove(): number {
    const { columns } = this.#terminal;
    if (!this.#reflows || columns >= this.#columns) return this.#row;
    const above = this.#drawn.slice(0, this.#row);
    return above.reduce((sum, line) => sum + Math.max(1, Math.ceil(columnsOf(line) / columns)), 0);
  }

  /** Bytes that erase the region. */
  #erase(): string {
    const erase = this.#drawn.length > 0 ? `${up(this.#rowsAbove())}\r${ERASE}` : '';
    this.#drawn = [];
    this.#row = 0;
    this.#shown = undefined;
    return erase;
  }
}

/** Bytes that turn the drawn lines `before` into `after`, moving from the first line to the last; empty if equal. */
function differences(before: readonly string[], after: readonly string[]): string {
  let text = '';
  let row = 0;
  const go = (to: number) => {
    text += down(to - row);
    row = to;
  };
  for (const [i, line] of after.entries()) {
    if (line === before[i]) continue;
    go(i);
    text += `\r\x1b[K${line}`;
  }
  if (text === '' && after.length === before.length) return '';
  go(after.length - 1);
  return after.length < before.length ? `${text}${down(1)}\x1b[J${up(1)}` : text;
}

function up(rows: number): string {
  return rows > 0 ? `\x1b[${rows}A` : '';
}

/** Moves down by line feeds: a terminal that lost rows below the cursor then adds new ones. */
function down(rows: number): string {
  return '\r\n'.repeat(Math.max(0, rows));
}
