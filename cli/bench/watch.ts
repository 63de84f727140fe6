import type { Observer } from '../../bench/events.ts';
import type { Machine } from '../../bench/machine.ts';
import type { Options } from '../arguments/options.ts';
import type { Context } from '../command.ts';
import type { Output } from '../output.ts';
import { CountedProgress } from '../progress/progress.ts';
import { lookOf } from '../terminal/look.ts';
import { themeOf } from '../terminal/theme.ts';
import type { BenchScreen } from '../tui/bench/start.tsx';
import { formatOf } from './rows.ts';
import { afterEvent, type BenchState } from './state.ts';

/**
 * Folds the events of a bench into its state and shows the progress: on a screen, or as a bar or lines on stderr. Other
 * lines are held back until the screen has ended.
 */
export class BenchWatch {
  readonly #options: Options;
  readonly #context: Context;
  readonly #machine: Machine;
  readonly #progress: CountedProgress;
  readonly #isLive: boolean;
  readonly #asides: (() => void)[] = [];
  #screen: BenchScreen | undefined;
  #state: BenchState;

  constructor(options: Options, context: Context, machine: Machine, state: BenchState) {
    this.#options = options;
    this.#context = context;
    this.#machine = machine;
    this.#progress = new CountedProgress(context.output, 'measuring', state.progress.total);
    this.#isLive = wantsScreen(options, context.output);
    this.#state = state;
  }

  get state(): BenchState {
    return this.#state;
  }

  readonly observer: Observer = (event) => {
    const before = this.#state.progress.begun;
    this.#state = afterEvent(this.#state, event);
    const { progress, doing } = this.#state;
    if (!this.#isLive && progress.begun > before) this.#progress.next(doing);
    this.#screen?.show(this.#state);
  };

  /** Whether the screen or the report draws the progress inside a run. */
  get wantsMarks(): boolean {
    return this.#isLive || this.#options.report !== undefined;
  }

  aside(write: () => void): void {
    if (this.#screen) this.#asides.push(write);
    else this.#progress.aside(write);
  }

  /** Runs the work. Returns true if the user stopped it; the measurements so far count. */
  async during(work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    const { abortable, output } = this.#context;
    return abortable(async (signal) => {
      const working = () => untilAborted(signal, work);
      try {
        await (this.#isLive ? this.#onScreen(working) : this.#progress.during(working));
        return false;
      } catch (error) {
        if (!signal.aborted) throw error;
        const { begun, total } = this.#state.progress;
        output.note(`stopped at ${begun} of ${total}`);
        return true;
      }
    });
  }

  async #onScreen(working: () => Promise<void>): Promise<void> {
    const { startBenchScreen } = await import('../tui/bench/start.tsx');
    this.#screen = startBenchScreen({
      state: this.#state,
      machine: this.#machine,
      theme: themeOf(lookOf(process.stdout, this.#context.output.appearance)),
      onStop: () => process.emit('SIGINT', 'SIGINT'), // as if the terminal turned Ctrl-C into a signal
    });
    try {
      await working();
    } finally {
      await this.#screen.end();
      this.#screen = undefined;
      for (const write of this.#asides) write();
    }
  }
}

/** Rejects as the work does, or when the signal aborts: the work's step may take long. */
async function untilAborted(
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const working = work(signal);
  working.catch(() => {}); // not awaited after an abort
  await Promise.race([working, aborted(signal)]);
}

/** Rejects when the signal aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Both streams are terminals, the format is a table, and the user can use a moving screen. */
function wantsScreen(options: Options, output: Output): boolean {
  const { quiet } = options;
  const { screenReader = process.env.INK_SCREEN_READER === 'true' } = options;
  const isTable = formatOf(options) === 'md';
  return output.interactive && output.progressBars && isTable && !quiet && !screenReader;
}
