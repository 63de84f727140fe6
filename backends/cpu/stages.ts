/**
 * The memory of each phase, and the values carried between memories, for programs that need several memories.
 *
 * A stage is a run of phases in one memory. Values that it reads from another memory are carried over first: usually the
 * residual stream alone. A program that fits in one memory is one stage.
 */
import type { Limits, Ring, StateShape, ValueId, WeightId } from '../backend.ts';
import { lastReads, type Phase, usesOf } from '../fuse.ts';
import type { Shape } from '../ops.ts';

/** The part of a program that runs in one memory. */
export interface MemoryProgram {
  readonly phases: readonly Phase[];
  readonly lifetimes: ReadonlyMap<ValueId, Lifetime>; // of the values that the memory holds
  readonly shapes: readonly Shape[]; // of all values of the whole program
  readonly states: readonly StateShape[]; // of the whole program
  readonly output: ValueId; // of the whole program
  readonly limits: Limits;
  readonly ring: Ring | undefined; // of the whole program
}

/** First and last phase, of the whole program, between which a memory holds a value. */
export interface Lifetime {
  readonly from: number;
  readonly to: number;
}

export interface Stage {
  readonly memory: number;
  readonly phases: readonly Phase[];
  readonly carried: readonly { readonly value: ValueId; readonly from: number }[];
}

export interface Stages {
  readonly stages: readonly Stage[];
  /** For each memory, the lifetimes of the values that it holds. */
  readonly lifetimes: ReadonlyMap<number, ReadonlyMap<ValueId, Lifetime>>;
  readonly madeIn: ReadonlyMap<ValueId, number>; // memory of each value
}

export interface Memories {
  readonly count: number; // memories that exist; the next one is empty
  /** Whether the weight is in that memory already. */
  holds(memory: number, weight: WeightId): boolean;
  /** Whether these phases, with their weights and buffers, fit into the free part of the memory. */
  fits(memory: number, phases: readonly Phase[]): boolean;
  /** The error for phases that do not fit into an empty memory. */
  tooLarge(phases: readonly Phase[]): Error;
}

/**
 * The memory of each phase. All phases run in one memory if they fit; else memories are filled in the order of the program.
 * Phases that share a weight (a tied head) or a state run in the same memory. A memory that already holds the weights
 * comes first.
 */
export function assignMemories(phases: readonly Phase[], memories: Memories): number[] {
  const one = oneMemory(phases, memories);
  if (one !== undefined) return phases.map(() => one);
  const memoryOf = new Map<Phase, number>();
  let [current, count] = [0, memories.count];
  for (const phase of phases) {
    if (!memoryOf.has(phase)) {
      const family = familyOf(phase, phases);
      const candidates = [...holding(family, memories), ...numbers(current, count + 1)];
      const taken = (m: number) => phases.filter((each) => memoryOf.get(each) === m || family.has(each));
      const memory = candidates.find((m) => memories.fits(m, taken(m)));
      if (memory === undefined) throw memories.tooLarge([...family]);
      for (const each of family) memoryOf.set(each, memory);
      count = Math.max(count, memory + 1);
    }
    current = memoryOf.get(phase)!;
  }
  return phases.map((phase) => memoryOf.get(phase)!);
}

/** The memory that fits all phases without a second copy of a weight. */
function oneMemory(phases: readonly Phase[], memories: Memories): number | undefined {
  const held = holding(phases, memories);
  if (held.length > 1) return undefined;
  const candidates = held.length === 1 ? held : numbers(0, memories.count + 1);
  return candidates.find((m) => memories.fits(m, phases));
}

/** The memories that already hold weights of these phases. */
function holding(phases: Iterable<Phase>, memories: Memories): number[] {
  const weights = [...phases].flatMap((phase) => usesOf(phase).weights);
  return numbers(0, memories.count).filter((m) => weights.some((weight) => memories.holds(m, weight)));
}

/** The phase and, transitively, all phases that share a weight or a state with it. */
function familyOf(phase: Phase, phases: readonly Phase[]): Set<Phase> {
  const family = new Set([phase]);
  for (const member of family) {
    const { weights, state } = usesOf(member);
    for (const other of phases) {
      const uses = usesOf(other);
      const shares = uses.weights.some((weight) => weights.includes(weight));
      if (shares || (state !== undefined && uses.state === state)) family.add(other);
    }
  }
  return family;
}

/** Cuts the phases into stages. A memory holds a value until its last reader in any memory. */
export function cutStages(
  phases: readonly Phase[],
  memoryOf: readonly number[],
  kept: readonly ValueId[],
): Stages {
  const last = lastReads(phases.map(usesOf), kept);
  const stages: Stage[] = [];
  const lifetimes = new Map<number, Map<ValueId, Lifetime>>();
  const madeIn = new Map<ValueId, number>();
  for (let start = 0, end = 0; start < phases.length; start = end) {
    const memory = memoryOf[start]!;
    const held = lifetimes.get(memory) ?? new Map<ValueId, Lifetime>();
    lifetimes.set(memory, held);
    const carried: { value: ValueId; from: number }[] = [];
    for (; memoryOf[end] === memory; end++) {
      const { reads, writes } = usesOf(phases[end]!);
      for (const value of reads) {
        if (held.has(value)) continue;
        carried.push({ value, from: madeIn.get(value)! });
        held.set(value, { from: start, to: last.get(value)! });
      }
      for (const value of writes) {
        madeIn.set(value, memory);
        held.set(value, { from: end, to: last.get(value)! });
      }
    }
    stages.push({ memory, phases: phases.slice(start, end), carried });
  }
  return { stages, lifetimes, madeIn };
}

/** from, from + 1, ..., to - 1 */
function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}
