/** Synthetic events of a bench: some runs of each test, all alike. */

import type { BenchEvent, Mark } from '../../bench/events.ts';
import type { Machine } from '../../bench/machine.ts';
import type { SpeedTest } from '../../bench/speed-test.ts';
import { afterEvent, type BenchPlan, type BenchState, plannedBench } from '../../cli/bench/state.ts';

export const MACHINE: Machine = {
  cpu: 'AMD EPYC',
  cores: 2,
  memory_bytes: 8e9,
  platform: 'linux-x64',
  node: '26.10.0',
  percept: '0.1.0',
  commit: '645786f',
};
export const READ: SpeedTest = { kind: 'pp', tokens: 512, depth: 0, batch: 1 };
export const WRITE: SpeedTest = { kind: 'tg', tokens: 128, depth: 0, batch: 1 };
export const MEMORY = { weights: 98e6, kv: 12e6, arena: 8e6, process: 351e6 };

const SPEEDS = { pp: 480, tg: 80 } as const;
const WORK = { pp: { bytes: 0.2e6, macs: 115e6 }, tg: { bytes: 97e6, macs: 135e6 } } as const;

interface Story {
  readonly backends?: readonly string[];
  readonly tests?: readonly SpeedTest[];
  readonly repetitions?: number;
  readonly peer?: string;
  readonly model?: string;
}

export function planOf({
  backends = ['cpu'],
  tests = [READ, WRITE],
  repetitions = 2,
  peer,
}: Story): BenchPlan {
  const targets = backends.map((backend) => ({ path: '/models/smol.Q4_1.gguf', backend, threads: 2 }));
  return { targets, tests, peers: peer ? 1 : 0, total: targets.length * tests.length * (1 + repetitions) };
}

/** Every event of a bench, in order. */
export function* eventsOf(story: Story = {}): Generator<BenchEvent> {
  const { targets = [], tests = [] } = planOf(story);
  const { repetitions = 2, peer, model = 'SmolLM2 135M' } = story;
  for (const [target, { backend }] of targets.entries()) {
    yield { kind: 'loading', target };
    yield { kind: 'loading', target, progress: { stage: 'weights', weightBytes: 100, readBytes: 45 } };
    const loaded = {
      model,
      type: 'Q4_1',
      backend,
      threads: 2,
      kvType: 'q8',
      work: tests.map(({ kind }) => WORK[kind]),
      steps: tests.map(({ kind, tokens }) => (kind === 'pp' ? Math.ceil(tokens / 512) : tokens)),
    } as const;
    yield { kind: 'loaded', target, ms: 600, model: loaded, memory: MEMORY };
    for (const test of tests.keys()) yield { kind: 'warm-up', target, test };
    for (const [i, test] of tests.entries()) {
      const at = { target, test: i };
      for (let run = 0; run < repetitions; run++)
        yield* runOf(test, at, SPEEDS[test.kind] * (1 + 0.02 * run), peer);
      yield { kind: 'tested', ...at };
    }
  }
}

function* runOf(
  test: SpeedTest,
  at: { readonly target: number; readonly test: number },
  tok_s: number,
  peer?: string,
): Generator<BenchEvent> {
  const own = { ...at, runner: 'percept', own: true };
  yield { kind: 'run', ...own };
  const step = test.kind === 'pp' ? 512 : 1;
  const marks = Array.from({ length: Math.ceil(test.tokens / step) }, (_, i): Mark => {
    return [((i + 1) * step) / tok_s, (i + 1) * step];
  });
  const half = Math.ceil(marks.length / 2);
  yield { kind: 'marks', ...at, marks: marks.slice(0, half) };
  if (half < marks.length) yield { kind: 'marks', ...at, marks: marks.slice(half) };
  yield { kind: 'ran', ...own, tok_s };
  if (peer) {
    yield { kind: 'run', ...at, runner: peer, own: false };
    yield { kind: 'ran', ...at, runner: peer, own: false, tok_s: 100 };
  }
  const roofs = { readBytesPerSecond: 13e9, multiplyAddsPerSecond: 98e9 };
  yield { kind: 'roofs', ...at, roofs, memory: MEMORY };
}

/** State after the first `count` events, or after all. */
export function stateAfter(story: Story = {}, count = Number.POSITIVE_INFINITY): BenchState {
  return [...eventsOf(story)].slice(0, count).reduce(afterEvent, plannedBench(planOf(story)));
}
