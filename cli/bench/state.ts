/** The state of a bench: its events folded into one value. */
import type { Roofs } from '../../backends/backend.ts';
import type { BenchEvent, LoadedModel, Mark, Memory } from '../../bench/events.ts';
import { digits } from '../../bench/formats.ts';
import type { KernelRow, SpeedRow, SpeedTarget } from '../../bench/rows.ts';
import { speedRows, type TestSamples } from '../../bench/speed-rows.ts';
import { labelOf, type SpeedTest, testName } from '../../bench/speed-test.ts';

export interface BenchState {
  readonly targets: readonly TargetState[]; // none where kernels are measured
  readonly kernels: readonly MeasuredKernel[];
  readonly progress: { readonly begun: number; readonly total: number }; // runs, or kernels
  readonly doing: string; // the current work, in words
  readonly running?: Running;
  /** A run is under way, or about to begin. */
  readonly isMeasuring: boolean;
  readonly memory?: Memory; // of the current target or kernel
  readonly loadMs?: number; // of the current target
  readonly peers: number;
}

export interface TargetState {
  readonly target: SpeedTarget;
  readonly loaded?: LoadedModel;
  readonly tests: readonly TestState[];
}

export interface TestState extends TestSamples {
  readonly curves: readonly (readonly Mark[])[]; // of each run; the last may still grow
}

export interface MeasuredKernel {
  readonly row: KernelRow;
  readonly roofs?: Roofs;
}

/** Places in `targets` and in their tests. */
interface TestPlace {
  readonly target: number;
  readonly test: number;
}

export interface Running extends TestPlace {
  readonly runner: string;
  readonly own: boolean; // percept's, not a peer's
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
    isMeasuring: false,
    progress: { begun: 0, total },
    doing: 'starting',
    peers,
  };
}

/** The rows so far, target by target. */
export function measuredRows({ targets }: BenchState): SpeedRow[] {
  return targets.flatMap(({ loaded, tests }) => (loaded ? speedRows(loaded, tests) : []));
}

/** Events inside a run or right before one. */
const MEASURING: ReadonlySet<BenchEvent['kind']> = new Set(['run', 'marks', 'roofs', 'tested']);

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
      return { ...counted(state), doing: `${nameOf(state, event)}, warm-up` };
    case 'run':
      return begun(event.own ? counted(state) : state, event);
    case 'marks':
      return onTest(state, event, (test) => withMarks(test, event.marks));
    case 'ran':
      return ran(state, event);
    case 'roofs':
      return {
        ...onTest(state, event, ({ roofs }) => ({ roofs: [...roofs, event.roofs] })),
        memory: event.memory,
      };
    case 'tested':
      return { ...state, running: undefined };
    case 'kernel':
      return { ...counted(state), doing: event.name };
    case 'kernel-row': {
      const { row, roofs, memory } = event;
      return { ...state, kernels: [...state.kernels, { row, roofs }], memory };
    }
  }
}

type EventOf<Kind extends BenchEvent['kind']> = Extract<BenchEvent, { kind: Kind }>;

function loaded(state: BenchState, { target, ms, model, memory }: EventOf<'loaded'>): BenchState {
  const known = state.targets[target];
  const targets = known ? state.targets.with(target, { ...known, loaded: model }) : state.targets;
  return { ...state, targets, memory, loadMs: ms, doing: 'first token' };
}

function loadingInWords({ progress }: EventOf<'loading'>): string {
  const { readBytes, weightBytes } = progress ?? {};
  if (readBytes === undefined || !weightBytes) return 'loading';
  return `loading, ${Math.floor((100 * readBytes) / weightBytes)} %`;
}

/** pp512 @ d4096 */
function nameOf({ targets }: BenchState, { target, test }: TestPlace): string {
  const known = targets[target]?.tests[test]?.test;
  return known ? labelOf(testName(known), known.depth) : '';
}

/** One more run, or kernel, begins. */
function counted(state: BenchState): BenchState {
  const { begun, total } = state.progress;
  return { ...state, running: undefined, progress: { begun: Math.min(total, begun + 1), total } };
}

/** Changes the test of an event. */
function onTest(
  state: BenchState,
  at: TestPlace,
  change: (test: TestState) => Partial<TestState>,
): BenchState {
  const target = state.targets[at.target];
  const test = target?.tests[at.test];
  if (!target || !test) return state;
  const tests = target.tests.with(at.test, { ...test, ...change(test) });
  return { ...state, targets: state.targets.with(at.target, { ...target, tests }) };
}

/** Adds marks to the curve that the last run began. */
function withMarks({ curves }: TestState, marks: readonly Mark[]): Partial<TestState> {
  const last = curves.at(-1);
  return last ? { curves: curves.with(-1, [...last, ...marks]) } : {};
}

function begun(state: BenchState, { kind: _, ...running }: EventOf<'run'>): BenchState {
  const next = { ...state, running, doing: `${nameOf(state, running)}, ${running.runner}` };
  return running.own ? onTest(next, running, ({ curves }) => ({ curves: [...curves, []] })) : next;
}

function ran(state: BenchState, event: EventOf<'ran'>): BenchState {
  const { runner, own, tok_s } = event;
  const next = onTest(state, event, ({ samples, peers }) => {
    if (own) return { samples: [...samples, tok_s] };
    const known = peers.find(({ name }) => name === runner) ?? { name: runner, samples: [] };
    const others = peers.filter(({ name }) => name !== runner);
    return { peers: [...others, { name: runner, samples: [...known.samples, tok_s] }] };
  });
  return { ...next, doing: `${state.doing}: ${digits(tok_s)} tok/s` };
}
