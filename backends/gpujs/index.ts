/** The gpu.js backend: kernels are written in JavaScript once and compiled for a GPU, WebAssembly or V8. */
import { UserError } from '../../errors.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import type {
  Backend,
  DeviceInfo,
  Executable,
  Op,
  Program,
  WeightDesc,
  WeightId,
  WeightSource,
} from '../backend.ts';
import { usableCores } from '../cpu/cores.ts';
import { checkSupport, vocabularyOf, WeightTable } from '../program-weights.ts';
import type { Device } from './device.ts';
import { GpujsExecutable } from './executable.ts';
import { type GpuJs, importGpuJs, type Mode } from './gpu-js.ts';
import { HostDevice } from './host-device.ts';
import { PACKED_BLOCKS } from './pack.ts';
import type { Table } from './pass.ts';
import { planProgram } from './plan.ts';
import { WebgpuDevice } from './webgpu-device.ts';
import { Weight } from './weight.ts';

export interface GpujsOptions {
  /** Default auto: webgpu if there is a GPU, otherwise webasm. */
  readonly mode?: 'auto' | Mode | 'gl';
  /** Threads of mode webasm; default: cores this process may use. */
  readonly threads?: number;
}

/** Throws UserError if gpu.js or the mode cannot run here. */
export async function createGpujsBackend(options: GpujsOptions = {}): Promise<Backend> {
  const { mode = 'auto', threads = usableCores() } = options;
  if (mode === 'gl') throw noGl();
  const gpuJs = await importGpuJs();
  if (mode === 'auto') return new GpujsBackend(await fastest(gpuJs, threads));
  if (mode === 'webgpu') return new GpujsBackend(await WebgpuDevice.open(gpuJs));
  return new GpujsBackend(new HostDevice(gpuJs, mode, threads));
}

/** A hardware GPU, otherwise mode webasm: software adapters are slower, and mode cpu is half as fast. */
async function fastest(gpuJs: GpuJs, threads: number): Promise<Device> {
  const gpu = await WebgpuDevice.open(gpuJs).catch(() => undefined);
  if (gpu && !gpu.info.software) return gpu;
  await gpu?.dispose();
  return new HostDevice(gpuJs, 'webasm', threads);
}

class GpujsBackend implements Backend {
  readonly name = 'gpujs';
  readonly threads: number;
  readonly description: string;
  readonly device?: DeviceInfo;
  readonly #device: Device;
  #weights = new WeightTable<Weight>(() => {}); // executables own the bytes
  readonly #executables = new Set<Executable>();

  constructor(device: Device) {
    this.threads = device.threads;
    this.device = device.info;
    this.description =
      `${device.description}; weights as codes of 4, 6 or 8 bits, 24 bits to a float32; ` +
      'activations and cache in float32';
    this.#device = device;
  }

  supports(op: Op, types: readonly TensorType[]): true | string {
    if (op.op === 'attention' && op.causal === false) {
      return 'attention without causality is not supported by the gpu.js backend, which computes token by token';
    }
    if (op.op === 'scan') {
      return 'scan is not supported by the gpu.js backend, whose kernels return numbers but change no state';
    }
    const other = types.find((type) => !PACKED_BLOCKS[type]);
    if (!other) return true;
    const known = Object.keys(PACKED_BLOCKS).join(', ');
    return `${other} is not supported yet; the gpu.js backend computes ${known}`;
  }

  weight(desc: WeightDesc, source: WeightSource): WeightId {
    return this.#weights.add(new Weight(desc, source));
  }

  forget(weight: WeightId): void {
    this.#weights.forget(weight);
  }

  async compile(program: Program): Promise<Executable> {
    const desc = (id: WeightId) => this.#weights.get(id).desc;
    checkSupport(program, desc, this);
    const vocabulary = vocabularyOf(program, desc);
    return this.#weights.compiling(program, (release) => this.#compile({ program, vocabulary }, release));
  }

  async #compile(facts: { program: Program; vocabulary: number }, release: () => void): Promise<Executable> {
    let executable: GpujsExecutable | undefined;
    try {
      return await this.#device.fitting(async () => {
        executable = await this.#executable(facts, [...this.#weights.all], release);
        await executable.warmUp();
        return executable;
      });
    } catch (error) {
      executable?.dispose();
      throw error;
    }
  }

  async #executable(
    { program, vocabulary }: { program: Program; vocabulary: number },
    weights: readonly Weight[],
    release: () => void,
  ): Promise<GpujsExecutable> {
    const plan = await planProgram(program, weights, this.#device);
    const executable: GpujsExecutable = new GpujsExecutable({
      program,
      device: this.#device,
      plan,
      tables: await readTables(program, weights),
      states: this.#device.newStates(program, plan.convColumns),
      vocabulary,
      disposed: () => {
        this.#executables.delete(executable);
        release();
      },
    });
    this.#executables.add(executable);
    return executable;
  }

  async dispose(): Promise<void> {
    for (const executable of this.#executables) executable.dispose();
    this.#weights = new WeightTable(() => {});
    await this.#device.dispose();
  }
}

async function readTables(program: Program, weights: readonly Weight[]): Promise<Map<WeightId, Table>> {
  const tables = new Map<WeightId, Table>();
  for (const op of program.ops) {
    if (op.op !== 'embed' || tables.has(op.table)) continue;
    const weight = weights[op.table]!;
    tables.set(op.table, { weight, bytes: await weight.read() });
  }
  return tables;
}

function noGl(): UserError {
  return new UserError(
    'Mode gl of gpu.js is not supported: it needs the native part of the package gl, which is not installed.',
    'Choose mode webgpu, webasm or cpu.',
  );
}
