import type { Observer } from '../../bench/events.ts';
import type { Machine } from '../../bench/machine.ts';
import type { Call } from '../commands.ts';
import { CountedProgress } from '../progress.ts';
import { lookOf } from '../terminal/look.ts';
import { themeOf } from '../terminal/theme.ts';
import type { BenchScreen } from '../tui/bench/start.tsx';
import { formatOf } from './rows.ts';
import { afterEvent, type BenchState } from './state.ts';

/**
 * Folds the events of a bench and shows its progress: on a screen of its own, or as a bar or lines on stderr. Lines of
 * another kind are held back until the screen is gone.
 */
export class BenchWatch {
  readonly #call: Call;
  readonly #machine: Machine;
  readonly #progress: CountedProgress;
  readonly #isLive: boolean;
  readonly #asides: (() => void)[] = [];
  #screen: BenchScreen | undefined;
  #state: BenchState;

  constructor(call: Call, machine: Machine, state: BenchState) {
    this.#call = call;
    this.#machine = machine;
    this.#progress = new CountedProgress(call, 'measuring', state.progress.total);
    this.#isLive = wantsScreen(call);
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

  /** Whether progress inside a run is drawn, by the screen or the report. */
  get wantsMarks(): boolean {
    return this.#isLive || this.#call.options.report !== undefined;
  }

  aside(write: () => void): void {
    if (this.#screen) this.#asides.push(write);
    else this.#progress.aside(write);
  }

  /** Runs the work. True where the user stopped it on the screen: the rows so far count. */
  async during(work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    const { abortable } = this.#call;
    if (!this.#isLive) {
      await this.#progress.during(() => abortable(work));
      return false;
    }
    return abortable((signal) => this.#onScreen(signal, work));
  }

  async #onScreen(signal: AbortSignal, work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    const { startBenchScreen } = await import('../tui/bench/start.tsx');
    const { noColor, ascii } = this.#call.options;
    this.#screen = startBenchScreen({
      state: this.#state,
      machine: this.#machine,
      theme: themeOf(lookOf(process.stdout, { noColor, ascii })),
      onStop: () => process.emit('SIGINT', 'SIGINT'), // as Ctrl-C does where the terminal makes it a signal
    });
    try {
      const working = work(signal);
      working.catch(() => {}); // nobody awaits it after an abort: a step may take long
      await Promise.race([working, aborted(signal)]);
      return false;
    } catch (error) {
      if (!signal.aborted) throw error;
      const { begun, total } = this.#state.progress;
      this.#asides.push(() => this.#call.output.note(`stopped at ${begun} of ${total}`));
      return true;
    } finally {
      await this.#screen.end();
      this.#screen = undefined;
      for (const write of this.#asides) write();
    }
  }
}

/** Rejects when the signal aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** A person watches both streams, asked for a table and can use a moving screen. */
function wantsScreen({ options, output }: Call): boolean {
  const { quiet } = options;
  const { screenReader = process.env.INK_SCREEN_READER === 'true' } = options;
  const isTable = formatOf(options) === 'md';
  return output.interactive && output.progressBars && isTable && !quiet && !screenReader;
}
