import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Output, type OutputOptions } from '../../cli/output.ts';
import { barLine } from '../../cli/progress/bar.ts';
import { CountedProgress, type Progress, ProgressDisplay } from '../../cli/progress/progress.ts';
import { themeOf } from '../../cli/terminal/theme.ts';

const theme = themeOf({ color: 0, background: 'dark', ascii: false });
const screen = { theme, barLine, columns: () => 80 };
const ERASED = '\r\x1b[K';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface TerminalOptions extends OutputOptions {
  readonly isTTY?: boolean;
}

/** Text that reaches stderr. */
function terminal({ isTTY = true, env = {}, ...options }: TerminalOptions = {}) {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  const stream = { isTTY, write, once: () => undefined, getColorDepth: () => 8 } as never;
  const output = new Output({ ...options, stdout: stream, stderr: stream, env });
  const display = (onlyIfSlow = false) => new ProgressDisplay(output, { ...screen, onlyIfSlow });
  return { written, output, display };
}

function download(done: number): Progress {
  return { activity: 'downloading', subject: 'tiny', unit: 'bytes', done, total: 100e6 };
}

/** Advances by this many bytes every 100 ms. */
function advance(display: ProgressDisplay, from: number, until: number, bytes: number): void {
  for (let done = from; done <= until; done += bytes) {
    display.show(download(done));
    vi.advanceTimersByTime(100);
  }
}

describe('on a terminal', () => {
  it('a bar is redrawn at most ten times a second and erased', async () => {
    const { written, display } = terminal();
    const bar = display();
    await bar.during(async () => {
      for (let at = 0; at < 1000; at += 10) {
        bar.show(download(at * 50e3));
        vi.advanceTimersByTime(10);
      }
    });
    expect(written.length).toBeLessThanOrEqual(12);
    expect(written[0]).toBe(`${ERASED}tiny: downloading  ▕${' '.repeat(15)}▏    0 B of 100.0 MB`);
    expect(written.at(-2)).toMatch(
      /^\r\x1b\[Ktiny: downloading {2}▕█+.? +▏ {2} 4\d\.\d of 100\.0 MB {2}50\.0 MB\/s$/,
    );
    expect(written.at(-1)).toBe(ERASED);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is erased if the work fails, and the failure is passed on', async () => {
    const { written, display } = terminal();
    const bar = display();
    const failing = bar.during(async () => {
      bar.show(download(1e6));
      throw new Error('broken');
    });
    await expect(failing).rejects.toThrow('broken');
    expect(written).toHaveLength(2);
    expect(written[1]).toBe(ERASED);
    bar.show(download(2e6));
    vi.advanceTimersByTime(60_000);
    expect(written).toHaveLength(2);
  });

  it('a stall shows by itself', () => {
    const { written, display } = terminal();
    advance(display(), 0, 50e6, 1e6);
    expect(written.at(-1)).toMatch(/50\.0 of 100\.0 MB {2}10\.0 MB\/s {2}5 s left$/);
    vi.advanceTimersByTime(10_000);
    expect(written.at(-1)).toMatch(/50\.0 of 100\.0 MB {2}0 B\/s$/);
    const drawn = written.length;
    vi.advanceTimersByTime(10_000);
    expect(written).toHaveLength(drawn); // nothing new to draw
  });

  it('makes way for other lines', () => {
    const { written, output, display } = terminal();
    const bar = display();
    bar.show(download(0));
    bar.aside(() => output.note('a note'));
    expect(written).toEqual([written[0], ERASED, 'a note\n', written[0]]);
    bar.end();
    bar.aside(() => output.note('another'));
    expect(written.slice(4)).toEqual([ERASED, 'another\n']);
  });

  it('quick work is silent if only slow work is shown', async () => {
    const { written, display } = terminal();
    const quick = display(true);
    await quick.during(async () => {
      quick.show({ activity: 'loading', unit: 'bytes' });
      vi.advanceTimersByTime(399);
    });
    expect(written).toEqual([]);
    const slow = display(true);
    slow.show({ activity: 'loading', unit: 'bytes' });
    vi.advanceTimersByTime(400);
    expect(written).toEqual([`${ERASED}loading`]);
  });

  it('a bar according to the options is drawn once it is loaded', async () => {
    vi.useRealTimers();
    const { written, output } = terminal({ ascii: true, noColor: true });
    const bar = new ProgressDisplay(output, { columns: () => 80 });
    bar.show(download(50e6));
    await vi.waitFor(() => expect(written).toHaveLength(1), 10_000);
    expect(written[0]).toBe(`${ERASED}tiny: downloading  [#######        ]   50.0 of 100.0 MB`);
    bar.end();
  });

  it('speed counts from the resume of a transfer, and restarts with a new transfer', () => {
    const { written, display } = terminal();
    const bar = display();
    advance(bar, 90e6, 95e6, 100e3);
    expect(written.at(-1)).toContain(' 95.0 of 100.0 MB  1.0 MB/s  5 s left');
    bar.show(download(0));
    expect(written.at(-1)).toMatch(/ 0 B of 100\.0 MB$/);
  });
});

describe('in a log', () => {
  it('prints a line at the start, one after ten seconds and a tenth, and one at the end', async () => {
    const { written, display } = terminal({ isTTY: false });
    const log = display();
    await log.during(async () => {
      log.show({ activity: 'connecting', subject: 'tiny', unit: 'bytes' });
      vi.advanceTimersByTime(30_000);
      advance(log, 0, 30e6, 200e3); // 10 % in 5 s
      advance(log, 30.04e6, 45e6, 40e3); // 10 % in 25 s
      advance(log, 46e6, 100e6, 1e6);
    });
    expect(written).toEqual([
      'tiny: connecting\n',
      'tiny: downloading  0 B of 100.0 MB\n',
      'tiny: downloading  19.8 MB of 100.0 MB  2.0 MB/s  40 s left\n',
      'tiny: downloading  32.0 MB of 100.0 MB  432 kB/s  56 s left\n',
      'tiny: downloading  42.0 MB of 100.0 MB  400 kB/s  2 min 26 s left\n',
      'tiny: downloading  68.0 MB of 100.0 MB  4.8 MB/s  13 s left\n',
      'tiny: downloading  100.0 MB of 100.0 MB  done in 59 s  1.7 MB/s\n',
    ]);
  });

  it('a stall is reported once', () => {
    const { written, display } = terminal({ isTTY: false });
    advance(display(), 0, 5e6, 100e3);
    vi.advanceTimersByTime(60_000);
    expect(written.slice(1)).toEqual(['tiny: downloading  5.0 MB of 100.0 MB  0 B/s\n']);
  });

  it('the end of failed work is not reported', async () => {
    const { written, display } = terminal({ isTTY: false });
    const log = display();
    await log
      .during(async () => {
        log.show(download(0));
        throw new Error('broken');
      })
      .catch(() => undefined);
    expect(written).toEqual(['tiny: downloading  0 B of 100.0 MB\n']);
  });

  it('quick work is silent if only slow work is shown', async () => {
    const { written, display } = terminal({ isTTY: false });
    const quick = display(true);
    await quick.during(async () => {
      quick.show({ activity: 'loading', unit: 'bytes' });
      vi.advanceTimersByTime(9999);
    });
    expect(written).toEqual([]);
    const slow = display(true);
    await slow.during(async () => {
      slow.show({ activity: 'loading', unit: 'bytes', total: 6e9 });
      vi.advanceTimersByTime(10_000);
    });
    expect(written).toEqual(['loading  6.0 GB\n', 'loading  6.0 GB  done in 10 s\n']);
  });

  it.each([
    ['CI', { isTTY: true, env: { CI: 'true' } }],
    ['a dumb terminal', { isTTY: true, env: { TERM: 'dumb' } }],
  ])('%s gets lines too', (_, surroundings) => {
    const { written, display } = terminal(surroundings);
    display().show(download(0));
    expect(written).toEqual(['tiny: downloading  0 B of 100.0 MB\n']);
  });

  it.each([true, false])('--quiet is silent (a terminal: %s)', async (isTTY) => {
    const { written, display } = terminal({ isTTY, quiet: true });
    const silent = display();
    await silent.during(async () => advance(silent, 0, 100e6, 1e6));
    expect(written).toEqual([]);
  });
});

describe('pieces of work', () => {
  function work({ output }: { readonly output: Output }) {
    return new CountedProgress(output, 'verifying', 3, screen);
  }

  async function threePieces(progress: CountedProgress): Promise<void> {
    for (const label of ['cpu: add', 'cpu: mul', 'gpu: add']) {
      progress.next(label);
      vi.advanceTimersByTime(4000);
    }
  }

  it('are counted in a bar', async () => {
    const stderr = terminal();
    const progress = work(stderr);
    await progress.during(() => threePieces(progress));
    const count = (text: string) => text.replace(/^.*\s(\d of 3)/s, '$1');
    expect(stderr.written.map(count)).toEqual([
      '0 of 3  cpu: add',
      '1 of 3  cpu: mul',
      '2 of 3  4 s left  gpu: add',
      '2 of 3  3 s left  gpu: add',
      '2 of 3  2 s left  gpu: add',
      '2 of 3  1 s left  gpu: add',
      '2 of 3  gpu: add',
      ERASED,
    ]);
  });

  it('are counted in lines', async () => {
    const stderr = terminal({ isTTY: false });
    const progress = work(stderr);
    await progress.during(() => threePieces(progress));
    expect(stderr.written).toEqual([
      'verifying  0 of 3  cpu: add\n',
      'verifying  2 of 3  2 s left  gpu: add\n',
      'verifying  3 of 3  done in 12 s\n',
    ]);
  });

  it('leave room for other lines', () => {
    const stderr = terminal({ isTTY: false });
    work(stderr).aside(() => stderr.output.note('a note'));
    expect(stderr.written).toEqual(['a note\n']);
  });
});
