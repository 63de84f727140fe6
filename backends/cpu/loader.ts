/** Reserves the memory of a plan and loads the missing weights. A failed load gives everything back. */

import type { SharedHeap, SharedHeaps } from './memory.ts';
import type { MemoryPlan, MemoryShare, MissingWeight } from './memory-plan.ts';
import { damaged, plant, poison } from './sentinels.ts';
import type { StepTables, Threads } from './threads.ts';
import { type GroupBytes, loadJobs, type Weight, type WeightPlace } from './weights.ts';

/** A program that is ready to run. */
export interface LoadedProgram {
  readonly tables: StepTables;
  readonly reserved: DisposableStack; // all memory but that of the weights
}

/** A weight whose range is reserved. */
interface ReservedWeight {
  readonly weight: Weight;
  readonly memory: number;
  readonly place: WeightPlace;
}

export class Loader {
  readonly #heaps: SharedHeaps;
  readonly #threads: Threads;
  readonly #groupBytes: GroupBytes;
  readonly #sentinels: boolean;

  constructor(parts: { heaps: SharedHeaps; threads: Threads; groupBytes: GroupBytes; sentinels: boolean }) {
    this.#heaps = parts.heaps;
    this.#threads = parts.threads;
    this.#groupBytes = parts.groupBytes;
    this.#sentinels = parts.sentinels;
  }

  /**
   * @param weights by id
   * @param write writes the tables of the program while the threads read
   */
  async load(
    { shares }: MemoryPlan,
    weights: readonly Weight[],
    write: () => StepTables,
  ): Promise<LoadedProgram> {
    using ofWeights = new DisposableStack();
    using reserved = new DisposableStack();
    const missing: ReservedWeight[] = [];
    for (const share of shares) {
      const heap = this.#heaps.at(share.memory);
      heap.grow(share.end); // in one call: its cost does not depend on the size
      for (const each of share.missing) {
        const place = reserve(heap, each);
        ofWeights.defer(place.giveBack);
        missing.push({ weight: weights[each.id]!, memory: share.memory, place });
      }
      reserved.defer(heap.claim(share.rest));
      if (this.#sentinels) prepareSentinels(heap, share);
    }
    const tables = await this.#read(missing, shares, write);
    for (const { memory, sentinels } of shares) plant(this.#heaps.at(memory), sentinels.scratch);
    for (const { weight, memory, place } of missing) weight.places.set(memory, place);
    ofWeights.move(); // the weights own their ranges now
    return { tables, reserved: reserved.move() };
  }

  #read<T>(
    missing: readonly ReservedWeight[],
    shares: readonly MemoryShare[],
    meanwhile: () => T,
  ): Promise<T> {
    const jobs = missing.flatMap(({ weight, memory, place: { address } }) =>
      loadJobs(weight, { memory, address }, this.#groupBytes),
    );
    const staging = Array.from({ length: this.#threads.count }, (_, thread) => {
      const scratch = new Map(shares.map((share) => [share.memory, share.scratch[thread]!]));
      return this.#heaps.all.map((_, memory) => scratch.get(memory) ?? 0);
    });
    return this.#threads.load(jobs, staging, meanwhile);
  }
}

function reserve(heap: SharedHeap, { address, range, sentinels }: MissingWeight): WeightPlace {
  return { address, sentinels, giveBack: heap.claim(range) };
}

/** Poisons the reserved ranges, then plants all sentinels but those in the scratch. */
function prepareSentinels(heap: SharedHeap, { missing, rest, sentinels }: MemoryShare): void {
  for (const { start, end } of [...missing.map(({ range }) => range), rest]) poison(heap, start, end);
  for (const each of missing) plant(heap, each.sentinels);
  plant(heap, sentinels.plan);
}

/** Name of the first buffer with a damaged sentinel after it, among all weights and the buffers of a program. */
export function damagedBuffer(
  weights: readonly Weight[],
  { shares }: MemoryPlan,
  heaps: SharedHeaps,
): string | undefined {
  const places = weights.flatMap((weight) => [...weight.places]);
  const planted = [
    ...places.map(([memory, { sentinels }]) => ({ memory, sentinels })),
    ...shares.map(({ memory, sentinels: { plan, scratch } }) => ({
      memory,
      sentinels: [...plan, ...scratch],
    })),
  ];
  const names = planted.map(({ memory, sentinels }) => damaged(heaps.at(memory), sentinels));
  return names.find((name) => name !== undefined);
}
