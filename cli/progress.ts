/** Progress on stderr: a bar redrawn in place where a person watches, else a line now and then; with --quiet nothing. */
import type { Call } from './commands.ts';
import type { Output } from './output.ts';
import { PiecePace, StreamPace } from './pace.ts';
import type { barLine } from './progress-bar.ts';
import { endLine, type Progress, plainLine } from './progress-line.ts';
import { lookOf } from './terminal/look.ts';
import { type Theme, themeOf } from './terminal/theme.ts';

export type { Progress } from './progress-line.ts';

const REDRAW_MS = 100;
/** Between pieces of work a machine may be measured: it is left alone as long as possible. */
const REDRAW_PIECES_MS = 1000;
const LINE_MS = 10_000;
const LINE_SHARE = 0.1;
const SLOW_MS = 400;
const DEFAULT_COLUMNS = 80;
/** Stay empty: a terminal may wrap what is written to the last, and answers Ctrl-C with ^C where the cursor is. */
const ECHO_CELLS = 3;

interface DisplayOptions {
  /** Only work that lasts is shown: by a bar after 0.4 s, by lines after 10 s. */
  readonly onlyIfSlow?: boolean;
  readonly theme?: Theme; // default: as the terminal behind stderr can show
  readonly columns?: () => number; // of that terminal
  /** Default: loaded when the first is drawn, because measuring text takes time to load. */
  readonly barLine?: typeof barLine;
}

export class ProgressDisplay {
  readonly #output: Output;
  readonly #theme: Theme;
  readonly #columns: () => number;
  readonly #delay: number; // ms
  #barLine: typeof barLine | 'loading' | undefined;
  #shownFrom: number | undefined; // ms, as all that follow: performance.now()
  #current: Current | undefined;
  #drawn = ''; // the bar that stands on the screen
  #drawnAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor({ output, options }: Pick<Call, 'output' | 'options'>, display: DisplayOptions = {}) {
    this.#output = output;
    this.#theme = display.theme ?? themeOf(lookOf(process.stderr, options));
    this.#columns = display.columns ?? (() => process.stderr.columns || DEFAULT_COLUMNS);
    this.#barLine = display.barLine;
    this.#delay = display.onlyIfSlow ? (output.progressBars ? SLOW_MS : LINE_MS) : 0;
  }

  /** How far it is now. With another activity, subject or unit, or with less done than before, something new begins. */
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

  /** Runs `write`, which writes lines of another kind, with the bar out of the way. */
  aside(write: () => void): void {
    this.#erase();
    write();
    this.#drawnAt = Number.NEGATIVE_INFINITY;
    this.#refresh();
  }

  /** Runs the work that is shown. Afterwards the bar is gone, whatever came of it. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      if (this.#current?.line) this.#output.note(this.#current.lastLine());
      return result;
    } finally {
      this.end();
    }
  }

  /** Takes the bar away; nothing is shown any more. */
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
    void import('./progress-bar.ts').then(({ barLine }) => {
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

/** What is going on, since when, and what a log has been told of it. */
class Current {
  readonly #pace: StreamPace | PiecePace;
  readonly #first: number; // units done when it began
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

  /** The first at once, then when both some time has passed and some part is done, or when it stalls. */
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

/** Pieces of work one after the other, of which there are so many. */
export class CountedProgress {
  readonly #display: ProgressDisplay;
  readonly #activity: string;
  readonly #total: number;
  #begun = 0;

  constructor(
    call: Pick<Call, 'output' | 'options'>,
    activity: string,
    total: number,
    display: DisplayOptions = {},
  ) {
    this.#display = new ProgressDisplay(call, display);
    this.#activity = activity;
    this.#total = total;
  }

  /** Runs the work that is shown. Afterwards the bar is gone, whatever came of it. */
  during<T>(work: () => Promise<T>): Promise<T> {
    return this.#display.during(async () => {
      const result = await work();
      this.#show(this.#begun);
      return result;
    });
  }

  /** The next piece begins, which ends the one before. */
  next(detail: string): void {
    this.#show(this.#begun++, detail);
  }

  /** Runs `write`, which writes lines of another kind, with the bar out of the way. */
  aside(write: () => void): void {
    this.#display.aside(write);
  }

  #show(done: number, detail?: string): void {
    this.#display.show({ activity: this.#activity, unit: 'pieces', done, total: this.#total, detail });
  }
}
