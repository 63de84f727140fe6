/** Speed of a model. Percept and its peers run alternately; every speed is compared with the roofs of the machine. */
import type { KernelTime, Roofs } from '../backends/backend.ts';
import { selectBackend, usableCores } from '../backends/select.ts';
import { modelTitle, modelType } from '../core/gguf/model-type.ts';
import { type LoadOptions, loadModel, type Model } from '../core/index.ts';
import { type LoadedModel, memoryOf, type Observer, type TestEvent } from './events.ts';
import { ModelRunner } from './model-runner.ts';
import type { Peer } from './peers/index.ts';
import type { SpeedRow, SpeedTarget } from './rows.ts';
import type { Runner } from './runner.ts';
import { roofsOf, speedRows, type TestSamples } from './speed-rows.ts';
import { type SpeedTest, timedSteps } from './speed-test.ts';
import { modelWork, workPerToken } from './work.ts';

export interface SpeedOptions {
  readonly tests: readonly SpeedTest[];
  readonly repetitions: number; // counted runs of each test
  readonly peers: readonly Peer[];
  /** Times every kernel too, which slows the runs. */
  readonly profile?: boolean;
  readonly signal?: AbortSignal;
  readonly onNote?: LoadOptions['onNote'];
  readonly observer?: Observer;
  /** Whether the observer gets `marks`. */
  readonly marks?: boolean;
}

/** Times before the counted runs. */
export interface StartTimes {
  readonly load_ms: number;
  readonly first_token_ms: number; // from the first prompt after loading to its logits
  readonly prompt_tokens: number; // of that prompt
  readonly warm_up_ms: number; // one run of every test
}

export interface TargetSpeed {
  readonly kernels?: readonly KernelTime[]; // of a profiled run
  readonly rows: readonly SpeedRow[];
  readonly start: StartTimes;
  readonly roofs?: Roofs; // the best of the probes between the runs
}

/** Number of runs of one target, warm-up included. */
export function runsOf({ tests, repetitions }: Pick<SpeedOptions, 'tests' | 'repetitions'>): number {
  return tests.length * (1 + repetitions);
}

/**
 * Measures one target after the other, each loaded once: a row per test, or per test and peer.
 *
 * Throws UserError as loadModel and the peers do.
 */
export async function* measureTargets(
  targets: readonly SpeedTarget[],
  options: SpeedOptions,
): AsyncGenerator<TargetSpeed> {
  for (const [place, target] of targets.entries()) yield await measureTarget(target, place, options);
}

async function measureTarget(
  target: SpeedTarget,
  place: number,
  options: SpeedOptions,
): Promise<TargetSpeed> {
  const { tests, observer } = options;
  const model = await load(target, place, options);
  const own = new ModelRunner(model);
  const runners: Runner[] = [own];
  try {
    const memory = memoryOf(model.executable);
    const loaded = loadedModel(model, tests);
    observer?.({ kind: 'loaded', target: place, ms: model.loadMs, model: loaded, memory });
    const firstToken = await timeFirstToken(own, options);
    for (const start of options.peers)
      runners.push(distinct(await start(peerTarget(target, model, tests)), runners));
    const measuring = { ...options, model, own, runners, place };
    const start = { load_ms: model.loadMs, ...firstToken, warm_up_ms: await warmUp(measuring) };
    const samples = await measureTests(measuring);
    const measured = { rows: speedRows(loaded, samples), roofs: roofsOf(samples) };
    return { start, ...measured, kernels: options.profile ? model.executable.kernelTimes?.() : undefined };
  } finally {
    for (const runner of runners) await runner.dispose();
  }
}

/** A loaded target and its runners, percept's first. */
interface Measuring extends SpeedOptions {
  readonly model: Model;
  readonly own: ModelRunner;
  readonly runners: readonly Runner[];
  readonly place: number; // among the targets
}

function load(target: SpeedTarget, place: number, options: SpeedOptions): Promise<Model> {
  const { path, backend, threads, kvType } = target;
  const { tests, onNote, observer } = options;
  observer?.({ kind: 'loading', target: place });
  return loadModel(path, {
    backend: profiled(backend, options),
    threads,
    kvType,
    contextLength: contextOf(tests),
    sequences: Math.max(1, ...tests.map(({ batch }) => batch)),
    onNote,
    onProgress: observer && ((progress) => observer({ kind: 'loading', target: place, progress })),
  });
}

/** Positions that the longest test needs. */
function contextOf(tests: readonly SpeedTest[]): number {
  return Math.max(1, ...tests.map(({ depth, tokens }) => depth + tokens));
}

/** The named backend, with profiling if requested. */
function profiled(name: string, { profile }: SpeedOptions): LoadOptions['backend'] {
  if (!profile) return name;
  return (options) => selectBackend(name, { ...options, profile });
}

function peerTarget({ path, threads }: SpeedTarget, { config }: Model, tests: readonly SpeedTest[]) {
  return {
    path,
    threads: threads ?? usableCores(),
    contextLength: contextOf(tests),
    vocabulary: config.vocabularySize,
  };
}

/** `peer` under a name that no other runner has: llama-bench, llama-bench 2. */
function distinct(peer: Runner, others: readonly Runner[]): Runner {
  const taken = new Set(others.map(({ name }) => name));
  let name = peer.name;
  for (let count = 2; taken.has(name); count++) name = `${peer.name} ${count}`;
  return {
    name,
    canRun: (test) => peer.canRun(test),
    run: (test, signal) => peer.run(test, signal),
    dispose: () => peer.dispose(),
  };
}

function loadedModel(model: Model, tests: readonly SpeedTest[]): LoadedModel {
  const work = modelWork(model);
  return {
    ...identityOf(model),
    kvType: model.kvType,
    work: tests.map((test) => workPerToken(work, test, model.maxTokens)),
    steps: tests.map((test) => [...timedSteps(test, model.maxTokens)].length),
  };
}

function identityOf({ path, gguf, backend }: Model) {
  const type = modelType(gguf);
  return { model: modelTitle(path, type), type, backend: backend.name, threads: backend.threads };
}

async function timeFirstToken(own: ModelRunner, { tests, signal }: SpeedOptions) {
  const prompt = tests.find(({ kind, depth }) => kind === 'pp' && depth === 0)?.tokens ?? 1;
  const speed = await own.run({ kind: 'pp', tokens: prompt, depth: 0, batch: 1 }, signal);
  return { first_token_ms: (1e3 * prompt) / speed, prompt_tokens: prompt };
}

/** Milliseconds of percept's own first run of every test; peers run once too, untimed. */
async function warmUp({ runners, tests, signal, observer, place }: Measuring): Promise<number> {
  const [own, ...peers] = runners;
  let ms = 0;
  for (const [i, test] of tests.entries()) {
    observer?.({ kind: 'warm-up', target: place, test: i });
    const start = performance.now();
    await own!.run(test, signal);
    ms += performance.now() - start;
    for (const peer of peers) if (peer.canRun(test)) await peer.run(test, signal);
  }
  return ms;
}

async function measureTests(measuring: Measuring): Promise<TestSamples[]> {
  const { own, tests, observer, place, marks } = measuring;
  const measured: TestSamples[] = [];
  for (const [i, test] of tests.entries()) {
    const at = { target: place, test: i };
    own.onMarks = marks && observer ? (marks) => observer({ kind: 'marks', ...at, marks }) : undefined;
    measured.push(await sample(test, at, measuring));
    observer?.({ kind: 'tested', ...at });
  }
  return measured;
}

/**
 * Runs percept, peer, percept, peer, ..., so sample i of one is adjacent in time to sample i of the other. The roofs
 * depend on the load of the machine, so they are probed after each pair.
 */
async function sample(
  test: SpeedTest,
  at: Pick<TestEvent, 'target' | 'test'>,
  { model, own, runners, repetitions, signal, observer }: Measuring,
): Promise<TestSamples> {
  const able = runners
    .filter((runner) => runner.canRun(test))
    .map((runner) => ({ runner, name: runner.name, samples: [] as number[] }));
  const roofs: Roofs[] = [];
  for (let i = 0; i < repetitions; i++) {
    for (const { runner, name, samples } of able) {
      const whose = { ...at, runner: name, own: runner === own };
      observer?.({ kind: 'run', ...whose });
      const tok_s = await runner.run(test, signal);
      observer?.({ kind: 'ran', ...whose, tok_s });
      samples.push(tok_s);
    }
    const probed = await model.backend.roofs?.();
    if (!probed) continue;
    roofs.push(probed);
    observer?.({ kind: 'roofs', ...at, roofs: probed, memory: memoryOf(model.executable) });
  }
  const [mine, ...peers] = able;
  return {
    test,
    samples: mine!.samples,
    peers: peers.map(({ name, samples }) => ({ name, samples })),
    roofs,
  };
}
