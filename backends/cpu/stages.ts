/**
 * Programs that need several memories: which memory each phase runs in, and what goes from one memory to the next.
 *
 * A stage is a run of phases in one memory. A buffer that it reads before it writes it is carried there from where it was
 * written, usually the residual stream alone. A program that fits in one memory is one stage.
 */
import type { BufferId, WeightId } from '../backend.ts';
import type { Phase } from '../fuse.ts';
import { usesOf } from '../phase-uses.ts';

export interface Stage {
  readonly memory: number;
  readonly phases: readonly Phase[];
  readonly carried: readonly { readonly buffer: BufferId; readonly from: number }[];
}

export interface Memories {
  readonly count: number; // those that exist; the next one is empty
  /** Whether the weight lies in that memory already. */
  holds(memory: number, weight: WeightId): boolean;
  /** Whether these phases, with all they need, fit beside what the memory holds. */
  fits(memory: number, phases: readonly Phase[]): boolean;
  /** The error for phases that not even an empty memory takes. */
  tooLarge(phases: readonly Phase[]): Error;
}

/**
 * The memory of each phase: one for all if there is such a one; else memories are filled in the order of the program.
 * Phases that share a weight (a tied head) or a layer's cache stay together, and weights are used where they lie.
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

/** The memory that takes all phases without a second copy of a weight. */
function oneMemory(phases: readonly Phase[], memories: Memories): number | undefined {
  const held = holding(phases, memories);
  if (held.length > 1) return undefined;
  const candidates = held.length === 1 ? held : numbers(0, memories.count + 1);
  return candidates.find((m) => memories.fits(m, phases));
}

/** The memories that hold weights of these phases already. */
function holding(phases: Iterable<Phase>, memories: Memories): number[] {
  const weights = [...phases].flatMap((phase) => usesOf(phase).weights);
  return numbers(0, memories.count).filter((m) => weights.some((weight) => memories.holds(m, weight)));
}

/** The phase and all that share a weight or a cache with one of them. */
function familyOf(phase: Phase, phases: readonly Phase[]): Set<Phase> {
  const family = new Set([phase]);
  for (const member of family) {
    const { weights, layer } = usesOf(member);
    for (const other of phases) {
      const uses = usesOf(other);
      const shares = uses.weights.some((weight) => weights.includes(weight));
      if (shares || (layer !== undefined && uses.layer === layer)) family.add(other);
    }
  }
  return family;
}

/** The runs of phases with one memory, and where each buffer's last value is found in the end. */
export function cutStages(
  phases: readonly Phase[],
  memoryOf: readonly number[],
): { stages: Stage[]; lastAt: ReadonlyMap<BufferId, number> } {
  const stages: Stage[] = [];
  const at = new Map<BufferId, Set<number>>(); // memories that hold a buffer's value
  for (let start = 0, end = 0; start < phases.length; start = end) {
    const memory = memoryOf[start]!;
    const carried: { buffer: BufferId; from: number }[] = [];
    for (; memoryOf[end] === memory; end++) {
      const { reads, writes } = usesOf(phases[end]!);
      for (const buffer of reads) {
        const holders = at.get(buffer);
        if (!holders || holders.has(memory)) continue;
        const [from] = holders;
        carried.push({ buffer, from: from! });
        holders.add(memory);
      }
      for (const buffer of writes) at.set(buffer, new Set([memory]));
    }
    stages.push({ memory, phases: phases.slice(start, end), carried });
  }
  return { stages, lastAt: new Map(at.entries().map(([buffer, [memory]]) => [buffer, memory!])) };
}

/** from, from + 1, ..., to - 1 */
function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}
