/**
 * What a program takes of each memory, planned to the byte before anything is reserved: the weights of the phases that
 * run there, then everything else they need.
 */
import { UserError } from '../../errors.ts';
import { MOST_SEGMENTS } from '../../kernels/wasm/layout.ts';
import type { MemoryUse, Program, ValueId, WeightId } from '../backend.ts';
import { fuse, lastReads, type Phase, usesOf } from '../fuse.ts';
import { keptValues, shapesOf } from '../ops.ts';
import { AddressSpace, FreeRanges, megabytes, type Range, type Sentinel } from './memory.ts';
import { type Part, type Plan, planMemory } from './plan.ts';
import { shifted } from './sentinels.ts';
import { assignMemories, cutStages, type Stage } from './stages.ts';
import type { Lifetime } from './values.ts';
import { type GroupBytes, placedBytes, stagingBytes, type Weight } from './weights.ts';

export interface Share {
  readonly memory: number;
  readonly weights: ReadonlyMap<WeightId, number>; // addresses
  readonly missing: readonly MissingWeight[]; // those that are not in place yet
  readonly rest: Range; // of everything else
  readonly plan: Plan;
  readonly scratch: readonly number[]; // of each thread
  readonly end: number; // of all that lies in the memory
  readonly use: MemoryUse;
  readonly sentinels: {
    readonly weights: readonly Sentinel[]; // behind those that were missing
    readonly plan: readonly Sentinel[]; // behind everything else
    readonly scratch: readonly Sentinel[]; // within the scratch of threads, where weights are staged before
  };
}

/** A weight, and the range to claim for it. */
export interface MissingWeight {
  readonly id: WeightId;
  readonly range: Range;
}

export interface ProgramPlan {
  readonly stages: readonly Stage[];
  readonly shares: readonly Share[]; // of each memory in use
  readonly keptIn: ReadonlyMap<ValueId, number>; // memory of the output and of each tap
}

/** What a plan depends on besides the program. */
export interface Site {
  readonly weights: readonly Weight[];
  readonly threads: number;
  readonly groupBytes: GroupBytes;
  readonly free: readonly FreeRanges[]; // of each memory
  readonly limit: number; // bytes of one memory
  readonly sentinels: boolean;
}

/**
 * Throws UserError of kind memory for a weight or a state that no memory holds.
 * @param spare bytes of each memory that are left free, because a first plan was that much too large
 */
export function planProgram(program: Program, site: Site, spare = 0): ProgramPlan {
  const phases = fuse(program.ops, keptValues(program), { mostProducts: MOST_SEGMENTS });
  const shapes = shapesOf(program, (id) => site.weights[id]!.desc);
  const share = (part: readonly Phase[], lifetimes: ReadonlyMap<ValueId, Lifetime>, memory: number) =>
    planShare({ ...program, phases: part, lifetimes, shapes }, memory, site);
  const likely = likelyLifetimes(phases, keptValues(program));
  const memoryOf = assignMemories(phases, {
    count: site.free.length,
    holds: (memory, weight) => site.weights[weight]!.places.has(memory),
    fits: (memory, part) => share(part, likely(part), memory).end <= site.limit - spare,
    tooLarge: (part) => tooLarge(share(part, likely(part), site.free.length), site),
  });
  const { stages, lifetimes, madeIn } = cutStages(phases, memoryOf, keptValues(program));
  const shares = Array.from(lifetimes, ([memory, held]) => {
    const part = phases.filter((_, i) => memoryOf[i] === memory);
    return share(part, held, memory);
  });
  const excess = Math.max(...shares.map(({ end }) => end - site.limit));
  if (excess > 0) return planProgram(program, site, spare + excess);
  return { stages, shares, keptIn: madeIn };
}

/**
 * Lifetimes of the values of some phases before it is known which others run in their memory: what those make may be
 * there from the start.
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

/** The share of a part of the program in a memory: each weight, and all the rest together, where it first fits. */
function planShare(part: Part, memory: number, site: Site): Share {
  const { weights, threads, groupBytes } = site;
  const free = site.free[memory]?.copy() ?? new FreeRanges();
  const ids = [...new Set(part.phases.flatMap((phase) => usesOf(phase).weights))];
  const bytesOf = (id: WeightId) => placedBytes(weights[id]!, groupBytes);
  const isMissing = (id: WeightId) => !weights[id]!.places.has(memory);
  const missing = ids.filter(isMissing).map((id) => {
    const { name } = weights[id]!.desc;
    return { id, ...placed(free, site, (space) => space.allocate(bytesOf(id), name)) };
  });
  const addresses = new Map(missing.map(({ id, made }) => [id, made]));
  const rest = placed(free, site, (space) => {
    const plan = planMemory(part, (id) => weights[id]!, space);
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
    missing: missing.map(({ id, range }) => ({ id, range })),
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
      weights: missing.flatMap(({ sentinels }) => sentinels),
      plan: rest.sentinels,
      scratch: scratch.flatMap((address, i) =>
        shifted(plan.scratch.sentinels, address, `scratch of thread ${i}: `),
      ),
    },
  };
}

interface Placed<T> {
  readonly made: T;
  readonly range: Range;
  readonly sentinels: readonly Sentinel[];
}

/** What `plan` makes in the lowest range that is free for it. It is asked twice where that is not the top. */
function placed<T>(free: FreeRanges, { sentinels }: Site, plan: (space: AddressSpace) => T): Placed<T> {
  const planAt = (start: number): Placed<T> => {
    const space = new AddressSpace(start, sentinels);
    if (sentinels) space.allocate(0, 'what lies below');
    const made = plan(space);
    return { made, range: { start, end: space.used }, sentinels: space.sentinels };
  };
  const onTop = planAt(free.top);
  const start = free.find(onTop.range.end - onTop.range.start);
  const found = start === free.top ? onTop : planAt(start);
  free.claim(found.range);
  return found;
}

function tooLarge({ weights, end, use }: Share, site: Site): UserError {
  const [first] = weights.keys();
  const what = first === undefined ? 'the state of a layer' : site.weights[first]!.desc.name;
  return new UserError(
    `Expected ${what}, with what it is computed with, to fit in one memory of ${megabytes(site.limit)}, ` +
      `got ${megabytes(end)} (weights ${megabytes(use.weights)}, context ${megabytes(use.kv)}, ` +
      `activations ${megabytes(use.arena)}).`,
    'Use a shorter context (--ctx N), or a smaller model or a smaller quantization of this one.',
    { kind: 'memory' },
  );
}
