/** Draws a bench with Ink, on the alternate screen. */
import { type RenderOptions, render } from 'ink';
import type { Machine } from '../../../bench/machine.ts';
import type { BenchState } from '../../bench/state.ts';
import { createStore } from '../../store.ts';
import type { Theme } from '../../terminal/theme.ts';
import { Dashboard } from './Dashboard.tsx';
import type { Moment } from './dashboard.ts';

export interface BenchScreen {
  /** Draws, unless it did a moment ago; returns when the screen shows it. */
  show(state: BenchState): void;
  /** Gives the terminal back. */
  end(): Promise<void>;
}

interface ScreenOptions {
  readonly state: BenchState;
  readonly machine: Machine;
  readonly theme: Theme;
  /** The user wants to stop. */
  readonly onStop: () => void;
  /** Where it draws; default: on the terminal of this process. */
  readonly terminal?: Pick<RenderOptions, 'stdout' | 'stdin' | 'interactive' | 'patchConsole'>;
}

/**
 * Between two frames, ms. A run is slower after one, though its clock stands still meanwhile: caches are cold, and the
 * terminal is at work. So they are drawn when a run has ended, before the roofs are probed.
 */
const PAUSE = { idle: 150, measuring: 1000 } as const;
/** Drawing takes this part of all time at most, unless a single frame took so long that nothing would be seen. */
const DRAWING_SHARE = 0.04;
const LONGEST_PAUSE = 1000; // ms
/** The clock moves on so often, in ms, where nothing else happens, as in a step of many tokens. */
const CLOCK = { idle: 1000, measuring: 2000 } as const;

/** The alternate screen begins where the cursor was. */
const HOME = '\x1b[H';

export function startBenchScreen(options: ScreenOptions): BenchScreen {
  const { machine, theme, onStop, terminal } = options;
  const begun = performance.now();
  let drawnAt = begun;
  let cost = 0; // ms that it took
  let { state } = options;
  const momentOf = (now: number): Moment => ({ state, machine, seconds: (now - begun) / 1e3 });
  const store = createStore(momentOf(begun));
  const tree = <Dashboard store={store} theme={theme} onStop={onStop} />;
  const instance = render(null, {
    ...terminal,
    alternateScreen: true,
    exitOnCtrlC: false,
    incrementalRendering: true,
    maxFps: 60, // drawing is held back here, so that it never falls into a step
  });
  (terminal?.stdout ?? process.stdout).write(HOME);
  instance.rerender(tree);
  const draw = () => {
    const now = performance.now();
    store.set(() => momentOf(now));
    instance.rerender(tree); // at once: what the store alone sets off is drawn after the next step has begun
    drawnAt = performance.now();
    cost = drawnAt - now;
  };
  const drawAfter = (pause: typeof PAUSE | typeof CLOCK) => {
    const rest = Math.min(cost / DRAWING_SHARE, LONGEST_PAUSE);
    const wait = Math.max(state.isMeasuring ? pause.measuring : pause.idle, rest);
    if (performance.now() - drawnAt >= wait) draw();
  };
  const clock = setInterval(() => drawAfter(CLOCK), PAUSE.idle);
  return {
    show(next) {
      state = next;
      drawAfter(PAUSE);
    },
    async end() {
      clearInterval(clock);
      instance.unmount();
      await instance.waitUntilExit();
    },
  };
}
