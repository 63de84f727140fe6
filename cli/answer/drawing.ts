/** Draws one answer as Markdown at the end of a terminal's scrollback. Final lines are printed once, the others redrawn. */
import { framePace, Pacer } from '../chat/pacer.ts';
import type { Output } from '../output.ts';
import { isInForeground } from '../processes.ts';
import { LiveRegion } from '../terminal/live-region.ts';
import { hyperlinks, lookOf, reflows } from '../terminal/look.ts';
import { suspendProcess } from '../terminal/suspend-process.ts';
import { MarkdownStream } from '../terminal/text/stream.ts';
import { themeOf } from '../terminal/theme.ts';

export interface AnswerDrawingOptions {
  readonly output: Output;
  readonly terminal: NodeJS.WriteStream;
  /** Escape sequence that erases what the caller has already shown. */
  readonly erase: string;
}

const LEAST_COLUMNS = 10;

/** Erases the row of the cursor: Ctrl-C is echoed as ^C there. */
const ERASE_ROW = '\x1b[G\x1b[K';

export class AnswerDrawing {
  readonly #output: Output;
  readonly #terminal: NodeJS.WriteStream;
  readonly #region: LiveRegion;
  readonly #stream: MarkdownStream;
  readonly #pacer = new Pacer(framePace());
  #collected = ''; // text that is not laid out
  #shown = false; // something was drawn
  /** `hidden`: the shell has the terminal. */
  #state: 'drawing' | 'suspended' | 'hidden' = 'drawing';

  constructor({ output, terminal, erase }: AnswerDrawingOptions) {
    this.#output = output;
    this.#terminal = terminal;
    this.#region = new LiveRegion(terminal, { erase, reflows: reflows(process.env) });
    const theme = themeOf(lookOf(terminal, output.appearance));
    this.#stream = new MarkdownStream({
      columns: this.#columns,
      theme,
      hyperlinks: hyperlinks(process.env),
    });
    if (output.progressBars) output.beside = (write) => this.#beside(write); // stderr is the same terminal
    terminal.on('resize', this.#resize);
    process.on('SIGTSTP', this.#suspend);
  }

  /** The first text is drawn at once, later text with the next frame. */
  push(text: string): void {
    this.#collected += text;
    if (!this.#shown) this.#draw();
    else this.#pacer.soon(this.#draw);
  }

  /** Prints the remaining lines. The cursor is below them, in the first column. */
  end(): void {
    this.#pacer.cancel(this.#draw);
    this.#terminal.off('resize', this.#resize);
    process.off('SIGTSTP', this.#suspend);
    this.#output.beside = (write) => write();
    const isCovered = this.#state === 'hidden' && !isInForeground();
    if (this.#state !== 'drawing') this.#region.enter();
    const lines = [...this.#layOut(), ...this.#stream.end()];
    if (lines.length > 0 || !this.#shown) this.#region.print(lines.length > 0 ? lines : ['']);
    if (isCovered)
      this.#terminal.write('\n'); // the row of the cursor is the shell's
    else this.#region.stdout.write(ERASE_ROW);
    this.#region.show([]);
    this.#region.leave();
    this.#region.end();
  }

  /** The last column stays free. */
  get #columns(): number {
    return Math.max(LEAST_COLUMNS, this.#terminal.columns - 1);
  }

  readonly #draw = (): void => {
    if (this.#state === 'suspended' || (this.#state === 'hidden' && !isInForeground())) return;
    if (this.#state === 'hidden') this.#region.enter();
    this.#state = 'drawing';
    const lines = this.#layOut();
    if (lines.length > 0) this.#region.print(lines);
    const live = this.#stream.live();
    this.#shown ||= live.length > 0;
    this.#region.show(live);
  };

  /** Lays out the collected text. Returns the lines that are now final. */
  #layOut(): string[] {
    const lines = this.#stream.push(this.#collected);
    this.#collected = '';
    this.#shown ||= lines.length > 0;
    return lines;
  }

  readonly #resize = (): void => {
    this.#stream.resize(this.#columns);
    this.#pacer.soon(this.#draw);
  };

  /** Ctrl-Z. The shell gets a clean row; `fg` draws the open lines again, `bg` leaves them for the end. */
  readonly #suspend = async (): Promise<void> => {
    if (this.#state !== 'drawing') return;
    this.#state = 'suspended';
    this.#region.leave();
    await suspendProcess();
    this.#state = 'hidden';
    this.#draw();
  };

  #beside(write: () => void): void {
    const draws = this.#state === 'drawing';
    if (draws) this.#region.leave();
    write();
    if (!draws) return;
    this.#region.enter();
    this.#pacer.soon(this.#draw);
  }
}
