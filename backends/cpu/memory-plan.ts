/**
 * The plan of a program in the memories of the backend, made to the byte before anything is reserved. Each memory holds
 * the weights of the phases that run there, and everything else that those phases need.
 */
import { UserError } from '../../errors.ts';
import { MOST_SEGMENTS } from '../../kernels/wasm/layout.ts';
import type { MemoryUse, Program, ValueId, WeightId } from '../backend.ts';
import { fuse, lastReads, type Phase, usesOf } from '../fuse.ts';
import { keptValues, shapesOf } from '../ops.ts';
import { ringOf } from '../rings.ts';
import { type BufferPlan, planBuffers } from './buffer-plan.ts';
import { AddressSpace, FreeRanges, megabytes, type Range, type Sentinel, type SharedHeap } from './memory.ts';
import { shifted } from './sentinels.ts';
import { assignMemories, cutStages, type Lifetime, type MemoryProgram, type Stage } from './stages.ts';
import { type GroupBytes, placedBytes, stagingBytes, type Weight } from './weights.ts';

/** The addresses of a program in all its memories, and the order of its stages. */
export interface MemoryPlan {
  readonly stages: readonly Stage[];
  readonly shares: readonly MemoryShare[]; // one for each memory in use
  readonly madeIn: ReadonlyMap<ValueId, number>; // memory of each value
  readonly use: MemoryUse; // of all shares
}

/** The weights and buffers of a program in one memory. */
export interface MemoryShare {
  readonly memory: number;
  readonly weights: ReadonlyMap<WeightId, number>; // addresses
  readonly missing: readonly MissingWeight[];
  readonly rest: Range; // buffers, then the scratch of each thread
  readonly plan: BufferPlan;
  readonly scratch: readonly number[]; // address for each thread
  readonly end: number; // of everything in the memory, other programs included
  readonly use: MemoryUse;
  readonly sentinels: {
    readonly plan: readonly Sentinel[]; // after buffers
    readonly scratch: readonly Sentinel[]; // inside the scratch; loading weights overwrites them
  };
}

/** A memory, and the plan of the buffers in it. */
export interface PlannedMemory {
  readonly plan: BufferPlan;
  readonly heap: SharedHeap;
}

/** A weight that is not in the memory yet. */
export interface MissingWeight {
  readonly id: WeightId;
  readonly address: number;
  readonly range: Range; // to reserve
  readonly sentinels: readonly Sentinel[];
}

/** The backend as a plan finds it. */
export interface PlanInputs {
  readonly weights: readonly Weight[]; // by id
  readonly threads: number;
  readonly groupBytes: GroupBytes;
  readonly free: readonly FreeRanges[]; // of each memory
  readonly limit: number; // bytes of one memory
  readonly sentinels: boolean;
}

/**
 * Throws UserError of kind memory for a weight or a state that is too large for one memory.
 * @param spare bytes of each memory to leave free: the excess of an earlier attempt
 */
export function planMemories(program: Program, inputs: PlanInputs, spare = 0): MemoryPlan {
  const phases = fuse(program.ops, keptValues(program), { mostProducts: MOST_SEGMENTS });
  const shapes = shapesOf(program, (id) => inputs.weights[id]!.desc);
  const ring = ringOf(program);
  const share = (part: readonly Phase[], lifetimes: ReadonlyMap<ValueId, Lifetime>, memory: number) =>
    planShare({ ...program, ring, phases: part, lifetimes, shapes }, memory, inputs);
  const likely = likelyLifetimes(phases, keptValues(program));
  const whole = wholeShares((memory) => share(phases, likely(phases), memory));
  const isWhole = (part: readonly Phase[]) => part.length === phases.length;
  const fits = (memory: number, part: readonly Phase[]) => {
    const { end } = isWhole(part) ? whole(memory) : share(part, likely(part), memory);
    return end <= inputs.limit - spare;
  };
  const memoryOf = assignMemories(phases, {
    count: inputs.free.length,
    holds: (memory, weight) => inputs.weights[weight]!.places.has(memory),
    fits,
    tooLarge: (part) => tooLarge(share(part, likely(part), inputs.free.length), inputs),
  });
  const { stages, lifetimes, madeIn } = cutStages(phases, memoryOf, keptValues(program));
  const shares = Array.from(lifetimes, ([memory, held]) => {
    const part = phases.filter((_, i) => memoryOf[i] === memory);
    return isWhole(part) ? whole(memory) : share(part, held, memory);
  });
  const excess = Math.max(...shares.map(({ end }) => end - inputs.limit));
  if (excess > 0) return planMemories(program, inputs, spare + excess);
  return { stages, shares, madeIn, use: sumOf(shares.map(({ use }) => use)) };
}

/**
 * The share of a memory that gets all phases, planned once: a start asks twice. The likely lifetimes are the real ones
 * then, because every value is made in that memory.
 */
function wholeShares(plan: (memory: number) => MemoryShare): (memory: number) => MemoryShare {
  const planned = new Map<number, MemoryShare>();
  return (memory) => {
    const share = planned.get(memory) ?? plan(memory);
    planned.set(memory, share);
    return share;
  };
}

function sumOf(uses: readonly MemoryUse[]): MemoryUse {
  return uses.reduce((sum, use) => ({
    weights: sum.weights + use.weights,
    kv: sum.kv + use.kv,
    arena: sum.arena + use.arena,
  }));
}

/**
 * Lifetimes of the values of some phases, before the memory of the other phases is known. Values of other phases count
 * as held from the start.
 */
function likelyLifetimes(
  all: readonly Phase[],
  kept: readonly ValueId[],
): (part: readonly Phase[]) => ReadonlyMap<ValueId, Lifetime> {
  const last = lastReads(all.map(usesOf), kept);
  const index = new Map(all.map((phase, i) => [phase, i]));
  return (part) => {
    const lifetimes = new Map<ValueId, Lifetime>();
    for (const phase of part) {
      const { reads, writes } = usesOf(phase);
      for (const value of reads) {
        if (!lifetimes.has(value)) lifetimes.set(value, { from: 0, to: last.get(value)! });
      }
      for (const value of writes) lifetimes.set(value, { from: index.get(phase)!, to: last.get(value)! });
    }
    return lifetimes;
  };
}

/** The share of some phases in a memory. Each weight, and the rest together, takes the lowest free range that fits. */
function planShare(program: MemoryProgram, memory: number, inputs: PlanInputs): MemoryShare {
  const { weights, threads, groupBytes } = inputs;
  const free = inputs.free[memory]?.copy() ?? new FreeRanges();
  const ids = [...new Set(program.phases.flatMap((phase) => usesOf(phase).weights))];
  const bytesOf = (id: WeightId) => placedBytes(weights[id]!, groupBytes);
  const isMissing = (id: WeightId) => !weights[id]!.places.has(memory);
  const missing = ids.filter(isMissing).map((id): MissingWeight => {
    const { name } = weights[id]!.desc;
    const { made, ...ranged } = planLowest(free, inputs, (space) => space.allocate(bytesOf(id), name));
    return { id, address: made, ...ranged };
  });
  const addresses = new Map(missing.map(({ id, address }) => [id, address]));
  const rest = planLowest(free, inputs, (space) => {
    const plan = planBuffers(program, (id) => weights[id]!, space);
    const staging = stagingBytes(missing.map(({ id }) => weights[id]!));
    const scratchBytes = Math.max(plan.scratch.bytes, staging);
    const scratch = Array.from({ length: threads }, (_, i) => {
      return space.allocate(scratchBytes, `scratch of thread ${i}`);
    });
    return { plan, scratch, scratchBytes };
  });
  const { plan, scratch, scratchBytes } = rest.made;
  return {
    memory,
    weights: new Map(ids.map((id) => [id, addresses.get(id) ?? weights[id]!.places.get(memory)!.address])),
    missing,
    rest: rest.range,
    plan,
    scratch,
    end: free.top,
    use: {
      weights: ids.reduce((sum, id) => sum + bytesOf(id), 0),
      kv: plan.kvBytes,
      arena: plan.arenaBytes + threads * scratchBytes,
    },
    sentinels: {
      plan: rest.sentinels,
      scratch: scratch.flatMap((address, i) =>
        shifted(plan.scratch.sentinels, address, `scratch of thread ${i}: `),
      ),
    },
  };
}

interface Ranged<T> {
  readonly made: T;
  readonly range: Range;
  readonly sentinels: readonly Sentinel[];
}

/** Calls `plan` for the lowest free range that fits, and claims it. The first call, above everything, finds the size. */
function planLowest<T>(
  free: FreeRanges,
  { sentinels }: PlanInputs,
  plan: (space: AddressSpace) => T,
): Ranged<T> {
  const planAt = (start: number): Ranged<T> => {
    const space = new AddressSpace(start, sentinels);
    if (sentinels) space.allocate(0, 'buffers below');
    const made = plan(space);
    return { made, range: { start, end: space.used }, sentinels: space.sentinels };
  };
  const onTop = planAt(free.top);
  const start = free.find(onTop.range.end - onTop.range.start);
  const found = start === free.top ? onTop : planAt(start);
  free.claim(found.range);
  return found;
}

function tooLarge({ weights, end, use }: MemoryShare, inputs: PlanInputs): UserError {
  const [first] = weights.keys();
  const what = first === undefined ? 'The state of a layer' : inputs.weights[first]!.desc.name;
  return new UserError(
    `${what} does not fit in one memory of ${megabytes(inputs.limit)}: with its buffers it takes ${megabytes(end)} ` +
      `(weights ${megabytes(use.weights)}, context ${megabytes(use.kv)}, activations ${megabytes(use.arena)}).`,
    'Use a shorter context (--ctx N), or a smaller model or a smaller quantization of this one.',
    { kind: 'memory' },
  );
}
