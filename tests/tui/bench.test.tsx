import { setTimeout as sleep } from 'node:timers/promises';
import { render as renderToFrames } from 'ink-testing-library';
import { describe, expect, it, vi } from 'vitest';
import { afterEvent, type BenchState, plannedBench } from '../../cli/bench/state.ts';
import { createStore } from '../../cli/store.ts';
import { themeOf } from '../../cli/terminal/theme.ts';
import type { Moment } from '../../cli/tui/bench/dashboard.ts';
import { Dashboard, startBenchScreen } from '../../cli/tui/bench/start.tsx';
import { emptyFolder, PROGRAM, TINY_MODEL } from '../cli/percept.ts';
import { titled } from '../titled.ts';
import { eventsOf, MACHINE, planOf, stateAfter } from '../unit/bench-events.ts';
import { NO_TMUX, Terminal } from './tmux.ts';
import { FakeTerminal } from './xterm.ts';

const THEME = themeOf({ color: 1, background: 'dark', ascii: false });
const INK_MS = 20; // Ink holds an escape this long, to see whether a sequence follows

function screenOn(terminal: FakeTerminal, state: BenchState, onStop = () => {}) {
  return startBenchScreen({
    ...{ state, machine: MACHINE, theme: THEME, onStop },
    terminal: {
      stdout: terminal as unknown as NodeJS.WriteStream,
      stdin: terminal.stdin as unknown as NodeJS.ReadStream,
      interactive: true,
      patchConsole: false,
    },
  });
}

describe('the component', () => {
  it('shows what the store holds, and keys stop', async () => {
    const store = createStore<Moment>({ state: stateAfter({}, 5), machine: MACHINE, seconds: 5 });
    const onStop = vi.fn();
    const { lastFrame, stdin, unmount } = renderToFrames(
      <Dashboard store={store} theme={THEME} onStop={onStop} />,
    );
    expect(lastFrame()).toContain('0:05');
    store.set((moment) => ({ ...moment, state: stateAfter(), seconds: 61 }));
    await sleep(INK_MS);
    expect(lastFrame()).toContain('1:01');
    expect(lastFrame()).toContain('run 6 of 6');
    for (const key of ['x', 'q', '\x03', '\x1b']) {
      stdin.write(key);
      await sleep(3 * INK_MS);
    }
    expect(onStop).toHaveBeenCalledTimes(3);
    unmount();
  });
});

describe('a whole bench on a terminal', () => {
  it('draws rarely, never the same line twice, and restores the screen', async () => {
    const terminal = new FakeTerminal(100, 30);
    terminal.write('$ percept bench\n');
    const story = { backends: ['cpu', 'webgpu'], repetitions: 5, peer: 'llama-bench' };
    let state = plannedBench(planOf(story));
    const screen = screenOn(terminal, state);
    const events = [...eventsOf(story)];
    const start = performance.now();
    for (const event of events) {
      state = afterEvent(state, event);
      screen.show(state);
      await sleep(10);
    }
    const seconds = (performance.now() - start) / 1e3;
    let lines: string[] = [];
    await vi.waitFor(async () => {
      screen.show(state); // drawn when the last frame is old enough
      lines = await terminal.lines();
      expect(lines.join('\n')).toContain('run 24 of 24');
    }, 10_000);
    expect(lines[0]).toContain('percept bench');
    for (const once of ['percept bench', 'prefill, tok/s', 'roofline', 'Esc or q stop'])
      expect(lines.filter((line) => line.includes(once))).toHaveLength(1);
    expect(lines.length).toBeLessThan(30);
    expect(terminal.frames).toBeLessThan(4 + seconds / 0.15);
    expect(terminal.bytes / terminal.frames).toBeLessThan(6000);
    await screen.end();
    expect(await terminal.lines()).toEqual(['$ percept bench']);
    const all = terminal.writes.join('');
    expect(all.split('\x1b[?1049h')).toHaveLength(2);
    expect(all.lastIndexOf('\x1b[?1049l')).toBeGreaterThan(all.lastIndexOf('\x1b[?1049h'));
    expect(all.lastIndexOf('\x1b[?25h')).toBeGreaterThan(all.lastIndexOf('\x1b[?25l'));
  });

  it('the state is on the screen when show returns', async () => {
    const terminal = new FakeTerminal(80, 24);
    const screen = screenOn(terminal, stateAfter({}, 5));
    await sleep(300);
    const before = terminal.writes.length;
    screen.show({ ...stateAfter(), isMeasuring: false });
    expect(terminal.writes.length).toBeGreaterThan(before);
    expect((await terminal.lines()).join('\n')).toContain('run 6 of 6');
    await sleep(300);
    const drawn = terminal.writes.length;
    screen.show(stateAfter());
    expect(terminal.writes.length).toBe(drawn); // a run is about to begin
    await screen.end();
  });

  it('follows the size of the terminal', async () => {
    const terminal = new FakeTerminal(120, 40);
    const screen = screenOn(terminal, stateAfter());
    for (const [columns, rows] of [
      [40, 10],
      [80, 24],
      [20, 6],
      [120, 40],
    ] as const) {
      terminal.resize(columns, rows);
      await sleep(50);
      const lines = await terminal.lines();
      // A buffer that shrank keeps what was above.
      const shown = lines.slice(lines.findLastIndex((line) => line.startsWith('percept bench')));
      expect(shown.length).toBeLessThan(rows);
      expect(shown.at(-2)).toMatch(/^0:0/);
      expect(shown.at(-1)).toMatch(/^Esc /);
      expect(Math.max(...shown.map((line) => line.length))).toBeLessThan(columns);
    }
    await screen.end();
  });

  it('Esc stops, also while nothing happens', async () => {
    const terminal = new FakeTerminal(80, 24);
    const onStop = vi.fn();
    const screen = screenOn(terminal, stateAfter({}, 3), onStop);
    await sleep(INK_MS);
    terminal.type('\x1b');
    await sleep(5 * INK_MS);
    expect(onStop).toHaveBeenCalledOnce();
    await screen.end();
  });
});

describe.skipIf(NO_TMUX)(titled('percept bench in a terminal', NO_TMUX), () => {
  function bench(flags: string, size = {}): Terminal {
    const command = `${process.execPath} ${PROGRAM} bench --backend cpu --threads 1 ${flags}; echo code $?`;
    const env = { PERCEPT_HOME: emptyFolder(), LANG: 'C.UTF-8' };
    return new Terminal(command, { columns: 100, rows: 30, cwd: emptyFolder(), env, ...size });
  }

  it('shows the run, then the table as on a pipe, on the original screen', async () => {
    const terminal = bench(`-m ${TINY_MODEL} -p 8 -n 4 -r 6`);
    const live = await terminal.shows(/run \d+ of 14/);
    expect(live).toContain('A cpu pp8');
    expect(terminal.fact('alternate_on')).toBe('1');
    const after = await terminal.shows('code 0');
    expect(terminal.fact('alternate_on')).toBe('0');
    expect(after).toMatch(/^\| tg4 {2}\|/m);
    expect(after).toMatch(/roofs: memory .*\n(?:(?:noisy|above).*\n)*\s*code 0/);
    expect(after).not.toContain('stop and leave');
  });

  it('Esc stops; the measurements so far are printed', async () => {
    const terminal = bench(`-m ${TINY_MODEL} -p 8 -n 4 -r 9`);
    await terminal.shows('tg4, percept');
    terminal.press('Escape');
    const after = await terminal.shows('code 130');
    expect(after).toMatch(/stopped at \d+ of 20/);
    expect(after).toContain('pp8');
    expect([terminal.fact('alternate_on'), terminal.fact('cursor_flag')]).toEqual(['0', '1']);
  });

  it('a failure is reported on the original screen', async () => {
    const terminal = bench(`-m ${TINY_MODEL} -p 8 -d 100000`);
    const after = await terminal.shows('code 2');
    expect(after).toContain('error: Expected a context of 1 to');
    expect(terminal.fact('alternate_on')).toBe('0');
  });
});
