/**
 * The worker threads of the CPU backend. Messages make them load weights and start to serve. Within a step they are
 * controlled by the control block in shared memory (kernels/wasm/layout.ts).
 */
import { Worker } from 'node:worker_threads';
import { UserError } from '../../errors.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import * as layout from '../../kernels/wasm/layout.ts';
import type { Roofs, SourceMatrix } from '../backend.ts';

export interface ThreadData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory; // the first
  readonly thread: number; // 0 to count - 1
}

/** Rows of one weight, read into a staging area and repacked (`kind` = weight layout), or read in place ('copy'). */
export interface LoadJob {
  readonly name: string;
  readonly type: TensorType;
  readonly source: SourceMatrix;
  readonly first: number;
  readonly rows: number;
  readonly cols: number;
  readonly bytes: number;
  readonly kind: number | 'copy';
  readonly memory: number;
  readonly to: number; // address
}

/** The tables of a step, one for each stage. The threads walk them in this order. */
export type StepTables = readonly StageTable[];

export interface StageTable {
  readonly memory: number; // in the order in which memories were attached
  readonly table: number; // address of the phases
  readonly carried: readonly CarriedValue[];
  readonly scratch: readonly number[]; // address for each thread
}

/** A value whose rows are copied from another memory before the stage. */
export interface CarriedValue {
  readonly from: number; // memory
  readonly source: number; // address there
  readonly target: number; // address in the stage's memory
  readonly stride: number;
  readonly selected: boolean; // a row for each output; else one for each token
}

/** The answer of a thread whose jobs are done. */
export interface Loaded {
  readonly failed?: { readonly message: string; readonly hint: string };
}

export type ToThread =
  | { type: 'attach'; memory: WebAssembly.Memory }
  | { type: 'load'; jobs: readonly LoadJob[]; staging: readonly number[] } // address in each memory
  | { type: 'measure'; memory: number; from: number; bytes: number }
  | { type: 'serve'; seen: number; threads: number; tables: StepTables }
  | { type: 'end' };

/** dist/cpu-worker.js, from the sources and from the bundle. A bundled worker starts faster than one from sources. */
const WORKER = import.meta.url.endsWith('.ts')
  ? new URL('../../dist/cpu-worker.js', import.meta.url)
  : new URL('./cpu-worker.js', import.meta.url);

export class Threads {
  readonly count: number;
  readonly #workers: readonly Worker[];
  readonly #control: Int32Array; // of the first memory
  #serving: StepTables | undefined; // tables whose steps the threads wait for, now or soon
  #last: Promise<unknown> = Promise.resolve(); // settles when the threads are free
  #loading: readonly LoadJob[] = [];
  #loadedBytes = 0; // of earlier loads
  #failure: Error | undefined;
  readonly #waiting = new Set<(error: Error) => void>(); // rejects answers when a thread dies

  constructor(count: number, data: Omit<ThreadData, 'thread'>) {
    this.count = count;
    this.#control = new Int32Array(data.memory.buffer, 0, layout.HEAP / 4);
    this.#workers = Array.from(
      { length: count },
      (_, thread) =>
        new Worker(WORKER, {
          workerData: { ...data, thread } satisfies ThreadData,
          execArgv: [],
          resourceLimits: { maxYoungGenerationSizeMb: 1 }, // a thread makes few objects; saves a megabyte each
        }),
    );
    for (const worker of this.#workers) {
      worker.unref(); // idle threads do not keep the process alive
      worker.on('error', (error: Error) => this.#fail(error));
    }
  }

  /** Gives the threads another memory. Memories are numbered in this order. */
  attach(memory: WebAssembly.Memory): void {
    for (const worker of this.#workers) worker.postMessage({ type: 'attach', memory } satisfies ToThread);
  }

  /**
   * Runs the jobs on all threads, and `meanwhile` on this one. staging[i] are the addresses of thread i's staging area
   * in each memory. Settles when all threads are done. Rejects with UserError, with the name of the tensor, if one
   * cannot be read, and with what `meanwhile` throws.
   */
  load<T>(jobs: readonly LoadJob[], staging: readonly (readonly number[])[], meanwhile: () => T): Promise<T> {
    return this.#next(async () => {
      await this.#leave();
      this.#loading = jobs;
      const asked = this.#ask<Loaded>((i) => ({ type: 'load', jobs, staging: staging[i]! }));
      const [answers, made] = await Promise.allSettled([asked, (async () => meanwhile())()]);
      this.#loading = [];
      if (answers.status === 'rejected') throw answers.reason;
      this.#loadedBytes += bytesOf(jobs);
      Atomics.store(this.#control, layout.NEXT_TASK / 4, 0);
      const failed = answers.value.find((answer) => answer.failed)?.failed;
      if (failed) throw new UserError(failed.message, failed.hint);
      if (made.status === 'rejected') throw made.reason;
      return made.value;
    });
  }

  /** Bytes of weights loaded so far: those of all jobs taken, but the last one of each thread. */
  get loadedBytes(): number {
    const taken = Atomics.load(this.#control, layout.NEXT_TASK / 4);
    const done = Math.max(0, Math.min(taken, this.#loading.length) - this.count);
    return this.#loadedBytes + bytesOf(this.#loading.slice(0, done));
  }

  /** Roofs of all threads at once. Thread i reads `bytes` bytes at from[i] of a memory. */
  measure(memory: number, from: readonly number[], bytes: number): Promise<Roofs> {
    return this.#next(async () => {
      await this.#leave();
      const roofs = await this.#ask<Roofs>((i) => ({ type: 'measure', memory, from: from[i]!, bytes }));
      return roofs.reduce((sum, one) => ({
        readBytesPerSecond: sum.readBytesPerSecond + one.readBytesPerSecond,
        multiplyAddsPerSecond: sum.multiplyAddsPerSecond + one.multiplyAddsPerSecond,
      }));
    });
  }

  /** Runs a step after `write` has put it into shared memory. Resolves when every thread is done. */
  run(tables: StepTables, write: () => void): Promise<void> {
    return this.#next(async () => {
      if (this.#failure) throw this.#failure;
      if (this.#serving !== tables) await this.#serve(tables);
      write();
      const generation = this.#start(layout.RUN);
      this.#workers[0]!.ref();
      try {
        for (let done = this.#done(); done !== generation; done = this.#done()) {
          const wait = Atomics.waitAsync(this.#control, layout.DONE / 4, done);
          if (wait.async) await wait.value;
          if (this.#failure) throw this.#failure;
        }
      } finally {
        this.#workers[0]!.unref();
      }
    });
  }

  /** Ends the threads after the running step. */
  end(): Promise<void> {
    return this.#next(async () => {
      if (this.#failure) {
        await Promise.all(this.#workers.map((worker) => worker.terminate()));
        return;
      }
      await this.#leave();
      const ends = this.#workers.map((worker) => {
        const exited = new Promise((resolve) => worker.once('exit', resolve));
        worker.ref();
        worker.postMessage({ type: 'end' } satisfies ToThread);
        return exited;
      });
      await Promise.all(ends);
    });
  }

  /** Runs turns of the threads one after the other, from all callers. */
  #next<T>(turn: () => Promise<T>): Promise<T> {
    const done = this.#last.then(turn);
    this.#last = done.catch(() => {});
    return done;
  }

  #done(): number {
    return Atomics.load(this.#control, layout.DONE / 4);
  }

  /** Makes the threads wait for steps of these tables. */
  async #serve(tables: StepTables): Promise<void> {
    await this.#leave();
    const seen = Atomics.load(this.#control, layout.GENERATION / 4);
    const message: ToThread = { type: 'serve', seen, threads: this.count, tables };
    for (const worker of this.#workers) worker.postMessage(message);
    this.#serving = tables;
  }

  /** Makes serving threads return to their messages. */
  async #leave(): Promise<void> {
    if (!this.#serving) return;
    const left = this.#answers();
    this.#start(layout.LEAVE);
    this.#serving = undefined;
    await left;
  }

  #start(command: number): number {
    Atomics.store(this.#control, layout.COMMAND / 4, command);
    const generation = (Atomics.add(this.#control, layout.GENERATION / 4, 1) + 1) | 0;
    Atomics.notify(this.#control, layout.GENERATION / 4);
    return generation;
  }

  /** Sends message(i) to thread i, and returns the answers. */
  #ask<T>(message: (thread: number) => ToThread): Promise<T[]> {
    const answers = this.#answers<T>();
    this.#workers.forEach((worker, i) => {
      worker.postMessage(message(i));
    });
    return answers;
  }

  /** The next message of each thread. */
  #answers<T>(): Promise<T[]> {
    return Promise.all(this.#workers.map((worker) => this.#answer<T>(worker)));
  }

  #answer<T>(worker: Worker): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure);
    worker.ref();
    return new Promise<T>((resolve, reject) => {
      this.#waiting.add(reject);
      worker.once('message', (answer: T) => {
        this.#waiting.delete(reject);
        worker.unref();
        resolve(answer);
      });
    });
  }

  /** Handles the death of a thread: its step cannot finish. */
  #fail(error: Error): void {
    this.#failure = new UserError(
      'A compute thread ended unexpectedly.',
      'Start again. Use --debug to see the cause.',
      {
        cause: error,
      },
    );
    for (const reject of this.#waiting) reject(this.#failure);
    Atomics.add(this.#control, layout.DONE / 4, -1); // wakes `run`, which finds the failure
    Atomics.notify(this.#control, layout.DONE / 4);
  }
}

function bytesOf(jobs: readonly LoadJob[]): number {
  return jobs.reduce((sum, { bytes }) => sum + bytes, 0);
}
