import { describe, expect, it, vi } from 'vitest';
import type { Options } from '../../cli/arguments/options.ts';
import { measuredRows, plannedBench } from '../../cli/bench/state.ts';
import { BenchWatch } from '../../cli/bench/watch.ts';
import { Output } from '../../cli/output.ts';
import { eventsOf, MACHINE, planOf } from './bench-events.ts';

interface Surroundings {
  readonly options?: Options;
  readonly stdout?: boolean; // a terminal
  readonly stderr?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

function watching({ options = {}, stdout = true, stderr = true, env = {}, ...rest }: Surroundings) {
  const written: string[] = [];
  const stream = (isTTY: boolean) => ({
    ...{ isTTY, getColorDepth: () => 1, once: () => {} },
    write: (text: string) => written.push(text) > 0,
  });
  const streams = { stdout: stream(stdout), stderr: stream(stderr) } as unknown as {
    stdout: never;
    stderr: never;
  };
  const output = new Output({ ...streams, env, quiet: options.quiet });
  const context = {
    output,
    abortable: <T>(work: (signal: AbortSignal) => Promise<T>) =>
      work(rest.signal ?? new AbortController().signal),
  };
  return {
    watch: new BenchWatch({ output: 'md', ...options }, context, MACHINE, plannedBench(planOf({}))),
    written,
  };
}

describe('progress for a viewer', () => {
  it.each<[string, Surroundings]>([
    ['a person at a terminal', {}],
    ['a report', { options: { report: 'b.svg' }, stdout: false, stderr: false }],
    ['a report, quietly', { options: { report: 'b.svg', quiet: true } }],
  ])('%s sees the progress of each run', (_, surroundings) => {
    const { watch } = watching(surroundings);
    expect(watch.wantsMarks).toBe(true);
    for (const event of eventsOf()) watch.observer(event);
    expect(watch.state.progress).toEqual({ begun: 6, total: 6 });
  });

  it.each<[string, Surroundings]>([
    ['a pipe', { stdout: false }],
    ['a log', { stderr: false }],
    ['another format', { options: { output: 'csv' } }],
    ['--json', { options: { json: true } }],
    ['--jsonl', { options: { jsonl: true } }],
    ['--quiet', { options: { quiet: true } }],
    ['a screen reader', { options: { screenReader: true } }],
    ['CI', { env: { CI: '1' } }],
    ['a dumb terminal', { env: { TERM: 'dumb' } }],
  ])('%s: runs are not interrupted', (_, surroundings) => {
    expect(watching(surroundings).watch.wantsMarks).toBe(false);
  });

  it('a screen reader that only the environment announces', () => {
    vi.stubEnv('INK_SCREEN_READER', 'true');
    expect(watching({}).watch.wantsMarks).toBe(false);
    vi.unstubAllEnvs();
  });
});

describe('without a screen', () => {
  it('lines count the runs; failures are passed on', async () => {
    const { watch, written } = watching({ stdout: false, stderr: false });
    const stopped = await watch.during(async () => {
      for (const event of eventsOf()) watch.observer(event);
      watch.aside(() => void written.push('aside\n'));
    });
    expect(stopped).toBe(false);
    expect(written[0]).toContain('0 of 6  pp512, warm-up');
    expect(written).toContain('aside\n');
    await expect(watch.during(async () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  });

  it('a stop ends it at once, and what was measured stays', async () => {
    const controller = new AbortController();
    const { watch, written } = watching({ stdout: false, stderr: false, signal: controller.signal });
    const stopped = watch.during(async () => {
      for (const event of [...eventsOf()].slice(0, -4)) watch.observer(event); // all but the last run
      await new Promise(() => {}); // a step that takes long
    });
    controller.abort();
    expect(await stopped).toBe(true);
    expect(written.join('')).toMatch(/stopped at 6 of 6\n$/);
    expect(measuredRows(watch.state).map(({ test, samples }) => [test, samples.length])).toEqual([
      ['pp512', 2],
      ['tg128', 1],
    ]);
  });
});
