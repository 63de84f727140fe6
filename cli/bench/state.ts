/** What a bench has come to: its events folded into one value. */
import type { Roofs } from '../../backends/backend.ts';
import { digits } from '../../bench/formats.ts';
import type { BenchEvent, LoadedModel, Mark, Memory } from '../../bench/observer.ts';
import type { KernelRow, SpeedRow, SpeedTarget } from '../../bench/rows.ts';
import { labelOf, type SpeedTest, testName } from '../../bench/speed-test.ts';

export interface BenchState {
  readonly targets: readonly TargetState[]; // none where kernels are measured
  readonly kernels: readonly MeasuredKernel[];
  readonly rows: readonly SpeedRow[]; // of tests that are through
  readonly progress: { readonly begun: number; readonly total: number }; // runs, or kernels
  readonly doing: string; // right now, in words
  readonly running?: Running;
  /** A run is under way, or about to begin. */
  readonly isMeasuring: boolean;
  readonly memory?: Memory; // of the target, or kernel, at hand
  readonly loadMs?: number; // of that target
  readonly peers: number; // that percept takes turns with
}

export interface TargetState {
  readonly target: SpeedTarget;
  readonly loaded?: LoadedModel;
  readonly tests: readonly TestState[];
}

export interface TestState {
  readonly test: SpeedTest;
  readonly samples: readonly number[]; // tok/s of each run
  readonly curves: readonly (readonly Mark[])[]; // of each run; the last may still grow
  readonly peers: readonly PeerState[];
  readonly roofs: readonly Roofs[]; // probed beside each run
}

export interface PeerState {
  readonly name: string;
  readonly samples: readonly number[]; // each beside that of percept
}

export interface MeasuredKernel {
  readonly row: KernelRow;
  readonly roofs?: Roofs;
}

/** The run at hand, by its place in `targets` and their tests. */
export interface Running {
  readonly target: number;
  readonly test: number;
  readonly runner: string;
  readonly own: boolean;
}

export interface BenchPlan {
  readonly targets?: readonly SpeedTarget[];
  readonly tests?: readonly SpeedTest[];
  readonly peers?: number;
  readonly total: number; // runs, or kernels
}

export function plannedBench({ targets = [], tests = [], peers = 0, total }: BenchPlan): BenchState {
  const waiting = tests.map((test) => ({ test, samples: [], curves: [], peers: [], roofs: [] }));
  return {
    targets: targets.map((target) => ({ target, tests: waiting })),
    kernels: [],
    rows: [],
    isMeasuring: false,
    progress: { begun: 0, total },
    doing: 'starting',
    peers,
  };
}

/** What comes in a run or right before one. */
const MEASURING: ReadonlySet<BenchEvent['kind']> = new Set(['run', 'tokens', 'roofs', 'rows']);

export function afterEvent(state: BenchState, event: BenchEvent): BenchState {
  return { ...changed(state, event), isMeasuring: MEASURING.has(event.kind) };
}

function changed(state: BenchState, event: BenchEvent): BenchState {
  switch (event.kind) {
    case 'loading':
      return { ...state, running: undefined, doing: loadingInWords(event) };
    case 'loaded':
      return loaded(state, event);
    case 'warm-up':
      return { ...counted(state), doing: `${nameOf(event.test)}, warm-up` };
    case 'run':
      return begun(event.own ? counted(state) : state, event);
    case 'tokens':
      return onTest(state, ({ curves }) => ({
        curves: [...curves.slice(0, -1), [...(curves.at(-1) ?? []), ...event.marks]],
      }));
    case 'ran':
      return ran(state, event);
    case 'roofs':
      return {
        ...onTest(state, ({ roofs }) => ({ roofs: [...roofs, event.roofs] })),
        memory: event.memory,
      };
    case 'rows':
      return { ...state, running: undefined, rows: [...state.rows, ...event.rows] };
    case 'kernel':
      return { ...counted(state), doing: event.name };
    case 'kernel-row': {
      const { row, roofs, memory } = event;
      return { ...state, kernels: [...state.kernels, { row, roofs }], memory };
    }
  }
}

function loaded(state: BenchState, event: Extract<BenchEvent, { kind: 'loaded' }>): BenchState {
  const { model, memory, ms } = event;
  const at = targetAtHand(state) + 1;
  const target = state.targets[at];
  const targets = target ? state.targets.with(at, { ...target, loaded: model }) : state.targets;
  return { ...state, targets, memory, loadMs: ms, doing: 'first token' };
}

function loadingInWords({ progress }: Extract<BenchEvent, { kind: 'loading' }>): string {
  const { readBytes, weightBytes } = progress ?? {};
  if (readBytes === undefined || !weightBytes) return 'loading';
  return `loading, ${Math.floor((100 * readBytes) / weightBytes)} %`;
}

function nameOf(test: SpeedTest): string {
  return labelOf(testName(test), test.depth);
}

/** Another run, or kernel, begins. */
function counted(state: BenchState): BenchState {
  const { begun, total } = state.progress;
  return { ...state, running: undefined, progress: { begun: Math.min(total, begun + 1), total } };
}

/** Targets come in order: the one at hand is the last that was loaded. */
function targetAtHand({ targets }: BenchState): number {
  return targets.findLastIndex(({ loaded }) => loaded !== undefined);
}

/** Changes the test of the run at hand. */
function onTest(state: BenchState, change: (test: TestState) => Partial<TestState>): BenchState {
  const target = state.running && state.targets[state.running.target];
  const test = target?.tests[state.running!.test];
  if (!target || !test) return state;
  const tests = target.tests.with(state.running!.test, { ...test, ...change(test) });
  return { ...state, targets: state.targets.with(state.running!.target, { ...target, tests }) };
}

function begun(state: BenchState, { test, runner, own }: Extract<BenchEvent, { kind: 'run' }>): BenchState {
  const target = targetAtHand(state);
  const index = state.targets[target]?.tests.findIndex((known) => nameOf(known.test) === nameOf(test)) ?? -1;
  const running = { target, test: index, runner, own };
  const next = { ...state, running, doing: `${nameOf(test)}, ${runner}` };
  return own ? onTest(next, ({ curves }) => ({ curves: [...curves, []] })) : next;
}

function ran(state: BenchState, { runner, own, tok_s }: Extract<BenchEvent, { kind: 'ran' }>): BenchState {
  const next = onTest(state, ({ samples, peers }) => {
    if (own) return { samples: [...samples, tok_s] };
    const known = peers.find(({ name }) => name === runner) ?? { name: runner, samples: [] };
    const others = peers.filter(({ name }) => name !== runner);
    return { peers: [...others, { name: runner, samples: [...known.samples, tok_s] }] };
  });
  return { ...next, doing: `${state.doing}: ${digits(tok_s)} tok/s` };
}
