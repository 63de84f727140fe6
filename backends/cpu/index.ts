/**
 * The CPU backend: kernels in WebAssembly with relaxed SIMD, one worker thread a core, all on shared memory, as many
 * memories as the model needs. The main thread writes a step and awaits it; it never computes.
 */
import type { TensorType } from '../../kernels/quant-formats.ts';
import type {
  Backend,
  Executable,
  Limits,
  Op,
  Program,
  Roofs,
  WeightDesc,
  WeightId,
  WeightSource,
} from '../backend.ts';
import { checkSupport, vocabularyOf, WeightTable } from '../program-weights.ts';
import type { PlacedAttention } from './attention-weights.ts';
import { usableCores } from './cores.ts';
import { CpuExecutable } from './executable.ts';
import { REACH, type Sentinel, SharedHeap } from './memory.ts';
import { PhaseTable } from './phase-table.ts';
import type { Plan } from './plan.ts';
import { damaged, plant, poison } from './sentinels.ts';
import { type ProgramPlan, planProgram, type Share } from './shares.ts';
import { Threads, type Work } from './threads.ts';
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
  loadJobs,
  MATRIX_TYPES,
  newWeight,
  type Place,
  VECTOR_TYPES,
  type Weight,
} from './weights.ts';

export interface CpuOptions extends KernelChoice {
  readonly threads?: number; // default: cores this process may use
  readonly memoryLimit?: number; // bytes of one memory; default: what 32-bit addresses reach; tests force less
  readonly sentinels?: boolean; // for tests: executables tell of writes outside their buffers
}

/** Starts the threads. Throws UserError where the engine lacks relaxed SIMD or threads. */
export async function createCpuBackend(options: CpuOptions = {}): Promise<Backend> {
  const { threads = usableCores(), memoryLimit = REACH } = options;
  const { module, dotClass } = await compileKernels(options);
  const heap = new SharedHeap(memoryLimit);
  writeConstants(heap.memory);
  const { groupBytes } = instantiate(module, heap.memory);
  const pool = new Threads(threads, { module, memory: heap.memory });
  return new CpuBackend(heap, pool, {
    dotClass,
    groupBytes,
    memoryLimit,
    sentinels: options.sentinels ?? false,
  });
}

/** A weight on its way to a memory. */
interface Brought {
  readonly weight: Weight;
  readonly memory: number;
  readonly place: Place;
}

class CpuBackend implements Backend {
  readonly name = 'cpu';
  readonly threads: number;
  readonly description: string;
  readonly #heaps: SharedHeap[];
  readonly #pool: Threads;
  readonly #dotClass: DotClass;
  readonly #groupBytes: GroupBytes;
  readonly #limit: number; // bytes of one memory
  readonly #sentinels: boolean;
  readonly #weights = new WeightTable<Weight>((weight) => this.#giveBack(weight));
  readonly #desc = (id: WeightId) => this.#weights.all[id]!.desc; // of programs being compiled
  #planted: { readonly memory: number; readonly sentinel: Sentinel }[] = []; // behind weights in place

  constructor(
    heap: SharedHeap,
    pool: Threads,
    facts: { dotClass: DotClass; groupBytes: GroupBytes; memoryLimit: number; sentinels: boolean },
  ) {
    const { dotClass, groupBytes, memoryLimit, sentinels } = facts;
    this.#heaps = [heap];
    this.#pool = pool;
    this.#dotClass = dotClass;
    this.#groupBytes = groupBytes;
    this.#limit = memoryLimit;
    this.#sentinels = sentinels;
    this.threads = pool.count;
    this.description = `WebAssembly relaxed SIMD, ${DOT_CLASS_NAMES[dotClass]}`;
  }

  supports({ op }: Op, types: readonly TensorType[]): true | string {
    for (const [i, type] of types.entries()) {
      const known = i === 0 && (op === 'matmul' || op === 'embed') ? MATRIX_TYPES : VECTOR_TYPES;
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
    return this.#pool.loadedBytes;
  }

  async compile(program: Program): Promise<Executable> {
    const desc = (id: WeightId) => this.#weights.get(id).desc;
    checkSupport(program, desc, this);
    const vocabulary = vocabularyOf(program, desc); // throws, before anything is reserved
    return this.#weights.compiling(program, (release) => this.#compile({ program, vocabulary }, release));
  }

  async #compile(
    { program, vocabulary }: { program: Program; vocabulary: number },
    release: () => void,
  ): Promise<Executable> {
    const plan = planProgram(program, {
      weights: this.#weights.all,
      threads: this.threads,
      groupBytes: this.#groupBytes,
      free: this.#heaps.map(({ free }) => free),
      limit: this.#limit,
      sentinels: this.#sentinels,
    });
    const brought: Brought[] = [];
    const rest: (() => void)[] = []; // give back what was claimed
    const dispose = () => {
      for (const giveBack of rest) giveBack();
      release();
    };
    try {
      for (const share of plan.shares) this.#claim(share, brought, rest);
      this.#plant(plan.shares, ['weights', 'plan']);
      const loading = this.#load(brought, plan.shares);
      const work = this.#write(program, plan);
      await loading;
      this.#plant(plan.shares, ['scratch']);
      for (const { weight, memory, place } of brought) weight.places.set(memory, place);
      for (const { memory, sentinels } of plan.shares)
        this.#planted.push(...sentinels.weights.map((sentinel) => ({ memory, sentinel })));
      return this.#executable({ program, vocabulary }, plan, work, dispose);
    } catch (error) {
      for (const { place } of brought) place.giveBack();
      dispose();
      throw error;
    }
  }

  /** Claims the ranges of a share; those of weights are added to `brought`. */
  #claim(share: Share, brought: Brought[], rest: (() => void)[]): void {
    const { memory, weights, missing } = share;
    const heap = this.#heap(memory);
    for (const { id, range } of missing) {
      const giveBack = heap.claim(range);
      const place = {
        address: weights.get(id)!,
        giveBack: () => {
          giveBack();
          this.#planted = this.#planted.filter(({ memory: other, sentinel: { address } }) => {
            return other !== memory || address < range.start || address >= range.end;
          });
        },
      };
      brought.push({ weight: this.#weights.all[id]!, memory, place });
    }
    rest.push(heap.claim(share.rest));
    if (!this.#sentinels) return;
    for (const { start, end } of [...missing.map(({ range }) => range), share.rest]) poison(heap, start, end);
  }

  /** The memory of that number, which is at most the next one. */
  #heap(memory: number): SharedHeap {
    const known = this.#heaps[memory];
    if (known) return known;
    const heap = new SharedHeap(this.#limit);
    writeConstants(heap.memory);
    this.#pool.share(heap.memory);
    this.#heaps.push(heap);
    return heap;
  }

  #plant(shares: readonly Share[], kinds: readonly (keyof Share['sentinels'])[]): void {
    for (const { memory, sentinels } of shares) {
      for (const kind of kinds) plant(this.#heaps[memory]!, sentinels[kind]);
    }
  }

  #damage(shares: readonly Share[]): string | undefined {
    const own = shares.flatMap(({ memory, sentinels: { plan, scratch } }) =>
      [...plan, ...scratch].map((sentinel) => ({ memory, sentinel })),
    );
    for (const { memory, sentinel } of [...this.#planted, ...own]) {
      const name = damaged(this.#heaps[memory]!, [sentinel]);
      if (name !== undefined) return name;
    }
    return undefined;
  }

  /** Brings weights to their places, which are claimed. */
  async #load(brought: readonly Brought[], shares: readonly Share[]): Promise<void> {
    const jobs = brought.flatMap(({ weight, memory, place: { address } }) =>
      loadJobs(weight, { memory, address }, this.#groupBytes),
    );
    const staging = Array.from({ length: this.threads }, (_, thread) => {
      const scratch = new Map(shares.map((share) => [share.memory, share.scratch[thread]!]));
      return this.#heaps.map((_, memory) => scratch.get(memory) ?? 0);
    });
    await this.#pool.load(jobs, staging);
  }

  /** Writes the tables that the threads walk, stage after stage. */
  #write(program: Program, { stages, shares }: ProgramPlan): Work {
    const tables = new Map(
      shares.map((share) => {
        const { plan, memory } = share;
        const weight = (id: WeightId) => ({ ...this.#weights.all[id]!, address: share.weights.get(id)! });
        const heap = this.#heaps[memory]!;
        clearForAttention(heap, program.limits, plan);
        const table = new PhaseTable({ program, plan, weight, threads: this.threads, heap });
        return [memory, { table, ...share }];
      }),
    );
    return {
      stages: stages.map(({ memory, phases, carried }) => {
        const { table, scratch, plan } = tables.get(memory)!;
        return {
          memory,
          scratch,
          carried: carried.map(({ value, from }) => {
            const { address: target, stride, shape } = plan.values.get(value)!;
            const source = tables.get(from)!.plan.values.get(value)!.address;
            return { from, source, target, stride, selected: shape.rows === 'outputs' };
          }),
          table: table.write(phases),
        };
      }),
    };
  }

  #executable(
    { program, vocabulary }: { program: Program; vocabulary: number },
    plan: ProgramPlan,
    work: Work,
    onDispose: () => void,
  ): CpuExecutable {
    const part = ({ plan, memory }: Share) => ({ plan, heap: this.#heaps[memory]! });
    return new CpuExecutable({
      program,
      parts: plan.shares.map(part),
      keptIn: (value) => part(plan.shares.find(({ memory }) => memory === plan.keptIn.get(value))!),
      attention: this.#attention(plan),
      threads: this.#pool,
      work,
      codes: this.#dotClass === 'signed' ? 'signed' : 'unsigned', // of the other two they are the same
      vocabulary,
      memory: plan.shares
        .map(({ use }) => use)
        .reduce((sum, use) => ({
          weights: sum.weights + use.weights,
          kv: sum.kv + use.kv,
          arena: sum.arena + use.arena,
        })),
      damage: this.#sentinels ? () => this.#damage(plan.shares) : undefined,
      onDispose,
    });
  }

  /** In the order of the program. */
  #attention({ stages, shares }: ProgramPlan): PlacedAttention[] {
    const plans = new Map(shares.map(({ memory, plan }) => [memory, plan]));
    return stages.flatMap(({ memory, phases }) =>
      phases.flatMap((phase) => {
        if (phase.kind !== 'attention') return [];
        return { phase, plan: plans.get(memory)!, heap: this.#heaps[memory]! };
      }),
    );
  }

  async roofs(): Promise<Roofs> {
    const bytes = Math.ceil(2 ** 21 / this.threads) * 128; // of each thread: 256 MiB together, beyond the caches
    const all = this.threads * bytes;
    const roomy = this.#heaps.findIndex(({ used }) => used + all <= this.#limit);
    const memory = roomy < 0 ? this.#heaps.length : roomy;
    const heap = this.#heap(memory);
    const from = Array.from({ length: this.threads }, (_, thread) => heap.used + thread * bytes);
    const giveBack = heap.reserve(heap.used + all);
    heap.bytes(from[0]!, all).fill(1); // pages exist only once written
    try {
      return await this.#pool.measure(memory, from, bytes);
    } finally {
      giveBack();
    }
  }

  /** A weight that was forgotten. */
  #giveBack({ places }: Weight): void {
    for (const { giveBack } of places.values()) giveBack();
    places.clear();
  }

  async dispose(): Promise<void> {
    await this.#pool.end();
  }
}

/**
 * Zeroes the counters of attention, and the scales of values: kernels read scales in whole blocks, and a stale huge one
 * would revive a position whose softmax weight is practically zero.
 */
function clearForAttention(heap: SharedHeap, { sequences }: Limits, { finished, kv }: Plan): void {
  for (const { shape, valueScales } of kv.states.values()) {
    heap.i32(finished, sequences * shape.kvHeads).fill(0);
    for (let page = 0; page < kv.pages; page++) {
      heap.clear(valueScales.address + page * kv.pageBytes, valueScales.bytes);
    }
  }
}
