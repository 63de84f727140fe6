/**
 * The worker threads of the CPU backend and how they are addressed: by messages to load weights and to start
 * serving, by the control block in shared memory (kernels/wasm/layout.ts) for everything within a step.
 */
import { Worker } from 'node:worker_threads';
import { UserError } from '../../errors.ts';
import * as layout from '../../kernels/wasm/layout.ts';
import type { Roofs, WeightSource } from '../backend.ts';
import type { DotClass } from './wasm-module.ts';

export interface ThreadData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

/** Rows of one weight: read to a staging area and repacked (`kind` = weight layout), or read in place ('copy'). */
export interface LoadJob {
  readonly name: string;
  readonly source: WeightSource;
  readonly bytes: number;
  readonly kind: number | 'copy';
  readonly rows: number;
  readonly cols: number;
  readonly to: number; // address
}

export type ToThread =
  | { type: 'load'; jobs: readonly LoadJob[]; staging: number }
  | { type: 'measure'; from: number; bytes: number }
  | { type: 'serve'; seen: number; threads: number; scratch: number; dotClass: DotClass }
  | { type: 'end' };

/** dist/cpu-worker.js, seen from the sources and from the bundle: always the bundle, which starts at once. */
const WORKER = import.meta.url.endsWith('.ts')
  ? new URL('../../dist/cpu-worker.js', import.meta.url)
  : new URL('./cpu-worker.js', import.meta.url);

export class Threads {
  readonly count: number;
  readonly #workers: readonly Worker[];
  readonly #control: Int32Array;
  #serving = false; // threads are, or soon will be, inside wasm
  #use: { scratch: readonly number[]; dotClass: DotClass } = { scratch: [], dotClass: 0 };
  #failure: Error | undefined;
  readonly #waiting = new Set<(error: Error) => void>(); // rejects answers when a thread dies

  constructor(count: number, data: ThreadData) {
    this.count = count;
    this.#control = new Int32Array(data.memory.buffer, 0, layout.HEAP / 4);
    this.#workers = Array.from(
      { length: count },
      () => new Worker(WORKER, { workerData: data, execArgv: [] }),
    );
    for (const worker of this.#workers) {
      worker.unref(); // idle threads do not keep the process alive
      worker.on('error', (error: Error) => this.#fail(error));
    }
  }

  /** Runs the jobs on all threads. Rejects with UserError naming the tensor that could not be read. */
  async load(jobs: readonly LoadJob[], staging: readonly number[]): Promise<void> {
    this.#leave();
    const answers = this.#workers.map((worker, i) => {
      worker.postMessage({ type: 'load', jobs, staging: staging[i]! } satisfies ToThread);
      return this.#answer<{ failed?: string }>(worker);
    });
    const failed = (await Promise.all(answers)).find((answer) => answer.failed)?.failed;
    Atomics.store(this.#control, layout.NEXT_TASK / 4, 0);
    if (failed)
      throw new UserError(`Could not read the weights: ${failed}.`, 'Check the file, or get it again.');
  }

  /** Roofs of all threads at once; thread i reads `bytes` bytes at from[i]. */
  async measure(from: readonly number[], bytes: number): Promise<Roofs> {
    this.#leave();
    const answers = this.#workers.map((worker, i) => {
      worker.postMessage({ type: 'measure', from: from[i]!, bytes } satisfies ToThread);
      return this.#answer<Roofs>(worker);
    });
    return (await Promise.all(answers)).reduce((sum, one) => ({
      readBytesPerSecond: sum.readBytesPerSecond + one.readBytesPerSecond,
      multiplyAddsPerSecond: sum.multiplyAddsPerSecond + one.multiplyAddsPerSecond,
    }));
  }

  /** What threads compute with from here on: scratch[i] is the memory of thread i. */
  use(scratch: readonly number[], dotClass: DotClass): void {
    this.#leave();
    this.#use = { scratch, dotClass };
  }

  /** Runs the step that stands in shared memory. Resolves when every thread is done with it. */
  async run(): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (!this.#serving) this.#serve();
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
  }

  /** Ends the threads; a running step is finished first. */
  async end(): Promise<void> {
    this.#leave();
    const ends = this.#workers.map((worker) => {
      const exited = new Promise((resolve) => worker.once('exit', resolve));
      worker.ref();
      worker.postMessage({ type: 'end' } satisfies ToThread);
      return exited;
    });
    await Promise.all(ends);
  }

  #done(): number {
    return Atomics.load(this.#control, layout.DONE / 4);
  }

  /** Sends the threads to wait for steps inside wasm. */
  #serve(): void {
    const seen = Atomics.load(this.#control, layout.GENERATION / 4);
    const { scratch, dotClass } = this.#use;
    this.#workers.forEach((worker, i) => {
      const message: ToThread = { type: 'serve', seen, threads: this.count, scratch: scratch[i]!, dotClass };
      worker.postMessage(message);
    });
    this.#serving = true;
  }

  /** Brings serving threads back to JavaScript. */
  #leave(): void {
    if (this.#serving) this.#start(layout.LEAVE);
    this.#serving = false;
  }

  #start(command: number): number {
    Atomics.store(this.#control, layout.COMMAND / 4, command);
    const generation = (Atomics.add(this.#control, layout.GENERATION / 4, 1) + 1) | 0;
    Atomics.notify(this.#control, layout.GENERATION / 4);
    return generation;
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

  /** A thread died: a step it took part in cannot finish. */
  #fail(error: Error): void {
    this.#failure = new UserError(
      'A compute thread ended unexpectedly.',
      'Start again; with --debug to see the cause.',
      {
        cause: error,
      },
    );
    for (const reject of this.#waiting) reject(this.#failure);
    Atomics.add(this.#control, layout.DONE / 4, -1); // wakes run, which finds the failure
    Atomics.notify(this.#control, layout.DONE / 4);
  }
}
