/**
 * One thread of the CPU backend. Between steps it waits for the next one on shared memory (serve), so that a step costs
 * no message; messages bring it further memories, weights to read, and the work to serve or the end of it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { UserError } from '../../errors.ts';
import {
  COMMAND,
  DONE,
  GENERATION,
  HEAP,
  NEXT_TASK,
  OUTPUTS,
  RUN,
  TOKENS,
} from '../../kernels/wasm/layout.ts';
import type { Roofs } from '../backend.ts';
import { WeightFiles } from '../weight-files.ts';
import { rowsOf } from '../weight-rows.ts';
import type { CarriedValue, Loaded, LoadJob, StepTables, ThreadData, ToThread } from './threads.ts';
import { instantiate, type KernelExports } from './wasm-module.ts';
import { ROW_SCRATCH } from './weights.ts';

/** The module on one memory. */
interface AttachedMemory {
  readonly memory: WebAssembly.Memory;
  readonly kernels: KernelExports;
  readonly control: Int32Array;
}

const { module, memory: first, thread } = workerData as ThreadData;
const memories = [attach(first)];
const { control } = memories[0]!; // where steps are announced and loading shares its jobs
const port = parentPort!;

port.on('message', (message: ToThread) => {
  // Brings this thread's views up to the sizes that the main thread has grown the memories to.
  for (const { memory } of memories) memory.grow(0);
  if (message.type === 'attach') {
    memories.push(attach(message.memory));
  } else if (message.type === 'serve') {
    serve(message.seen, message.threads, message.tables);
    port.postMessage(undefined);
  } else if (message.type === 'load') {
    port.postMessage(load(message.jobs, message.staging));
  } else if (message.type === 'measure') {
    port.postMessage(measure(memories[message.memory]!.kernels, message.from, message.bytes));
  } else port.close();
});

function attach(memory: WebAssembly.Memory): AttachedMemory {
  const control = new Int32Array(memory.buffer, 0, HEAP / 4);
  return { memory, kernels: instantiate(module, memory), control };
}

/** Runs every step announced after generation `seen`, until told to leave. */
function serve(seen: number, threads: number, tables: StepTables): void {
  while (true) {
    while (Atomics.load(control, GENERATION / 4) === seen) Atomics.wait(control, GENERATION / 4, seen);
    seen = Atomics.load(control, GENERATION / 4);
    if (Atomics.load(control, COMMAND / 4) !== RUN) return;
    for (const { memory, table, carried, scratch } of tables) {
      const attached = memories[memory]!;
      if (carried.length > 0) {
        for (let i = takeTask(attached); i < carried.length; i = takeTask(attached))
          carry(carried[i]!, attached);
        attached.kernels.meet(threads);
      }
      attached.kernels.walk(table, threads, scratch[thread]!);
    }
    if (Atomics.load(control, DONE / 4) !== seen) {
      Atomics.store(control, DONE / 4, seen);
      Atomics.notify(control, DONE / 4);
    }
  }
}

/** As in kernels/wasm/barrier.ts; zero again when the threads have met. */
function takeTask({ control }: AttachedMemory): number {
  return Atomics.add(control, NEXT_TASK / 4, 1);
}

/** Copies the rows of a buffer to where the next stage reads them; all threads are done with the stage before. */
function carry({ from, source, target, stride, selected }: CarriedValue, to: AttachedMemory): void {
  const bytes = stride * to.control[(selected ? OUTPUTS : TOKENS) / 4]!;
  const rows = new Uint8Array(memories[from]!.memory.buffer, source, bytes);
  new Uint8Array(to.memory.buffer, target, bytes).set(rows);
}

/** Medians of a few turns, so that neither a lucky nor an interrupted one counts. */
function measure(kernels: KernelExports, from: number, bytes: number): Roofs {
  const turns = 1_000_000;
  const perTurn = 16 * 16; // products of 16 bytes (roofline.ts)
  return {
    readBytesPerSecond: bytes / median(() => kernels.readRoof(from, bytes)),
    multiplyAddsPerSecond: (turns * perTurn) / median(() => kernels.multiplyRoof(from, turns)),
  };
}

/** Seconds `run` takes, after one turn to warm up. */
function median(run: () => void): number {
  const times = Array.from({ length: 8 }, () => {
    const start = performance.now();
    run();
    return (performance.now() - start) / 1e3;
  });
  return times.slice(1).toSorted((a, b) => a - b)[3]!;
}

/** Takes jobs from the counter of tasks until none is left; returns what went wrong, if anything. */
function load(jobs: readonly LoadJob[], staging: readonly number[]): Loaded {
  using files = new WeightFiles();
  try {
    for (let i = takeTask(memories[0]!); i < jobs.length; i = takeTask(memories[0]!)) {
      run(jobs[i]!, staging[jobs[i]!.memory]!, files);
    }
    return {};
  } catch (error) {
    Atomics.store(control, NEXT_TASK / 4, jobs.length); // the others need not go on
    if (error instanceof UserError) return { failed: { message: error.message, hint: error.hint } };
    throw error;
  }
}

function run(job: LoadJob, staging: number, files: WeightFiles): void {
  const { name, source, first, rows, cols, bytes, kind, to } = job;
  const { memory, kernels } = memories[job.memory]!;
  const into = new Uint8Array(memory.buffer, kind === 'copy' ? to : staging + ROW_SCRATCH, bytes);
  files.check(source, name);
  files.run(rowsOf(source, name, first, rows, into), name);
  if (kind !== 'copy') kernels.repack(kind, staging + ROW_SCRATCH, to, rows, cols, staging);
}
