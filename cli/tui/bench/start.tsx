/** Draws a bench with Ink, on the alternate screen. */
import { type RenderOptions, render, Text, useInput, useStdin, useWindowSize } from 'ink';
import type { Machine } from '../../../bench/machine.ts';
import type { BenchState } from '../../bench/state.ts';
import { createStore, type Store } from '../../store.ts';
import type { Theme } from '../../terminal/theme.ts';
import { useStore } from '../use-store.ts';
import { dashboardLines, type Moment } from './dashboard.ts';

export interface BenchScreen {
  /** Draws unless it drew a moment ago. When it returns the frame is on the screen. */
  show(state: BenchState): void;
  /** Restores the terminal. */
  end(): Promise<void>;
}

interface ScreenOptions {
  readonly state: BenchState;
  readonly machine: Machine;
  readonly theme: Theme;
  /** Called when the user wants to stop. */
  readonly onStop: () => void;
  /** Where it draws; default: the terminal of this process. */
  readonly terminal?: Pick<RenderOptions, 'stdout' | 'stdin' | 'interactive' | 'patchConsole'>;
}

/**
 * Least time between two frames, in ms. Although its clock is stopped, a run is slower after a frame: caches are cold,
 * and the terminal is at work. So frames are drawn between a run and the probe of the roofs.
 */
const PAUSE = { idle: 150, measuring: 1000 } as const;
/** Drawing takes at most this share of all time, unless a frame is so slow that the screen would seem frozen. */
const DRAWING_SHARE = 0.04;
const LONGEST_PAUSE = 1000; // ms
/** Time between two frames, in ms, while no event comes, as in a step of many tokens. */
const CLOCK = { idle: 1000, measuring: 2000 } as const;

/** Ink's alternate screen begins where the cursor was. */
const HOME = '\x1b[H';

export function startBenchScreen(options: ScreenOptions): BenchScreen {
  const { machine, theme, onStop, terminal } = options;
  const begun = performance.now();
  let drawnAt = begun;
  let cost = 0; // ms of the last frame
  let { state } = options;
  const momentOf = (now: number): Moment => ({ state, machine, seconds: (now - begun) / 1e3 });
  const store = createStore(momentOf(begun));
  const tree = <Dashboard store={store} theme={theme} onStop={onStop} />;
  const instance = render(null, {
    ...terminal,
    alternateScreen: true,
    exitOnCtrlC: false,
    incrementalRendering: true,
    maxFps: 60, // `drawAfter` limits frames, so that none is drawn inside a step
  });
  (terminal?.stdout ?? process.stdout).write(HOME);
  instance.rerender(tree);
  const draw = () => {
    const now = performance.now();
    store.set(() => momentOf(now));
    instance.rerender(tree); // draws now; a change of the store alone is drawn after the next step has begun
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

interface DashboardProps {
  readonly store: Store<Moment>;
  readonly theme: Theme;
  readonly onStop: () => void;
}

/** The whole screen as one text: lines cost less than boxes while a machine is measured. */
export function Dashboard({ store, theme, onStop }: DashboardProps) {
  const moment = useStore(store);
  const { columns, rows } = useWindowSize();
  const { isRawModeSupported } = useStdin();
  const lines = dashboardLines(moment, { columns, rows }, theme);
  return (
    <>
      {isRawModeSupported && <StopKeys onStop={onStop} />}
      {/* An empty first line would have no height. */}
      <Text>{lines.map((line) => line || ' ').join('\n')}</Text>
    </>
  );
}

/** Esc, q and Ctrl-C. */
function StopKeys({ onStop }: Pick<DashboardProps, 'onStop'>) {
  useInput((input, key) => {
    if (key.escape || input === 'q' || (key.ctrl && input === 'c')) onStop();
  });
  return null;
}
