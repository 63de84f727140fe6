/** Progress on stderr: a bar that is redrawn on a terminal, an occasional line elsewhere, nothing with --quiet. */
import type { Output } from '../output.ts';
import { lookOf } from '../terminal/look.ts';
import { type Theme, themeOf } from '../terminal/theme.ts';
import type { barLine } from './bar.ts';
import { endLine, type Progress, plainLine } from './line.ts';
import { PiecePace, StreamPace } from './pace.ts';

export type { Progress } from './line.ts';

const REDRAW_MS = 100;
/** For work in pieces: redraw rarely, because the pieces may be measurements. */
const REDRAW_PIECES_MS = 1000;
const LINE_MS = 10_000;
const LINE_SHARE = 0.1;
const SLOW_MS = 400;
const DEFAULT_COLUMNS = 80;
/** Cells left empty: a terminal may wrap after its last cell, and it echoes Ctrl-C as ^C at the cursor. */
const ECHO_CELLS = 3;

interface DisplayOptions {
  /** Show a bar only after 0.4 s, lines only after 10 s. */
  readonly onlyIfSlow?: boolean;
  readonly theme?: Theme; // default: that of stderr
  readonly columns?: () => number; // of the terminal
  /** Default: imported when the first bar is drawn, because the code that measures text loads slowly. */
  readonly barLine?: typeof barLine;
}

export class ProgressDisplay {
  readonly #output: Output;
  readonly #theme: Theme;
  readonly #columns: () => number;
  readonly #delay: number; // ms
  #barLine: typeof barLine | 'loading' | undefined;
  #shownFrom: number | undefined; // ms by performance.now(), like all times here
  #current: Current | undefined;
  #drawn = ''; // the bar on the screen
  #drawnAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(output: Output, display: DisplayOptions = {}) {
    this.#output = output;
    this.#theme = display.theme ?? themeOf(lookOf(process.stderr, output.appearance));
    this.#columns = display.columns ?? (() => process.stderr.columns || DEFAULT_COLUMNS);
    this.#barLine = display.barLine;
    this.#delay = display.onlyIfSlow ? (output.progressBars ? SLOW_MS : LINE_MS) : 0;
  }

  /** Shows the present progress. Another activity, subject or unit, or less done than before, starts new work. */
  show(progress: Progress): void {
    if (this.#ended) return;
    const now = performance.now();
    this.#shownFrom ??= now + this.#delay;
    if (this.#current?.isContinuedBy(progress)) {
      this.#current.record(progress, now);
    } else {
      this.#current = new Current(progress, now);
      this.#drawnAt = Number.NEGATIVE_INFINITY;
      this.#startTimer(progress);
    }
    this.#refresh();
  }

  /** Erases the bar while `write` writes other lines. */
  aside(write: () => void): void {
    this.#erase();
    write();
    this.#drawnAt = Number.NEGATIVE_INFINITY;
    this.#refresh();
  }

  /** Runs the work, then erases the bar, also if the work fails. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      if (this.#current?.line) this.#output.note(this.#current.lastLine());
      return result;
    } finally {
      this.end();
    }
  }

  /** Erases the bar and shows nothing more. */
  end(): void {
    this.#ended = true;
    clearInterval(this.#timer);
    this.#erase();
  }

  #startTimer({ unit }: Progress): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(
      () => this.#refresh(),
      unit === 'pieces' ? REDRAW_PIECES_MS : REDRAW_MS,
    ).unref();
  }

  #refresh(): void {
    const now = performance.now();
    if (this.#ended || !this.#current || now < this.#shownFrom!) return;
    if (!this.#output.progressBars) {
      if (this.#current.isLineDue(now)) this.#output.note(this.#current.nextLine(now));
    } else if (now - this.#drawnAt >= REDRAW_MS) this.#draw(this.#current, now);
  }

  #draw(current: Current, now: number): void {
    this.#barLine ??= this.#loadBarLine();
    if (this.#barLine === 'loading') return;
    const line = this.#barLine(
      current.progress,
      current.rate(now),
      this.#theme,
      this.#columns() - ECHO_CELLS,
    );
    if (line === this.#drawn) return;
    this.#output.status(line);
    this.#drawn = line;
    this.#drawnAt = now;
  }

  #loadBarLine(): 'loading' {
    void import('./bar.ts').then(({ barLine }) => {
      this.#barLine = barLine;
      this.#refresh();
    });
    return 'loading';
  }

  #erase(): void {
    if (this.#drawn !== '') this.#output.status('');
    this.#drawn = '';
  }
}

/** The current work: its pace, and the last line written about it. */
class Current {
  readonly #pace: StreamPace | PiecePace;
  readonly #first: number; // units done at its start
  readonly #begun: number; // ms
  #progress: Progress;
  #line: { readonly at: number; readonly done: number; readonly stalled: boolean } | undefined;

  constructor(progress: Progress, now: number) {
    const start = { at: now, done: progress.done ?? 0 };
    this.#pace = progress.unit === 'pieces' ? new PiecePace(start) : new StreamPace(start);
    this.#first = start.done;
    this.#begun = now;
    this.#progress = progress;
  }

  get progress(): Progress {
    return this.#progress;
  }

  /** Whether a line was written. */
  get line(): boolean {
    return this.#line !== undefined;
  }

  isContinuedBy({ activity, subject, unit, done = 0 }: Progress): boolean {
    const { progress } = this;
    const isSame = activity === progress.activity && subject === progress.subject && unit === progress.unit;
    return isSame && done >= (progress.done ?? 0);
  }

  record(progress: Progress, now: number): void {
    this.#progress = progress;
    this.#pace.record({ at: now, done: progress.done ?? 0 });
  }

  rate(now: number) {
    const { done, total } = this.#progress;
    if (done === undefined) return {};
    return {
      speed: this.#pace.speed(now),
      left: total === undefined ? undefined : this.#pace.left(total, now),
    };
  }

  /** The first line is due at once; a later one after enough time and enough work, or when the work stalls. */
  isLineDue(now: number): boolean {
    const { done, total = 0 } = this.#progress;
    if (!this.#line) return true;
    if (done === undefined || done === total || now - this.#line.at < LINE_MS) return false;
    if (this.#pace.speed(now) === 0) return !this.#line.stalled;
    return done > this.#line.done && done - this.#line.done >= LINE_SHARE * total;
  }

  nextLine(now: number): string {
    const rate = this.rate(now);
    this.#line = { at: now, done: this.#progress.done ?? 0, stalled: rate.speed === 0 };
    return plainLine(this.#progress, rate);
  }

  lastLine(): string {
    const { done = 0 } = this.#progress;
    return endLine(this.#progress, done - this.#first, (performance.now() - this.#begun) / 1000);
  }
}

/** Progress of a known number of pieces of work, one after the other. */
export class CountedProgress {
  readonly #display: ProgressDisplay;
  readonly #activity: string;
  readonly #total: number;
  #begun = 0;

  constructor(output: Output, activity: string, total: number, display: DisplayOptions = {}) {
    this.#display = new ProgressDisplay(output, display);
    this.#activity = activity;
    this.#total = total;
  }

  /** Runs the work, then erases the bar, also if the work fails. */
  during<T>(work: () => Promise<T>): Promise<T> {
    return this.#display.during(async () => {
      const result = await work();
      this.#show(this.#begun);
      return result;
    });
  }

  /** Starts the next piece, which ends the one before. */
  next(detail: string): void {
    this.#show(this.#begun++, detail);
  }

  /** Erases the bar while `write` writes other lines. */
  aside(write: () => void): void {
    this.#display.aside(write);
  }

  #show(done: number, detail?: string): void {
    this.#display.show({ activity: this.#activity, unit: 'pieces', done, total: this.#total, detail });
  }
}
