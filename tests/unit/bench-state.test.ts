import { describe, expect, it } from 'vitest';
import { commonName, kernelScenes, letterOf, speedCurve, speedScenes } from '../../cli/bench/scenes.ts';
import { afterEvent, type BenchState, plannedBench } from '../../cli/bench/state.ts';
import { eventsOf, MEMORY, planOf, READ, stateAfter, WRITE } from './bench-events.ts';

describe('the state after events', () => {
  it('tells the current work and the progress', () => {
    const story = { repetitions: 1, peer: 'llama-bench' };
    let state = plannedBench(planOf(story));
    const told = [...eventsOf(story)].map((event) => {
      state = afterEvent(state, event);
      return `${state.progress.begun} of ${state.progress.total}: ${state.doing}`;
    });
    expect([...new Set(told)]).toEqual([
      '0 of 4: loading',
      '0 of 4: loading, 45 %',
      '0 of 4: first token',
      '1 of 4: pp512, warm-up',
      '2 of 4: tg128, warm-up',
      '3 of 4: pp512, percept',
      '3 of 4: pp512, percept: 480 tok/s',
      '3 of 4: pp512, llama-bench',
      '3 of 4: pp512, llama-bench: 100 tok/s',
      '4 of 4: tg128, percept',
      '4 of 4: tg128, percept: 80.0 tok/s',
      '4 of 4: tg128, llama-bench',
      '4 of 4: tg128, llama-bench: 100 tok/s',
    ]);
  });

  it('keeps every run of every test of every target', () => {
    const { targets, memory, loadMs } = stateAfter({ backends: ['cpu', 'webgpu'], peer: 'llama-bench' });
    expect(targets.map(({ loaded }) => loaded!.backend)).toEqual(['cpu', 'webgpu']);
    for (const { tests } of targets) {
      expect(tests.map(({ test }) => test)).toEqual([READ, WRITE]);
      for (const { samples, curves, peers, roofs } of tests) {
        expect(roofs).toHaveLength(2);
        expect(samples).toHaveLength(2);
        expect(curves).toHaveLength(2);
        expect(peers).toEqual([{ name: 'llama-bench', samples: [100, 100] }]);
      }
      expect(tests[1]!.curves[0]).toHaveLength(128);
    }
    expect([memory, loadMs]).toEqual([MEMORY, 600]);
  });

  it('keeps two tests of the same name apart', () => {
    const { targets } = stateAfter({ tests: [WRITE, WRITE], peer: 'llama-bench' });
    expect(targets[0]!.tests.map(({ samples }) => samples.length)).toEqual([2, 2]);
    expect(targets[0]!.tests.map(({ peers }) => peers[0]!.samples.length)).toEqual([2, 2]);
  });

  it('assigns events by target and test, in any order', () => {
    const at = { target: 1, test: 1, runner: 'percept', own: true };
    const plan = plannedBench(planOf({ backends: ['cpu', 'webgpu'] }));
    const { targets } = afterEvent(plan, { kind: 'ran', ...at, tok_s: 80 });
    expect(targets.map(({ tests }) => tests.map(({ samples }) => samples))).toEqual([
      [[], []],
      [[], [80]],
    ]);
    const outside = afterEvent(plan, { kind: 'ran', ...at, target: 2, tok_s: 80 });
    expect(outside.targets).toEqual(plan.targets);
  });

  it('tells whether a run is active or about to begin', () => {
    let state = plannedBench(planOf({}));
    const kinds = [...eventsOf({ peer: 'llama-bench' })].flatMap((event) => {
      state = afterEvent(state, event);
      return state.isMeasuring ? event.kind : [];
    });
    expect(new Set(kinds)).toEqual(new Set(['run', 'marks', 'roofs', 'tested']));
  });

  it('leaves earlier states unchanged', () => {
    const events = [...eventsOf()];
    const before = stateAfter({}, 8);
    const copy = structuredClone(before);
    events.slice(8).reduce(afterEvent, before);
    expect(before).toEqual(copy);
  });

  it('omits marks of runs that do not count', () => {
    const state = stateAfter({}, 3);
    const after = afterEvent(state, { kind: 'marks', target: 0, test: 0, marks: [[1, 1]] });
    expect(after).toEqual({ ...state, isMeasuring: true });
  });
});

describe('scenes', () => {
  it('prefill and decode are separate: one lane, curve and dot a test, with the same letter', () => {
    const { phases, roofline, ratios } = speedScenes(
      stateAfter({ backends: ['cpu', 'webgpu'], peer: 'llama-bench' }),
    );
    expect(phases.map(({ lanes }) => lanes.title)).toEqual(['prefill', 'decode']);
    const lanes = phases.map(({ lanes }) => lanes.lanes.map(({ mark, label, text }) => [mark, label, text]));
    expect(lanes).toEqual([
      [
        ['A', 'cpu pp512', '485 ±7'],
        ['C', 'webgpu pp512', '485 ±7'],
      ],
      [
        ['B', 'cpu tg128', '80.8 ±1.1'],
        ['D', 'webgpu tg128', '80.8 ±1.1'],
      ],
    ]);
    expect(roofline.dots.map(({ mark, text, share }) => [mark, text, share!.toFixed(2)])).toEqual([
      ['A', '55.8 GMAC/s', '0.57'],
      ['B', '7.84 GB/s', '0.60'],
      ['C', '55.8 GMAC/s', '0.57'],
      ['D', '7.84 GB/s', '0.60'],
    ]);
    expect(roofline.roofs.map(({ bandwidth, peak }) => [bandwidth, peak])).toEqual([
      [13, 98],
      [13, 98],
    ]);
    expect(ratios.ratios.map(({ label, median }) => `${label} ${median.toFixed(2)}`)).toEqual([
      'cpu pp512 / llama-bench 4.85',
      'cpu tg128 / llama-bench 0.81',
      'webgpu pp512 / llama-bench 4.85',
      'webgpu tg128 / llama-bench 0.81',
    ]);
  });

  it('the current run, or the median run, has the letter; earlier curves are faint', () => {
    const { curves } = speedScenes(stateAfter({ repetitions: 3, tests: [WRITE] })).phases[0]!;
    expect(curves!.series.map(({ mark, faint }) => mark ?? faint)).toEqual([true, true, 'A']);
    expect(curves!.series[2]!.points.at(-1)![1]).toBeCloseTo(80 * 1.02, 6);
    const early = stateAfter({ tests: [WRITE] }, 6); // the first half of the first run
    const [phase] = speedScenes(early).phases;
    expect(phase!.isRunning).toBe(true);
    expect(phase!.curves!.series.map(({ mark, points }) => [mark, points.length])).toEqual([['A', 64]]);
    expect(phase!.lanes.lanes[0]).toMatchObject({ state: 'running', text: '80.0' });
  });

  it('before the first run there are only names', () => {
    const { phases, roofline } = speedScenes(plannedBench(planOf({})));
    expect(phases.map(({ lanes }) => lanes.lanes[0]!.text)).toEqual(['waits', 'waits']);
    expect(phases.map(({ curves }) => curves?.series)).toEqual([undefined, []]);
    expect([roofline.dots, roofline.roofs]).toEqual([[], []]);
  });

  it('a kernel is a dot under the roofs of its backend, unless it multiplies nothing', () => {
    const kernel = {
      backend: 'cpu',
      threads: 2,
      op: 'matmul',
      type: 'Q4_0',
      shape: '576 -> 1536',
      tokens: 1,
      ms: 1,
    };
    const shares = { memory_roof_share: 0.5, multiply_roof_share: 0.1 };
    const rows = [
      { ...kernel, gmac_s: 12, gb_s: 7, ...shares },
      { ...kernel, op: 'add', type: null, shape: '4096', gmac_s: 0, gb_s: 7, ...shares },
      { ...kernel, threads: 1, gmac_s: 6, gb_s: 3, memory_roof_share: null, multiply_roof_share: null },
    ];
    const state = rows.reduce(
      (state, row) => afterEvent(state, { kind: 'kernel-row', row, memory: MEMORY }),
      plannedBench({ total: 3 }),
    );
    expect(kernelScenes(state, letterOf).map(({ title, dots }) => [title, dots])).toEqual([
      [
        'cpu, 2 threads',
        [
          {
            ...{ mark: 'A', color: 0, label: 'q4_0 576 -> 1536 x 1', text: '7.00 GB/s', share: 0.5 },
            ...{ intensity: 12 / 7, speed: 12 },
          },
        ],
      ],
      ['cpu, 1 thread', [expect.objectContaining({ text: '3.00 GB/s', share: undefined })]],
    ]);
  });

  it('letters start over after z', () => {
    expect([0, 25, 26, 51, 52].map(letterOf)).toEqual(['A', 'Z', 'a', 'z', 'A']);
  });
});

describe('curves', () => {
  const LONG = { ...READ, tokens: 2048 };

  it('prefill in one step has none: its speed is one number', () => {
    const [one, decode] = speedScenes(stateAfter()).phases;
    expect([one!.curves, decode!.curves?.series.length]).toEqual([undefined, 2]);
    const [several] = speedScenes(stateAfter({ tests: [LONG, READ] })).phases;
    expect(several!.curves!.series.map(({ name }) => name)).toEqual(['cpu pp2048', 'cpu pp2048']);
  });

  it('go over the tokens of a run, so that a slow target is as wide as a fast one', () => {
    const { curves } = speedScenes(stateAfter({ tests: [{ ...WRITE, batch: 2 }] })).phases[0]!;
    expect(curves!.x).toEqual({ unit: 'tokens', exact: true, from: 0, to: 256 });
    const [decode] = speedScenes(stateAfter({ tests: [WRITE] })).phases;
    const ends = decode!.curves!.series.map(({ points }) => points.at(-1)![0]);
    expect(ends).toEqual([128, 128]);
  });
});

describe('names', () => {
  it('have what tells the targets apart; the rest is in the title', () => {
    const twoModels = planOf({}).targets!.flatMap((target) => [
      target,
      { ...target, path: '/models/other.gguf' },
    ]);
    const named = (story: BenchState) => [
      commonName(story.targets),
      ...speedScenes(story).phases[0]!.lanes.lanes.map(({ label }) => label),
    ];
    expect(named(plannedBench({ ...planOf({}), targets: twoModels }))).toEqual([
      'cpu, 2 threads',
      'smol.Q4_1 pp512',
      'other pp512',
    ]);
    expect(named(plannedBench(planOf({})))).toEqual(['smol.Q4_1, 2 threads', 'cpu pp512']);
  });
});

describe('colours', () => {
  const colorsOf = (story: Parameters<typeof stateAfter>[0]) => {
    const { roofline } = speedScenes(stateAfter(story));
    return [roofline.dots, roofline.roofs].map((all) => all.map(({ color }) => color));
  };

  it('each row has its own, and roofs that of the first row of their target', () => {
    expect(colorsOf({ backends: ['cpu', 'webgpu'] })).toEqual([
      [0, 1, 2, 3],
      [0, 2],
    ]);
  });

  it('of many rows, each target has its own', () => {
    const backends = ['cpu', 'webgpu', 'gpujs', 'reference'];
    expect(colorsOf({ backends })[0]).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
  });
});

it('a backend without roofs: prefill is told in multiply-adds, decode in bytes', () => {
  const state = stateAfter();
  const targets = state.targets.map((target) => ({
    ...target,
    tests: target.tests.map((test) => ({ ...test, roofs: [] })),
  }));
  const { dots } = speedScenes({ ...state, targets }).roofline;
  expect(dots.map(({ text, share }) => [text, share])).toEqual([
    ['55.8 GMAC/s', undefined],
    ['7.84 GB/s', undefined],
  ]);
});

describe('speed over tokens', () => {
  it('with few steps, shows the speed of each', () => {
    expect(
      speedCurve([
        [2, 512],
        [3, 1024],
      ]),
    ).toEqual([
      [0, 256],
      [512, 256],
      [512, 512],
      [1024, 512],
    ]);
  });

  it('with many steps, averages a window, so a slow step is a dip, not a spike', () => {
    let seconds = 0;
    const marks = Array.from({ length: 300 }, (_, i) => {
      seconds += i === 150 ? 0.05 : 0.01;
      return [seconds, i + 1] as const;
    });
    const speeds = speedCurve(marks).map(([, speed]) => speed);
    expect(speeds).toHaveLength(300);
    expect(speeds[0]).toBeCloseTo(100, 6);
    expect(speeds[299]).toBeCloseTo(100, 6);
    const least = Math.min(...speeds);
    expect(least).toBeGreaterThan(50);
    expect(least).toBeLessThan(90);
    expect(speedCurve([])).toEqual([]);
  });
});
