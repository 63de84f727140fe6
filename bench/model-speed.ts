/** Speed of a model: percept and its peers take turns, and each figure stands beside what the machine can give. */
import type { KernelTime, KvType, Roofs } from '../backends/backend.ts';
import { selectBackend, usableCores } from '../backends/select.ts';
import { modelType } from '../core/gguf/model-type.ts';
import { type LoadOptions, loadModel, type Model } from '../core/index.ts';
import { Engine } from './engine.ts';
import { type LoadedModel, memoryOf, type Observer } from './observer.ts';
import type { Peer } from './peers/index.ts';
import type { Runner } from './runner.ts';
import { labelOf, type SpeedTest, testName } from './speed-test.ts';
import { mean, median, pairedRatio, standardDeviation } from './statistics.ts';
import { modelWork, roofShares, workPerToken } from './work.ts';

/** One model on one backend. */
export interface SpeedTarget {
  readonly path: string;
  readonly backend: string;
  readonly threads?: number; // default: cores this process may use
  readonly kvType?: LoadOptions['kvType'];
}

export interface SpeedOptions {
  readonly tests: readonly SpeedTest[];
  readonly repetitions: number; // counted ones
  readonly peers: readonly Peer[];
  /** Times every kernel as well, which slows the runs. */
  readonly profile?: boolean;
  readonly signal?: AbortSignal;
  /** Called before each run with what it is: "warm-up", "pp512", "tg128 @ d4096". */
  readonly onRun?: (label: string) => void;
  readonly onNote?: LoadOptions['onNote'];
  /** Told what happens, in order. */
  readonly observer?: Observer;
}

/** Figures of several runs, in tokens a second. */
export interface Speed {
  readonly tok_s: number; // mean
  readonly sd: number;
  readonly median: number;
  readonly samples: readonly number[];
}

export interface SpeedRow extends Speed {
  readonly model: string;
  readonly type: string; // Q4_K_M
  readonly backend: string;
  readonly threads: number;
  readonly kv_type: KvType;
  readonly test: string; // pp512, tg128, tg128x8
  readonly depth: number;
  readonly bytes_per_token: number; // weights and cache that have to be read
  readonly memory_roof_share: number | null; // of the median; null where the backend has no roofs
  readonly multiply_roof_share: number | null;
  readonly peer?: { readonly name: string } & Speed;
  readonly ratio?: number; // median of the ratios of pairs of runs
  readonly ratio_spread?: readonly [least: number, most: number];
}

/** What happened before the counted runs. */
export interface Start {
  readonly load_ms: number;
  readonly first_token_ms: number; // of the first prompt after loading, until its logits are there
  readonly prompt_tokens: number; // of that prompt
  readonly warm_up_ms: number; // one run of every test
}

export interface TargetSpeed {
  readonly kernels?: readonly KernelTime[]; // of a profiled run
  readonly rows: readonly SpeedRow[];
  readonly start: Start;
  readonly roofs?: Roofs; // medians of the probes beside the runs
}

/** Runs that one target takes for its tests, for progress. */
export function runsOf({ tests, repetitions }: Pick<SpeedOptions, 'tests' | 'repetitions'>): number {
  return tests.length * (1 + repetitions);
}

/**
 * Loads the model once and runs all tests: a row a test, or a row a test and peer.
 *
 * Throws UserError as loadModel and the peers do.
 */
export async function measureTarget(target: SpeedTarget, options: SpeedOptions): Promise<TargetSpeed> {
  const { tests } = options;
  const contextLength = Math.max(1, ...tests.map(({ depth, tokens }) => depth + tokens));
  const sequences = Math.max(1, ...tests.map(({ batch }) => batch));
  const { path, backend, threads, kvType } = target;
  const { onNote, observer } = options;
  observer?.({ kind: 'loading', target });
  const model = await loadModel(path, {
    backend: profiled(backend, options),
    threads,
    kvType,
    contextLength,
    sequences,
    onNote,
    onProgress: observer && ((progress) => observer({ kind: 'loading', target, progress })),
  });
  const engine = new Engine(model);
  const runners: Runner[] = [engine];
  try {
    observer?.({
      kind: 'loaded',
      ms: model.loadMs,
      model: loaded(model, tests),
      memory: memoryOf(model.executable),
    });
    const firstToken = await timeFirstToken(engine, options);
    const vocabulary = model.config.vocabularySize;
    for (const start of options.peers)
      runners.push(await start({ path, threads: threads ?? usableCores(), contextLength, vocabulary }));
    const warmUpMs = await warmUp(runners, options);
    const start = { load_ms: model.loadMs, ...firstToken, warm_up_ms: warmUpMs };
    engine.tell(observer && ((marks) => observer({ kind: 'tokens', marks })));
    const measured = await measureTests(model, runners, options);
    return { start, ...measured, kernels: options.profile ? model.executable.kernelTimes?.() : undefined };
  } finally {
    for (const runner of runners) await runner.dispose();
  }
}

function loaded(model: Model, tests: readonly SpeedTest[]): LoadedModel {
  const work = modelWork(model);
  return {
    ...identityOf(model),
    kvType: model.kvType,
    work: tests.map((test) => workPerToken(work, test, model.maxTokens)),
  };
}

function identityOf({ name, gguf, backend }: Model) {
  return { model: name, type: modelType(gguf), backend: backend.name, threads: backend.threads };
}

/** The backend of that name, started to profile where that is asked for. */
function profiled(name: string, { profile }: SpeedOptions): LoadOptions['backend'] {
  if (!profile) return name;
  return (options) => selectBackend(name, { ...options, profile });
}

async function timeFirstToken(engine: Engine, { tests, signal }: SpeedOptions) {
  const prompt = tests.find(({ kind, depth }) => kind === 'pp' && depth === 0)?.tokens ?? 1;
  const speed = await engine.run({ kind: 'pp', tokens: prompt, depth: 0, batch: 1 }, signal);
  return { first_token_ms: (1e3 * prompt) / speed, prompt_tokens: prompt };
}

/** Milliseconds that percept's own first run of every test takes; peers run once too, uncounted. */
async function warmUp(
  runners: readonly Runner[],
  { tests, signal, onRun, observer }: SpeedOptions,
): Promise<number> {
  const [own, ...peers] = runners;
  let ms = 0;
  for (const test of tests) {
    onRun?.('warm-up');
    observer?.({ kind: 'warm-up', test });
    const start = performance.now();
    await own!.run(test, signal);
    ms += performance.now() - start;
    for (const peer of peers) if (peer.takes(test)) await peer.run(test, signal);
  }
  return ms;
}

async function measureTests(
  model: Model,
  runners: readonly Runner[],
  options: SpeedOptions,
): Promise<Pick<TargetSpeed, 'rows' | 'roofs'>> {
  const rows: SpeedRow[] = [];
  const seen: Roofs[] = [];
  for (const test of options.tests) {
    const samples = await takeTurns(model, runners, test, options);
    const measured = rowsOf(model, samples, medianRoofs(samples.roofs));
    options.observer?.({ kind: 'rows', rows: measured });
    rows.push(...measured);
    seen.push(...samples.roofs);
  }
  return { rows, roofs: medianRoofs(seen) };
}

interface Samples {
  readonly test: SpeedTest;
  readonly byRunner: ReadonlyMap<string, number[]>; // tokens a second, by the runner's name
  readonly roofs: readonly Roofs[];
}

/**
 * percept, peer, percept, peer, ...: sample i of one is the neighbour of sample i of the other, and the roofs, which
 * vary with what else the machine does, are probed beside each.
 */
async function takeTurns(
  { backend, executable }: Model,
  runners: readonly Runner[],
  test: SpeedTest,
  { repetitions, signal, onRun, observer }: SpeedOptions,
): Promise<Samples> {
  const able = runners.filter((runner) => runner.takes(test));
  const byRunner = new Map(able.map(({ name }) => [name, [] as number[]]));
  const roofs: Roofs[] = [];
  for (let i = 0; i < repetitions; i++) {
    onRun?.(labelOf(testName(test), test.depth));
    for (const runner of able) {
      const whose = { runner: runner.name, own: runner === runners[0] };
      observer?.({ kind: 'run', test, ...whose });
      const tok_s = await runner.run(test, signal);
      observer?.({ kind: 'ran', ...whose, tok_s });
      byRunner.get(runner.name)!.push(tok_s);
    }
    const probed = await backend.roofs?.();
    if (!probed) continue;
    roofs.push(probed);
    observer?.({ kind: 'roofs', roofs: probed, memory: memoryOf(executable) });
  }
  return { test, byRunner, roofs };
}

function medianRoofs(roofs: readonly Roofs[]): Roofs | undefined {
  if (roofs.length === 0) return undefined;
  return {
    readBytesPerSecond: median(roofs.map((each) => each.readBytesPerSecond)),
    multiplyAddsPerSecond: median(roofs.map((each) => each.multiplyAddsPerSecond)),
  };
}

function rowsOf(model: Model, { test, byRunner }: Samples, roofs: Roofs | undefined): SpeedRow[] {
  const [own, ...others] = byRunner;
  const work = workPerToken(modelWork(model), test, model.maxTokens);
  const speed = speedOf(own![1]);
  const shares = roofShares(work, speed.median, roofs);
  const row: SpeedRow = {
    ...identityOf(model),
    kv_type: model.kvType,
    test: testName(test),
    depth: test.depth,
    ...speed,
    bytes_per_token: work.bytes,
    memory_roof_share: shares.memory,
    multiply_roof_share: shares.multiply,
  };
  if (others.length === 0) return [row];
  return others.map(([name, samples]) => ({ ...row, ...besides(speed, name, samples) }));
}

function besides(own: Speed, name: string, samples: readonly number[]): Partial<SpeedRow> {
  const ratio = pairedRatio(own.samples, samples);
  return {
    peer: { name, ...speedOf(samples) },
    ratio: ratio.median,
    ratio_spread: [ratio.least, ratio.most],
  };
}

function speedOf(samples: readonly number[]): Speed {
  return { tok_s: mean(samples), sd: standardDeviation(samples), median: median(samples), samples };
}
