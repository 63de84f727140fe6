import { selectBackend } from '../backends/select.ts';
import { casesNamed, type TimedCase, timedCases } from '../bench/conformance/cases.ts';
import { nameOf } from '../bench/conformance/op-case.ts';
import { type FlatRow, toCsv, toSql } from '../bench/formats.ts';
import { type KernelRow, kernelMarkdown, measureKernel } from '../bench/kernel-speed.ts';
import { describeMachine, type Machine } from '../bench/machine.ts';
import { flatSpeedRow, kernelNotes, speedMarkdown, targetNotes } from '../bench/model-report.ts';
import { measureTarget, runsOf, type SpeedRow, type SpeedTarget } from '../bench/model-speed.ts';
import { parsePeer } from '../bench/peers/index.ts';
import { keptCommand, saveRows } from '../bench/results.ts';
import { speedTests } from '../bench/speed-test.ts';
import { chosenBackend } from '../core/devices.ts';
import { directories } from '../core/directories.ts';
import { UserError } from '../errors.ts';
import type { Call } from './commands.ts';
import { CountedProgress } from './counted-progress.ts';
import { loadOptionsOf, modelFile } from './model-file.ts';

/** Speed of models, or of kernels where the first operand says so. */
export async function bench(call: Call): Promise<void> {
  const [what, ...words] = call.operands;
  if (what === undefined) return benchModels(call);
  if (what === 'kernels') return benchKernels(call, words);
  throw new UserError(
    `Expected "kernels" or nothing after percept bench, got "${what}".`,
    'A model goes behind -m.',
    {
      kind: 'usage',
    },
  );
}

async function benchModels(call: Call): Promise<void> {
  const { options, output } = call;
  const peers = (options.peer ?? []).map(parsePeer);
  const tests = speedTests({
    prompts: listed(options.nPrompt) ?? [512],
    generations: listed(options.nGen) ?? [128],
    depths: listed(options.nDepth) ?? [0],
    batches: listed(options.batch) ?? [1],
  });
  if (tests.length === 0) throw nothingToDo();
  const { repetitions = 5, profile } = options;
  const targets = await targetsOf(call);
  const report = new Report<SpeedRow>(call, {
    table: 'percept_bench',
    flat: flatSpeedRow,
    markdown: speedMarkdown,
  });
  const progress = new CountedProgress(output, targets.length * runsOf({ tests, repetitions }));
  const notes: string[] = [];
  const { onNote } = loadOptionsOf(call);
  await progress.during(async () => {
    for (const target of targets) {
      const onRun = (label: string) => progress.next(label);
      const speed = await call.abortable((signal) =>
        measureTarget(target, { tests, repetitions, peers, profile, signal, onRun, onNote }),
      );
      await report.add(speed.rows);
      notes.push(...targetNotes(speed));
      if (profile) notes.push(...kernelNotes(speed));
    }
  });
  await report.end();
  for (const note of notes) output.note(note);
}

/** Every combination of models, backends, threads and types of the cache. */
async function targetsOf(call: Call): Promise<SpeedTarget[]> {
  const { model, backend, threads, kvType } = call.options;
  const paths: string[] = [];
  for (const reference of listed(model) ?? []) {
    const file = await modelFile({ ...call, options: { ...call.options, model: reference } });
    paths.push(file.path);
  }
  const kvTypes = listed(kvType as SpeedTarget['kvType']) ?? [undefined];
  return paths.flatMap((path) =>
    (listed(backend) ?? ['auto']).flatMap((backend) =>
      (listed(threads) ?? [undefined]).flatMap((threads) =>
        kvTypes.map((kvType) => ({ path, backend, threads, kvType })),
      ),
    ),
  );
}

async function benchKernels(call: Call, words: readonly string[]): Promise<void> {
  const { backend: backends, threads, peer } = call.options;
  if (peer) throw new UserError('Kernels have no peers.', 'Leave --peer out.', { kind: 'usage' });
  const report = new Report<KernelRow>(call, {
    table: 'percept_bench_kernels',
    flat: (row) => ({ ...row }),
    markdown: kernelMarkdown,
  });
  for (const name of listed(backends) ?? ['auto']) {
    const backend = name === 'auto' ? await chosenBackend() : name;
    const cases = casesNamed(await casesOf(backend), words);
    if (cases.length === 0) throw noSuchKernel(words);
    const counts = listed(threads) ?? [undefined];
    const progress = new CountedProgress(call.output, cases.length * counts.length);
    await progress.during(async () => {
      for (const threads of counts) {
        for (const kernel of cases) {
          progress.next(nameOf(kernel));
          await report.add([await measureKernel({ backend, threads }, kernel)]);
        }
      }
    });
  }
  await report.end();
}

async function casesOf(name: string): Promise<TimedCase[]> {
  const backend = await selectBackend(name, { cacheDirectory: directories().cache });
  const cases = timedCases(backend);
  await backend.dispose();
  return cases;
}

/** The values of an option that takes several: an array from flags, a single value from anywhere else. */
function listed<T>(value: T | undefined): readonly T[] | undefined {
  return value === undefined ? undefined : ([value].flat() as T[]);
}

interface Shape<Row> {
  readonly table: string; // in SQL
  readonly flat: (row: Row) => FlatRow;
  readonly markdown: (rows: readonly Row[]) => string;
}

/** Rows on their way out: jsonl as they come, the other formats at the end; --save in any case. */
class Report<Row extends object> {
  readonly #call: Call;
  readonly #shape: Shape<Row>;
  readonly #format: string;
  readonly #machine: Promise<Machine>;
  readonly #rows: Row[] = [];

  constructor(call: Call, shape: Shape<Row>) {
    const { json, jsonl, output } = call.options;
    this.#call = call;
    this.#shape = shape;
    this.#format = json ? 'json' : jsonl ? 'jsonl' : output!;
    this.#machine = describeMachine();
  }

  async add(rows: readonly Row[]): Promise<void> {
    this.#rows.push(...rows);
    const { output, options } = this.#call;
    if (this.#format === 'jsonl') for (const row of rows) await output.json(row);
    if (options.save === undefined) return;
    const command = `percept ${keptCommand(process.argv.slice(2))}`;
    saveRows(options.save, { date: new Date().toISOString(), machine: await this.#machine, command }, rows);
  }

  async end(): Promise<void> {
    const { output } = this.#call;
    const { table, flat, markdown } = this.#shape;
    const machine = await this.#machine;
    if (this.#format === 'json') return output.json({ machine, rows: this.#rows });
    if (this.#format === 'csv') return output.print(toCsv(this.#rows.map(flat)));
    if (this.#format === 'sql') return output.print(toSql(table, this.#rows.map(flat)));
    if (this.#format === 'jsonl') return;
    const { cpu, cores, platform, node, percept, commit } = machine;
    const version = commit ? `${percept} (${commit})` : percept;
    await output.print(`${cpu}, ${cores} cores, ${platform}, Node ${node}, percept ${version}\n\n`);
    await output.print(markdown(this.#rows));
  }
}

function nothingToDo(): UserError {
  return new UserError('Expected something to read or to write, got -p 0 -n 0.', 'Leave one of them out.', {
    kind: 'usage',
  });
}

export function noSuchKernel(words: readonly string[]): UserError {
  return new UserError(
    `Expected words that are part of a kernel's op, type or shape, got "${words.join(' ')}".`,
    'The words matmul q4_0 choose one type of weight, attention one op, attention q8 one type of cache.',
    { kind: 'usage' },
  );
}
