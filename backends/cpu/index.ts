/**
 * The CPU backend: kernels in WebAssembly with relaxed SIMD, one worker thread for each core, and one shared memory for
 * each 4 GiB that the models need. The main thread writes a step and awaits it; it never computes.
 */
import type { TensorType } from '../../kernels/quant-formats.ts';
import type {
  Backend,
  Executable,
  Op,
  Program,
  Roofs,
  WeightDesc,
  WeightId,
  WeightSource,
} from '../backend.ts';
import { checkSupport, vocabularyOf, WeightTable } from '../program-weights.ts';
import { usableCores } from './cores.ts';
import { CpuExecutable } from './executable.ts';
import { damagedBuffer, Loader } from './loader.ts';
import { REACH, SharedHeap, SharedHeaps } from './memory.ts';
import { planMemories } from './memory-plan.ts';
import { writeStepTables } from './step-tables.ts';
import { Threads } from './threads.ts';
import {
  compileKernels,
  DOT_CLASS_NAMES,
  type DotClass,
  instantiate,
  type KernelChoice,
  writeConstants,
} from './wasm-module.ts';
import {
  type GroupBytes,
  giveBackPlaces,
  MATRIX_TYPES,
  newWeight,
  VECTOR_TYPES,
  type Weight,
} from './weights.ts';

export interface CpuOptions extends KernelChoice {
  readonly threads?: number; // default: cores this process may use
  readonly memoryLimit?: number; // bytes of one memory; default: the reach of 32-bit addresses; tests force less
  readonly sentinels?: boolean; // for tests: executables report writes outside their buffers
}

/** Starts the threads. Throws UserError if the engine lacks relaxed SIMD or threads. */
export async function createCpuBackend(options: CpuOptions = {}): Promise<Backend> {
  const { threads = usableCores(), memoryLimit = REACH, sentinels = false } = options;
  const { module, dotClass } = await compileKernels(options);
  const first = new SharedHeap(memoryLimit);
  writeConstants(first.memory);
  const { groupBytes } = instantiate(module, first.memory);
  const pool = new Threads(threads, { module, memory: first.memory });
  const heaps = new SharedHeaps(first, memoryLimit, ({ memory }) => {
    writeConstants(memory);
    pool.attach(memory);
  });
  return new CpuBackend({ heaps, pool, dotClass, groupBytes, sentinels });
}

interface CpuParts {
  readonly heaps: SharedHeaps;
  readonly pool: Threads;
  readonly dotClass: DotClass;
  readonly groupBytes: GroupBytes;
  readonly sentinels: boolean;
}

/** Ops whose first weight may be of any type with a layout. */
const MATRIX_OPS: readonly Op['op'][] = ['matmul', 'expert-matmul', 'embed'];

class CpuBackend implements Backend {
  readonly name = 'cpu';
  readonly threads: number;
  readonly description: string;
  readonly #parts: CpuParts;
  readonly #loader: Loader;
  readonly #weights = new WeightTable<Weight>(giveBackPlaces);

  constructor(parts: CpuParts) {
    this.#parts = parts;
    this.#loader = new Loader({ ...parts, threads: parts.pool });
    this.threads = parts.pool.count;
    this.description = `WebAssembly relaxed SIMD, ${DOT_CLASS_NAMES[parts.dotClass]}`;
  }

  supports({ op }: Op, types: readonly TensorType[]): true | string {
    for (const [i, type] of types.entries()) {
      const known = i === 0 && MATRIX_OPS.includes(op) ? MATRIX_TYPES : VECTOR_TYPES;
      if (!known.includes(type)) {
        return `${type} is not supported yet by the cpu backend for ${op}; supported: ${known.join(', ')}`;
      }
    }
    return true;
  }

  weight(desc: WeightDesc, source: WeightSource): WeightId {
    return this.#weights.add(newWeight(desc, source));
  }

  forget(weight: WeightId): void {
    this.#weights.forget(weight);
  }

  readBytes(): number {
    return this.#parts.pool.loadedBytes;
  }

  async compile(program: Program): Promise<Executable> {
    const desc = (id: WeightId) => this.#weights.get(id).desc;
    checkSupport(program, desc, this);
    const vocabulary = vocabularyOf(program, desc); // may throw, so before anything is reserved
    return this.#weights.compiling(program, (release) => this.#compile(program, vocabulary, release));
  }

  /** @param release ends the use of the weights; the table does so itself if this rejects */
  async #compile(program: Program, vocabulary: number, release: () => void): Promise<Executable> {
    const { heaps, pool, dotClass, sentinels } = this.#parts;
    const { threads } = this;
    const weights = this.#weights.all;
    const free = heaps.all.map((heap) => heap.free);
    const plan = planMemories(program, { ...this.#parts, weights, threads, free, limit: heaps.limit });
    const write = () => writeStepTables(program, plan, { weights, heaps, threads });
    const { tables, reserved } = await this.#loader.load(plan, weights, write);
    reserved.defer(release);
    return new CpuExecutable({
      program,
      plan,
      heaps,
      threads: pool,
      tables,
      codes: dotClass === 'signed' ? 'signed' : 'unsigned', // saturating ones have the codes of unsigned ones
      vocabulary,
      damage: sentinels ? () => damagedBuffer(weights, plan, heaps) : undefined,
      onDispose: () => reserved.dispose(),
    });
  }

  /** Each thread reads its part of 256 MiB, which is more than caches hold. */
  async roofs(): Promise<Roofs> {
    const { heaps, pool } = this.#parts;
    const bytes = Math.ceil(2 ** 21 / this.threads) * 128; // for one thread
    const all = this.threads * bytes;
    const roomy = heaps.all.findIndex(({ used }) => used + all <= heaps.limit);
    const memory = roomy < 0 ? heaps.all.length : roomy;
    const heap = heaps.at(memory);
    const from = Array.from({ length: this.threads }, (_, thread) => heap.used + thread * bytes);
    const release = heap.reserve(heap.used + all);
    heap.bytes(from[0]!, all).fill(1); // pages exist only once written
    try {
      return await pool.measure(memory, from, bytes);
    } finally {
      release();
    }
  }

  async dispose(): Promise<void> {
    await this.#parts.pool.end();
  }
}
