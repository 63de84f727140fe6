/**
 * One thread of the CPU backend. Between steps it waits inside wasm (serve), so that a step costs no message;
 * it comes back to JavaScript to read weights or to end.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { NEXT_TASK } from '../../kernels/wasm/layout.ts';
import type { Roofs } from '../backend.ts';
import type { LoadJob, ThreadData, ToThread } from './threads.ts';
import { instantiate } from './wasm-module.ts';
import { ROW_SCRATCH } from './weights.ts';

const { module, memory } = workerData as ThreadData;
const kernels = instantiate(module, memory);
const port = parentPort!;

port.on('message', (message: ToThread) => {
  if (message.type === 'serve') {
    kernels.serve(message.seen, message.threads, message.scratch, message.dotClass);
  } else if (message.type === 'load') {
    port.postMessage(load(message.jobs, message.staging));
  } else if (message.type === 'measure') {
    port.postMessage(measure(message.from, message.bytes));
  } else port.close();
});

/** Medians of a few turns, so that neither a lucky nor an interrupted one counts. */
function measure(from: number, bytes: number): Roofs {
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
function load(jobs: readonly LoadJob[], staging: number): { failed?: string } {
  const next = new Int32Array(memory.buffer, NEXT_TASK, 1);
  const files = new Map<string, number>();
  memory.grow(0); // brings this thread's view up to the size that the main thread has grown it to
  try {
    for (let i = Atomics.add(next, 0, 1); i < jobs.length; i = Atomics.add(next, 0, 1)) {
      run(jobs[i]!, staging, files);
    }
    return {};
  } catch (error) {
    Atomics.store(next, 0, jobs.length); // the others need not go on
    return { failed: error instanceof Error ? error.message : String(error) };
  } finally {
    for (const file of files.values()) closeSync(file);
  }
}

function run(
  { name, source, bytes, kind, rows, cols, to }: LoadJob,
  staging: number,
  files: Map<string, number>,
) {
  const into = new Uint8Array(memory.buffer, kind === 'copy' ? to : staging + ROW_SCRATCH, bytes);
  if ('bytes' in source) into.set(source.bytes);
  else readFully(opened(source.path, files), name, into, source.offset);
  if (kind !== 'copy') kernels.repack(kind, staging + ROW_SCRATCH, to, rows, cols, staging);
}

function opened(path: string, files: Map<string, number>): number {
  const file = files.get(path) ?? openSync(path, 'r');
  files.set(path, file);
  return file;
}

function readFully(file: number, name: string, into: Uint8Array, offset: number): void {
  for (let done = 0; done < into.length; ) {
    const read = readSync(file, into, done, into.length - done, offset + done);
    if (read === 0) throw new Error(`the file ended inside ${name}`);
    done += read;
  }
}
