/**
 * The CPU backend: kernels in WebAssembly with relaxed SIMD, one worker thread a core, all on one shared memory.
 * The main thread writes a step and awaits it; it never computes.
 */
import { availableParallelism } from 'node:os';
import { UserError } from '../../errors.ts';
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
import { CpuExecutable } from './executable.ts';
import { fuse } from './fuse.ts';
import { SharedHeap } from './memory.ts';
import { PhaseTable } from './phase-table.ts';
import { planMemory } from './plan.ts';
import { Threads } from './threads.ts';
import {
  compileKernels,
  DOT_CLASS_NAMES,
  type DotClass,
  instantiate,
  probeDotClass,
  writeConstants,
} from './wasm-module.ts';
import {
  type GroupBytes,
  MATRIX_TYPES,
  newWeight,
  place,
  placedBytes,
  stagingBytes,
  VECTOR_TYPES,
  type Weight,
} from './weights.ts';

export interface CpuOptions {
  readonly threads?: number; // default: cores this process may use
  readonly dotClass?: DotClass; // default: what the CPU has; tests force the others
}

/** Starts the threads. Throws UserError where the engine lacks relaxed SIMD or threads. */
export async function createCpuBackend({ threads, dotClass }: CpuOptions = {}): Promise<Backend> {
  const module = await compileKernels();
  const heap = new SharedHeap();
  writeConstants(heap.memory);
  const kernels = instantiate(module, heap.memory);
  const pool = new Threads(threads ?? availableParallelism(), { module, memory: heap.memory });
  return new CpuBackend(heap, pool, dotClass ?? probeDotClass(kernels), kernels.groupBytes);
}

class CpuBackend implements Backend {
  readonly name = 'cpu';
  readonly threads: number;
  readonly description: string;
  readonly #heap: SharedHeap;
  readonly #pool: Threads;
  readonly #dotClass: DotClass;
  readonly #groupBytes: GroupBytes;
  readonly #weights: Weight[] = [];

  constructor(heap: SharedHeap, pool: Threads, dotClass: DotClass, groupBytes: GroupBytes) {
    this.#heap = heap;
    this.#pool = pool;
    this.#dotClass = dotClass;
    this.#groupBytes = groupBytes;
    this.threads = pool.count;
    this.description = `WebAssembly relaxed SIMD, ${DOT_CLASS_NAMES[dotClass]}`;
  }

  supports(op: Op['op'], type?: TensorType): true | string {
    if (type === undefined) return true;
    const types = op === 'matmul' || op === 'embed' ? MATRIX_TYPES : VECTOR_TYPES;
    if (types.includes(type)) return true;
    return `${type} is not supported yet by the cpu backend for ${op}; supported: ${types.join(', ')}`;
  }

  weight(desc: WeightDesc, source: WeightSource): WeightId {
    return this.#weights.push(newWeight(desc, source)) - 1;
  }

  async compile(program: Program): Promise<Executable> {
    this.#checkTypes(program);
    const unplaced = this.#weights.filter(({ address }) => address === 0);
    const jobs = place(unplaced, this.#heap, this.#groupBytes);
    const mark = this.#heap.used;
    const weight = (id: WeightId) => this.#weights[id]!;
    const phases = fuse(program);
    const plan = planMemory(program, phases, weight, this.#heap);
    const scratchBytes = Math.max(plan.scratch.bytes, stagingBytes(jobs));
    const scratch = Array.from({ length: this.threads }, () => this.#heap.allocate(scratchBytes));
    const loading = this.#pool.load(jobs, scratch);
    const table = new PhaseTable(program, plan, weight, this.threads, this.#heap).write(phases);
    await loading;
    this.#pool.use(scratch, this.#dotClass);
    const placed = this.#weights.reduce((sum, each) => sum + placedBytes(each, this.#groupBytes), 0);
    return new CpuExecutable({
      program,
      plan,
      heap: this.#heap,
      threads: this.#pool,
      vocabulary: Math.min(
        ...program.ops.flatMap((op) => (op.op === 'embed' ? [weight(op.table).desc.rows] : [])),
      ),
      phases: table,
      memory: { weights: placed, kv: plan.kvBytes, arena: plan.arenaBytes + this.threads * scratchBytes },
      onDispose: () => this.#heap.release(mark),
    });
  }

  /** Throws UserError naming the first weight that an op cannot take. */
  #checkTypes({ ops }: Program): void {
    for (const op of ops) {
      for (const [id, as] of weightsOf(op)) {
        const { name, type } = this.#weights[id]!.desc;
        const answer = this.supports(as, type);
        if (answer !== true)
          throw new UserError(`${name}: ${answer}.`, 'Use a file with tensors of a supported type.');
      }
    }
  }

  async roofs(): Promise<Roofs> {
    const bytes = 64 * 2 ** 20; // of each thread: together beyond the caches
    const mark = this.#heap.used;
    const regions = Array.from({ length: this.threads }, () => this.#heap.allocate(bytes));
    for (const region of regions) this.#heap.bytes(region, bytes).fill(1); // pages exist only once written
    const roofs = await this.#pool.measure(regions, bytes);
    this.#heap.release(mark);
    return roofs;
  }

  async dispose(): Promise<void> {
    await this.#pool.end();
  }
}

/** The weights of an op, and the op that each is supported as: a bias counts as a vector. */
function weightsOf(op: Op): [WeightId, Op['op']][] {
  if (op.op === 'embed') return [[op.table, 'embed']];
  if (op.op === 'rms-norm') return [[op.weight, 'rms-norm']];
  if (op.op !== 'matmul') return [];
  return op.bias === undefined
    ? [[op.weight, 'matmul']]
    : [
        [op.weight, 'matmul'],
        [op.bias, 'add'],
      ];
}
