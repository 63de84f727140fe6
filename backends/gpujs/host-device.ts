/**
 * gpu.js on the processor. Mode cpu is JavaScript, mode webasm is WebAssembly with SIMD. Both return a copy of each
 * result. Mode webasm also copies arguments, at every call. It copies constants only once, so large operands are
 * constants.
 */
import type { KernelSource } from '../../kernels/gpujs/kernel-source.ts';
import type { Program } from '../backend.ts';
import {
  type Argument,
  checkMode,
  type Device,
  doesNotFit,
  type HostRows,
  type Kernel,
  type KernelOptions,
  MAX_TURNS,
  type Size,
  type States,
  type Tensor,
} from './device.ts';
import type { GpuInstance, GpuJs, Input, KernelFunction, KernelSettings } from './gpu-js.ts';
import { HostStates } from './host-states.ts';
import { optimized } from './v8-flags.ts';

/** gpu.js computes smaller results on one thread. Each further thread takes this many numbers. */
const CELLS_OF_THREAD = 4096;

/** wasm32 addresses 4 GiB; the rest is for the arguments and the result of a kernel. */
const MAX_BYTES = 3 * 2 ** 30;

export class HostDevice implements Device {
  readonly mode: 'webasm' | 'cpu';
  readonly threads: number;
  readonly integer = 'this.output.x';
  readonly description: string;
  readonly maxBytes = MAX_BYTES;
  readonly maxTokens = 1; // more would bring nothing: each token reads the weights again
  readonly oneSequence = true;
  readonly #gpuJs: GpuJs;
  readonly #gpu: GpuInstance;

  constructor(gpuJs: GpuJs, mode: 'webasm' | 'cpu', threads: number) {
    this.mode = mode;
    this.threads = mode === 'cpu' ? 1 : threads;
    this.description =
      mode === 'cpu'
        ? 'gpu.js in mode cpu: JavaScript, one thread'
        : 'gpu.js in mode webasm: WebAssembly with SIMD, ' +
          `${threads} threads for results of more than ${CELLS_OF_THREAD} numbers`;
    this.#gpuJs = gpuJs;
    this.#gpu = new gpuJs.GPU({ mode });
  }

  kernel(source: KernelSource, { constants = {}, size }: KernelOptions = {}): Kernel {
    const [columns, rows] = size ?? [0, 0];
    // Threads compute without SIMD if the columns are not a multiple of four.
    const threads = this.threads > 1 && columns % 4 === 0 && columns * rows > CELLS_OF_THREAD;
    const settings: KernelSettings = {
      output: size ?? [1, 1],
      constants,
      argumentTypes: source.args,
      strictIntegers: true,
      loopMaxIterations: MAX_TURNS,
      dynamicOutput: size === undefined,
      dynamicArguments: this.mode === 'webasm', // in mode cpu it breaks the index of an Input
      pipeline: false,
      asyncMode: threads,
      poolSize: this.threads,
    };
    return new HostKernel(source, this.#gpu.createKernel(source.text, settings), this.mode);
  }

  flat(tensor: Tensor): Argument {
    return flatten(tensor as HostRows);
  }

  async read(tensor: Tensor): Promise<Float32Array> {
    return flatten(tensor as HostRows);
  }

  newStates(program: Pick<Program, 'states' | 'limits'>): States {
    return new HostStates(this, program, this.mode === 'webasm');
  }

  input(values: Float32Array, size: readonly number[]): Input {
    return this.#gpuJs.input(values, size);
  }

  /** A failed allocation of an array or of WebAssembly memory is a RangeError. */
  async fitting<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof RangeError ? doesNotFit(error) : error;
    }
  }

  async settled(): Promise<void> {}

  dispose(): Promise<void> {
    return this.#gpu.destroy();
  }
}

class HostKernel implements Kernel {
  readonly #source: KernelSource;
  readonly #kernel: KernelFunction;
  readonly #mode: 'webasm' | 'cpu';
  #numbers = 0; // read and written by the last call; in mode webasm, another count compiles another module

  constructor(source: KernelSource, kernel: KernelFunction, mode: 'webasm' | 'cpu') {
    this.#source = source;
    this.#kernel = kernel;
    this.#mode = mode;
  }

  run(args: readonly Argument[], size: Size, as: Size = size): Tensor | Promise<Tensor> {
    const numbers = args.reduce<number>((sum, arg) => sum + countOf(arg), size[0] * size[1]);
    if (numbers === this.#numbers) return seenAs(this.#kernel(...args), size, as);
    const compute = () => {
      this.#kernel.setOutput(size);
      return this.#kernel(...args);
    };
    const result = this.#mode === 'webasm' ? optimized(compute) : compute();
    if (this.#numbers === 0) checkMode(this.#source, this.#kernel, this.#mode);
    this.#numbers = numbers;
    return seenAs(result, size, as);
  }

  dispose(): void {
    this.#kernel.destroy();
  }
}

function countOf(arg: Argument): number {
  if (typeof arg === 'number') return 0;
  if (arg instanceof Float32Array) return arg.length;
  if ('value' in arg) return arg.value.length;
  const rows = arg as HostRows;
  return rows.length * rows[0]!.length;
}

/** Reshapes the rows of a result; a kernel with threads returns a promise of them. */
function seenAs(result: unknown, size: Size, as: Size): Tensor | Promise<Tensor> {
  if (result instanceof Promise) return result.then((rows) => seenAs(rows, size, as));
  const rows = result as HostRows;
  if (size[0] === as[0]) return rows;
  const all = flatten(rows);
  return Array.from({ length: as[1] }, (_, row) => all.subarray(row * as[0], (row + 1) * as[0]));
}

function flatten(rows: HostRows): Float32Array {
  if (rows.length === 1) return rows[0]!;
  const columns = rows[0]!.length;
  const all = new Float32Array(rows.length * columns);
  rows.forEach((row, i) => {
    all.set(row, i * columns);
  });
  return all;
}
