import { describe, expect, it } from 'vitest';
import type { BenchEvent, Mark } from '../../bench/events.ts';
import { ModelRunner } from '../../bench/model-runner.ts';
import { measureTargets, type SpeedOptions } from '../../bench/model-speed.ts';
import type { Peer } from '../../bench/peers/index.ts';
import type { SpeedRow, SpeedTarget } from '../../bench/rows.ts';
import { afterEvent, measuredRows, plannedBench } from '../../cli/bench/state.ts';
import { loadModel } from '../../core/index.ts';

const PATH = 'tests/fixtures/tiny-llama.Q8_0.gguf';
const READ = { kind: 'pp', tokens: 8, depth: 0, batch: 1 } as const;
const WRITE = { kind: 'tg', tokens: 6, depth: 0, batch: 2 } as const;

/** A peer that only prefills, at constant speed. */
const reader: Peer = async () => ({
  name: 'reader',
  canRun: ({ kind }) => kind === 'pp',
  run: async () => 50,
  dispose: async () => {},
});

describe('events of a bench', () => {
  it('come in order: load, warm-up, every run with its roofs, and the end of each test', async () => {
    const events: BenchEvent[] = [];
    const target = { path: PATH, backend: 'cpu', threads: 1 };
    const options = { tests: [READ, WRITE], repetitions: 2, peers: [reader] };
    const rows = await rowsOf(target, { ...options, marks: true, observer: (event) => events.push(event) });
    const loading = events.filter(({ kind }) => kind === 'loading');
    expect(loading[0]).toEqual({ kind: 'loading', target: 0 });
    const kinds = events
      .slice(loading.length)
      .map((event) => ('runner' in event ? `${event.kind} ${event.runner}` : event.kind));
    const own = ['run percept', 'marks', 'ran percept'];
    const both = [...own, 'run reader', 'ran reader', 'roofs'];
    const alone = [...own, 'roofs'];
    expect(kinds).toEqual([
      'loaded',
      'warm-up',
      'warm-up',
      ...both,
      ...both,
      'tested',
      ...alone,
      ...alone,
      'tested',
    ]);
    const plan = plannedBench({ targets: [target], tests: options.tests, total: 6 });
    expect(measuredRows(events.reduce(afterEvent, plan))).toEqual(rows);
    const samples = events.flatMap((event) => (event.kind === 'ran' && event.own ? event.tok_s : []));
    expect(samples).toEqual(rows.flatMap(({ samples }) => samples));
    const [loaded] = events.filter((event) => event.kind === 'loaded');
    expect(loaded!.model).toMatchObject({ type: 'Q8_0', backend: 'cpu', threads: 1, kvType: 'q8' });
    expect(loaded!.model.work.map(({ bytes }) => bytes)).toEqual(rows.map((row) => row.bytes_per_token));
    expect(loaded!.memory.process).toBeGreaterThan(loaded!.memory.weights);
  });

  it('keep two peers of the same name apart', async () => {
    const options = { tests: [READ], repetitions: 2, peers: [reader, reader] };
    const rows = await rowsOf({ path: PATH, backend: 'cpu', threads: 1 }, options);
    expect(rows.map(({ peer }) => peer)).toMatchObject([
      { name: 'reader', samples: [50, 50] },
      { name: 'reader 2', samples: [50, 50] },
    ]);
  });

  it('carry the numbers of target and test; marks only if requested', async () => {
    const events: BenchEvent[] = [];
    const target = { path: PATH, backend: 'cpu', threads: 1 };
    const options = { tests: [READ, READ], repetitions: 1, peers: [] };
    const observer = (event: BenchEvent) => void events.push(event);
    for await (const _ of measureTargets([target, target], { ...options, observer }));
    const places = events.flatMap((event) => (event.kind === 'ran' ? [[event.target, event.test]] : []));
    expect(places).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]);
    expect(events.map(({ kind }) => kind)).not.toContain('marks');
  });

  it('count the tokens of all sequences in marks, to the end of the run', async () => {
    const told = await marksOf(() => {});
    expect(told.map(([, tokens]) => tokens)).toEqual([2, 4, 6, 8, 10, 12]);
    const seconds = told.map(([at]) => at);
    expect(seconds).toEqual(seconds.toSorted((a, b) => a - b));
  });

  it('stop the clock of a run while they are handled', async () => {
    const model = await loadModel(PATH, { backend: 'cpu', threads: 1, contextLength: 512 });
    const runner = new ModelRunner(model);
    const busy = { ms: 0, times: 0 };
    runner.onMarks = () => {
      const start = performance.now();
      while (performance.now() - start < 150); // longer than the interval of events
      busy.ms += performance.now() - start;
      busy.times++;
    };
    const start = performance.now();
    const speed = await runner.run({ ...WRITE, tokens: 512, batch: 1 });
    const wall = performance.now() - start;
    await runner.dispose();
    expect(busy.times).toBeGreaterThan(0);
    expect((1e3 * 512) / speed).toBeLessThanOrEqual(wall - busy.ms);
  });
});

async function rowsOf(target: SpeedTarget, options: SpeedOptions): Promise<SpeedRow[]> {
  const rows: SpeedRow[] = [];
  for await (const speed of measureTargets([target], options)) rows.push(...speed.rows);
  return rows;
}

async function marksOf(onTold: () => void): Promise<Mark[]> {
  const model = await loadModel(PATH, { backend: 'cpu', threads: 1, contextLength: 64, sequences: 2 });
  const runner = new ModelRunner(model);
  const all: Mark[] = [];
  runner.onMarks = (marks) => {
    all.push(...marks);
    onTold();
  };
  await runner.run(WRITE);
  await runner.dispose();
  return all;
}
