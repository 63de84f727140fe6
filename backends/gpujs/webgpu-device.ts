/**
 * gpu.js on a GPU, through WebGPU on Dawn. A kernel has one result, which stays in a buffer on the GPU. Weights are
 * constants, uploaded once.
 */
import { UserError } from '../../errors.ts';
import type { KernelSource } from '../../kernels/gpujs/kernel-source.ts';
import type { DeviceInfo, Limits, Program, StateShape } from '../backend.ts';
import { patiently } from '../webgpu/patience.ts';
import {
  type Argument,
  checkMode,
  type Device,
  doesNotFit,
  type Kernel,
  type KernelOptions,
  MAX_TURNS,
  type Size,
  type States,
  type Tensor,
} from './device.ts';
import type { BufferHandle, GpuInstance, GpuJs, Input, KernelFunction } from './gpu-js.ts';
import { type OpenGpu, openGpu } from './open-gpu.ts';
import { rowsBytesOf, WebgpuStates } from './webgpu-states.ts';

export class WebgpuDevice implements Device {
  readonly mode = 'webgpu';
  readonly threads = 0;
  readonly integer = '0';
  readonly description: string;
  readonly info: DeviceInfo;
  readonly maxBytes: number;
  readonly maxTokens = 64;
  readonly oneSequence = false;
  readonly #gpuJs: GpuJs;
  readonly #opened: OpenGpu;
  readonly #end: () => Promise<void>;
  readonly #gpu: GpuInstance;

  private constructor(gpuJs: GpuJs, opened: OpenGpu, end: () => Promise<void>) {
    this.info = opened.info;
    const { maxStorageBufferBindingSize, maxBufferSize } = opened.context.device.limits;
    this.maxBytes = Math.min(maxStorageBufferBindingSize, maxBufferSize);
    const { name, software } = opened.info;
    this.description = `gpu.js in mode webgpu: ${name}${software ? ' (software)' : ''}`;
    this.#gpuJs = gpuJs;
    this.#opened = opened;
    this.#end = end;
    this.#gpu = new gpuJs.GPU({ mode: 'webgpu' });
  }

  /** Throws UserError if there is no adapter. */
  static async open(gpuJs: GpuJs): Promise<WebgpuDevice> {
    const { gpu, end } = await openGpu(gpuJs);
    return new WebgpuDevice(gpuJs, gpu, end);
  }

  kernel(source: KernelSource, { constants = {} }: KernelOptions = {}): Kernel {
    const kernel = this.#gpu.createKernel(source.text, {
      output: [1, 1],
      constants,
      argumentTypes: source.args,
      strictIntegers: true,
      loopMaxIterations: MAX_TURNS,
      dynamicOutput: true,
      dynamicArguments: true,
      pipeline: true,
      asyncMode: true,
    });
    return new WebgpuKernel(source, kernel);
  }

  flat(tensor: Tensor): Argument {
    return tensor;
  }

  async read(tensor: Tensor): Promise<Float32Array> {
    const reading = (tensor as BufferHandle).toArray();
    const rows = (await (this.info.software ? patiently(reading) : reading)) as Float32Array[];
    const columns = rows[0]!.length;
    const all = new Float32Array(rows.length * columns);
    rows.forEach((row, i) => {
      all.set(row, i * columns);
    });
    return all;
  }

  newStates(program: Pick<Program, 'states' | 'limits'>, convColumns: number): States {
    const rowsBytes = rowsBytesOf(program, this.maxTokens, convColumns);
    const bytes = Math.max(rowsBytes, ...program.states.map((state) => bufferBytes(state, program.limits)));
    if (bytes > this.maxBytes) throw stateTooLarge(bytes, this.maxBytes);
    return new WebgpuStates(this.#gpuJs, this.#opened.context, program, rowsBytes);
  }

  input(values: Float32Array, size: readonly number[]): Input {
    return this.#gpuJs.input(values, size);
  }

  async fitting<Result>(work: () => Promise<Result>): Promise<Result> {
    const { device } = this.#opened.context;
    device.pushErrorScope('out-of-memory');
    const [result] = await Promise.allSettled([work()]);
    const error = await device.popErrorScope().catch(() => null);
    if (error) throw doesNotFit(error);
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  }

  async settled(): Promise<void> {
    const done = this.#opened.context.device.queue.onSubmittedWorkDone();
    await (this.info.software ? patiently(done) : done).catch(() => {});
    const { failure } = this.#opened;
    if (failure === undefined) return;
    throw new UserError(
      `The device ${this.info.name} failed: ${failure}.`,
      'Start again; if it fails again, choose another backend.',
      { kind: 'device' },
    );
  }

  async dispose(): Promise<void> {
    await this.#gpu.destroy();
    await this.#end();
  }
}

class WebgpuKernel implements Kernel {
  readonly #source: KernelSource;
  readonly #kernel: KernelFunction;
  #result: BufferHandle | undefined;

  constructor(source: KernelSource, kernel: KernelFunction) {
    this.#source = source;
    this.#kernel = kernel;
  }

  async run(args: readonly Argument[], size: Size, as: Size = size): Promise<Tensor> {
    this.#result?.delete();
    this.#kernel.setOutput(size);
    const result = (await this.#kernel(...args)) as BufferHandle;
    if (!this.#result) checkMode(this.#source, this.#kernel, 'webgpu');
    result.output = as;
    this.#result = result;
    return result;
  }

  dispose(): void {
    this.#result?.delete();
    this.#kernel.destroy();
  }
}

/** Bytes of a state: the larger of keys and values, or a recurrent state, of all sequences. */
function bufferBytes(state: StateShape, { sequences, contextLength }: Limits): number {
  const floats =
    state.kind === 'recurrent'
      ? state.floats
      : contextLength * state.kvHeads * Math.max(state.keyDim, state.valueDim);
  return Float32Array.BYTES_PER_ELEMENT * sequences * floats;
}

function stateTooLarge(bytes: number, limit: number): UserError {
  return new UserError(
    `Expected the state of a layer to fit into one buffer of ${limit} bytes, got ${bytes} bytes.`,
    'Use a shorter context (--ctx N) or fewer sequences.',
    { kind: 'memory' },
  );
}
