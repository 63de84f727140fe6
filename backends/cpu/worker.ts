/**
 * One thread of the CPU backend. Between steps it waits on shared memory for the next one (serve), so a step costs no
 * message. Messages attach memories, load weights, start to serve, and end the thread.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { UserError } from '../../errors.ts';
import { exponentWords } from '../../kernels/finite.ts';
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
import { weightsNotFinite } from '../finite-weights.ts';
import { WeightFiles } from '../weight-files.ts';
import { rowsOf } from '../weight-rows.ts';
import type { CarriedValue, Loaded, LoadJob, StepTables, ThreadData, ToThread } from './threads.ts';
import { instantiate, type KernelExports } from './wasm-module.ts';
import { ROW_SCRATCH } from './weights.ts';

/** A memory with its own instance of the module. */
interface AttachedMemory {
  readonly memory: WebAssembly.Memory;
  readonly kernels: KernelExports;
  readonly control: Int32Array;
}

const { module, memory: first, thread } = workerData as ThreadData;
const memories = [attach(first)];
const { control } = memories[0]!; // announces steps, and counts the load jobs that threads take
const port = parentPort!;

port.on('message', (message: ToThread) => {
  // The main thread may have grown the memories: this updates the sizes that this thread sees.
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

/** Runs every step announced after generation `seen`, until another command comes. */
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

/** Takes the next task, as kernels/wasm/barrier.ts does. The counter is zero again when the threads have met. */
function takeTask({ control }: AttachedMemory): number {
  return Atomics.add(control, NEXT_TASK / 4, 1);
}

/** Copies the rows of a value to the memory of this stage. All threads are done with the stage before. */
function carry({ from, source, target, stride, selected }: CarriedValue, to: AttachedMemory): void {
  const bytes = stride * to.control[(selected ? OUTPUTS : TOKENS) / 4]!;
  const rows = new Uint8Array(memories[from]!.memory.buffer, source, bytes);
  new Uint8Array(to.memory.buffer, target, bytes).set(rows);
}

/** Medians of a few turns, which ignore a turn that was interrupted. */
function measure(kernels: KernelExports, from: number, bytes: number): Roofs {
  const turns = 1_000_000;
  const perTurn = 16 * 16; // products of 16 bytes (roofline.ts)
  return {
    readBytesPerSecond: bytes / median(() => kernels.readRoof(from, bytes)),
    multiplyAddsPerSecond: (turns * perTurn) / median(() => kernels.multiplyRoof(from, turns)),
  };
}

/** Median seconds of `run`, after one turn to warm up. */
function median(run: () => void): number {
  const times = Array.from({ length: 8 }, () => {
    const start = performance.now();
    run();
    return (performance.now() - start) / 1e3;
  });
  return times.slice(1).toSorted((a, b) => a - b)[3]!;
}

/** Takes jobs from the task counter until none is left. Returns the failure, if there was one. */
function load(jobs: readonly LoadJob[], staging: readonly number[]): Loaded {
  using files = new WeightFiles();
  try {
    for (let i = takeTask(memories[0]!); i < jobs.length; i = takeTask(memories[0]!)) {
      run(jobs[i]!, staging[jobs[i]!.memory]!, files);
    }
    return {};
  } catch (error) {
    Atomics.store(control, NEXT_TASK / 4, jobs.length); // the other threads stop too
    if (error instanceof UserError) return { failed: { message: error.message, hint: error.hint } };
    throw error;
  }
}

function run(job: LoadJob, staging: number, files: WeightFiles): void {
  const { name, type, source, first, rows, cols, bytes, kind, to } = job;
  const { memory, kernels } = memories[job.memory]!;
  const from = kind === 'copy' ? to : staging + ROW_SCRATCH;
  files.check(source, name);
  files.run(rowsOf(source, name, first, rows, new Uint8Array(memory.buffer, from, bytes)), name);
  // In WebAssembly: allFinite of kernels/finite.ts would run unoptimized in a new thread.
  const words = exponentWords(type);
  if (words && !kernels.allFinite(from + words.offset, bytes - words.offset, words.step, words.exponents))
    throw weightsNotFinite(name);
  if (kind !== 'copy') kernels.repack(kind, from, to, rows, cols, staging);
}
