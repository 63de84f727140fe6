import { selectBackend } from '../../backends/select.ts';
import { type TimedCase, timedCases } from '../../bench/conformance/cases.ts';
import {
  KERNEL_LEGEND,
  type KernelTarget,
  kernelMarkdown,
  kernelTable,
  measureKernel,
} from '../../bench/kernel-speed.ts';
import { describeMachine } from '../../bench/machine.ts';
import type { KernelRow } from '../../bench/rows.ts';
import { chosenBackend } from '../../core/devices.ts';
import { directories } from '../../core/directories.ts';
import { UserError } from '../../errors.ts';
import type { Options } from '../arguments/options.ts';
import type { Context } from '../command.ts';
import { casesChosen } from './case-words.ts';
import { checkFiles, writeReport } from './report.ts';
import { Rows } from './rows.ts';
import { plannedBench } from './state.ts';
import { BenchWatch } from './watch.ts';

export async function benchKernels(
  words: readonly string[],
  options: Options,
  context: Context,
): Promise<void> {
  const { peer, report } = options;
  if (peer) throw new UserError('No peer runs single kernels.', 'Leave --peer out.', { kind: 'usage' });
  checkFiles(options);
  const timings = await timingsOf(words, options);
  const machine = await describeMachine();
  const shape = {
    table: 'percept_bench_kernels',
    flat: (row: KernelRow) => ({ ...row }),
    markdown: kernelMarkdown,
    legend: KERNEL_LEGEND,
  };
  const rows = new Rows<KernelRow>(options, context, machine, shape);
  const watch = new BenchWatch(options, context, machine, plannedBench({ total: timings.length }));
  const stopped = await watch
    .during(async (signal) => {
      for (const { target, kernel } of timings) {
        await rows.add([await measureKernel(target, kernel, { signal, observer: watch.observer })]);
      }
    })
    .catch(async (error) => {
      await rows.endFailed();
      throw error;
    });
  await (stopped ? rows.endEarly() : rows.end());
  if (report === undefined) return;
  if (stopped) return context.output.note('no report: stopped before the end');
  const measured = watch.state.kernels.map(({ row }) => row);
  writeReport(report, {
    state: watch.state,
    machine,
    table: kernelTable(measured),
    legend: KERNEL_LEGEND,
    rows: measured,
  });
  context.output.note(`report: ${report}`);
}

interface Timing {
  readonly target: KernelTarget;
  readonly kernel: TimedCase;
}

/** All combinations of backends, numbers of threads, and the kernels that the words choose. */
async function timingsOf(words: readonly string[], options: Options): Promise<Timing[]> {
  const { backend: backends, threads } = options;
  const timings: Timing[] = [];
  for (const name of [backends ?? 'auto'].flat()) {
    const backend = name === 'auto' ? await chosenBackend() : name;
    const cases = casesChosen(await casesOf(backend), words);
    for (const count of [threads].flat()) {
      timings.push(...cases.map((kernel) => ({ target: { backend, threads: count }, kernel })));
    }
  }
  return timings;
}

async function casesOf(name: string): Promise<TimedCase[]> {
  const backend = await selectBackend(name, { cacheDirectory: directories().cache });
  const cases = timedCases(backend);
  await backend.dispose();
  return cases;
}
