import { describeMachine } from '../../bench/machine.ts';
import {
  flatSpeedRow,
  kernelNotes,
  speedMarkdown,
  speedTable,
  targetNotes,
} from '../../bench/model-report.ts';
import { measureTargets, runsOf } from '../../bench/model-speed.ts';
import { parsePeer } from '../../bench/peers/index.ts';
import type { SpeedRow, SpeedTarget } from '../../bench/rows.ts';
import { type SpeedTest, speedTests } from '../../bench/speed-test.ts';
import { UserError } from '../../errors.ts';
import type { Options } from '../arguments/options.ts';
import type { Context } from '../command.ts';
import { notesTo } from '../load.ts';
import { modelFile } from '../model-file.ts';
import { checkReport, writeReport } from './report.ts';
import { Rows } from './rows.ts';
import { plannedBench } from './state.ts';
import { BenchWatch } from './watch.ts';

export async function benchModels(options: Options, context: Context): Promise<void> {
  const { output } = context;
  const { repetitions = 5, profile, report } = options;
  const peers = (options.peer ?? []).map(parsePeer);
  const tests = testsOf(options);
  if (report !== undefined) checkReport(report);
  const targets = await targetsOf(options, context);
  const machine = await describeMachine();
  const shape = { table: 'percept_bench', flat: flatSpeedRow, markdown: speedMarkdown };
  const rows = new Rows<SpeedRow>(options, context, machine, shape);
  const total = targets.length * runsOf({ tests, repetitions });
  const plan = plannedBench({ targets, tests, peers: peers.length, total });
  const watch = new BenchWatch(options, context, machine, plan);
  const notes: string[] = [];
  const onNote = notesTo(output);
  const stopped = await watch.during(async (signal) => {
    const speeds = measureTargets(targets, {
      tests,
      repetitions,
      peers,
      profile,
      signal,
      onNote: (note) => watch.aside(() => onNote(note)),
      observer: watch.observer,
      marks: watch.wantsMarks,
    });
    for await (const speed of speeds) {
      await rows.add(speed.rows);
      notes.push(...targetNotes(speed));
      if (profile) notes.push(...kernelNotes(speed));
    }
  });
  if (stopped) await rows.add(watch.state.rows.slice(rows.count));
  if (!stopped || rows.count > 0) await rows.end();
  for (const note of notes) output.note(note);
  if (stopped || report === undefined) return;
  writeReport(report, {
    state: watch.state,
    machine,
    table: speedTable(watch.state.rows),
    rows: watch.state.rows,
  });
  output.note(`report: ${report}`);
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
