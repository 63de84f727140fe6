import { describeMachine } from '../../bench/machine.ts';
import {
  doubts,
  flatSpeedRow,
  kernelNotes,
  SPEED_LEGEND,
  speedMarkdown,
  speedTable,
  targetNotes,
} from '../../bench/model-report.ts';
import { measureTargets, runsOf, type SpeedOptions } from '../../bench/model-speed.ts';
import { parsePeer } from '../../bench/peers/index.ts';
import type { SpeedRow, SpeedTarget } from '../../bench/rows.ts';
import { type SpeedTest, speedTests } from '../../bench/speed-test.ts';
import { UserError } from '../../errors.ts';
import type { Options } from '../arguments/options.ts';
import type { Context } from '../command.ts';
import { notesTo } from '../load.ts';
import { modelFile } from '../model-file.ts';
import { checkFiles, writeReport } from './report.ts';
import { printNotes, Rows } from './rows.ts';
import { measuredRows, plannedBench } from './state.ts';
import { BenchWatch } from './watch.ts';

export async function benchModels(options: Options, context: Context): Promise<void> {
  const { repetitions = 5, report } = options;
  const peers = (options.peer ?? []).map(parsePeer);
  const tests = testsOf(options);
  checkFiles(options);
  checkProfile(options);
  const targets = await targetsOf(options, context);
  const machine = await describeMachine();
  const total = targets.length * runsOf({ tests, repetitions });
  const plan = plannedBench({ targets, tests, peers: peers.length, total });
  const watch = new BenchWatch(options, context, machine, plan);
  const shape = { table: 'percept_bench', flat: flatSpeedRow, markdown: speedMarkdown, legend: SPEED_LEGEND };
  const rows = new Rows<SpeedRow>(options, context, machine, shape);
  const stopped = await measure(targets, { tests, repetitions, peers }, { options, context, watch, rows });
  if (report === undefined) return;
  if (stopped) return context.output.note('no report: stopped before the end');
  const { state } = watch;
  const measured = measuredRows(state);
  writeReport(report, { state, machine, table: speedTable(measured), legend: SPEED_LEGEND, rows: measured });
  context.output.note(`report: ${report}`);
}

interface Surroundings {
  readonly options: Options;
  readonly context: Context;
  readonly watch: BenchWatch;
  readonly rows: Rows<SpeedRow>;
}

/** Measures and prints; after a stop or a failure, what was measured so far. Returns true if the user stopped it. */
async function measure(
  targets: readonly SpeedTarget[],
  runs: Pick<SpeedOptions, 'tests' | 'repetitions' | 'peers'>,
  { options: { profile }, context, watch, rows }: Surroundings,
): Promise<boolean> {
  const { output } = context;
  const onNote = notesTo(output);
  const about: string[] = [];
  const rest = () => rows.add(measuredRows(watch.state).slice(rows.count));
  try {
    const stopped = await watch.during(async (signal) => {
      const speeds = measureTargets(targets, {
        ...runs,
        profile,
        signal,
        onNote: (note) => watch.aside(() => onNote(note)),
        observer: watch.observer,
        marks: watch.wantsMarks,
      });
      for await (const speed of speeds) {
        if (signal.aborted) return; // what came before the stop is printed already
        await rows.add(speed.rows);
        about.push(...targetNotes(speed), ...(profile ? kernelNotes(speed) : []));
      }
    });
    if (stopped) await rest();
    await (stopped ? rows.endEarly() : rows.end());
    printNotes(output, [...about, ...doubts(measuredRows(watch.state))]);
    return stopped;
  } catch (error) {
    await rest().catch(() => {}); // the first failure is the one to tell
    await rows.endFailed();
    throw error;
  }
}

/** Only a named backend takes the option. */
function checkProfile({ profile, backend }: Options): void {
  if (!profile || ![backend ?? 'auto'].flat().includes('auto')) return;
  throw new UserError('--profile needs a named backend.', 'For example: --backend webgpu.', {
    kind: 'usage',
  });
}

/** List options are arrays, although their types say otherwise: hence `flat`, here and below. */
function testsOf({ nPrompt, nGen, nDepth, batch }: Options): SpeedTest[] {
  const tests = speedTests({
    prompts: [nPrompt ?? 512].flat(),
    generations: [nGen ?? 128].flat(),
    depths: [nDepth ?? 0].flat(),
    batches: [batch ?? 1].flat(),
  });
  if (tests.length > 0) return tests;
  throw new UserError('Nothing to measure: -p 0 and -n 0.', 'Leave one of them out.', { kind: 'usage' });
}

/** All combinations of models, backends, threads and cache types. */
async function targetsOf(options: Options, context: Context): Promise<SpeedTarget[]> {
  const { model, backend, threads, kvType } = options;
  const paths: string[] = [];
  for (const reference of [model ?? []].flat()) {
    const file = await modelFile(reference, options, context);
    paths.push(file.path);
  }
  const kvTypes = [kvType as SpeedTarget['kvType']].flat();
  return paths.flatMap((path) =>
    [backend ?? 'auto']
      .flat()
      .flatMap((backend) =>
        [threads].flat().flatMap((threads) => kvTypes.map((kvType) => ({ path, backend, threads, kvType }))),
      ),
  );
}
