/**
 * What a program takes of each memory, planned to the byte before anything is reserved: the weights of the phases that
 * run there, then everything else they need.
 */
import { UserError } from '../../errors.ts';
import { HEAP, MOST_SEGMENTS } from '../../kernels/wasm/layout.ts';
import type { MemoryUse, Program, ValueId, WeightId } from '../backend.ts';
import { fuse, lastReads, type Phase, usesOf } from '../fuse.ts';
import { shapesOf } from '../ops.ts';
import { AddressSpace, megabytes, type Sentinel } from './memory.ts';
import { type Part, type Plan, planMemory } from './plan.ts';
import { shifted } from './sentinels.ts';
import { assignMemories, cutStages, type Stage } from './stages.ts';
import type { Lifetime } from './values.ts';
import { type GroupBytes, placedBytes, stagingBytes, type Weight } from './weights.ts';

export interface Share {
  readonly memory: number;
  readonly weights: ReadonlyMap<WeightId, number>; // addresses
  readonly missing: readonly WeightId[]; // those that are not in place yet
  readonly weightsEnd: number;
  readonly plan: Plan;
  readonly scratch: readonly number[]; // of each thread
  readonly end: number;
  readonly use: MemoryUse;
  readonly sentinels: {
    readonly weights: readonly Sentinel[]; // behind those that were missing
    readonly plan: readonly Sentinel[]; // behind everything else
    readonly scratch: readonly Sentinel[]; // within the scratch of threads, where weights are staged before
  };
}

export interface ProgramPlan {
  readonly stages: readonly Stage[];
  readonly shares: readonly Share[]; // of each memory in use
  readonly output: Share; // where the logits are
}

/** What a plan depends on besides the program. */
export interface Site {
  readonly weights: readonly Weight[];
  readonly threads: number;
  readonly groupBytes: GroupBytes;
  readonly used: readonly number[]; // where each memory is free from
  readonly limit: number; // bytes of one memory
  readonly sentinels: boolean;
}

/**
 * Throws UserError of kind memory for a weight or a state that no memory holds.
 * @param spare bytes of each memory that are left free, because a first plan was that much too large
 */
export function planProgram(program: Program, site: Site, spare = 0): ProgramPlan {
  const phases = fuse(program, { mostProducts: MOST_SEGMENTS });
  const shapes = shapesOf(program, (id) => site.weights[id]!.desc);
  const share = (part: readonly Phase[], lifetimes: ReadonlyMap<ValueId, Lifetime>, memory: number) =>
    planShare(
      { phases: part, lifetimes, shapes, states: program.states, limits: program.limits },
      memory,
      site,
    );
  const likely = likelyLifetimes(phases, program.output);
  const memoryOf = assignMemories(phases, {
    count: site.used.length,
    holds: (memory, weight) => site.weights[weight]!.places.has(memory),
    fits: (memory, part) => share(part, likely(part), memory).end <= site.limit - spare,
    tooLarge: (part) => tooLarge(share(part, likely(part), site.used.length), site),
  });
  const { stages, lifetimes, outputIn } = cutStages(phases, memoryOf, program.output);
  const shares = Array.from(lifetimes, ([memory, held]) => {
    const part = phases.filter((_, i) => memoryOf[i] === memory);
    return share(part, held, memory);
  });
  const excess = Math.max(...shares.map(({ end }) => end - site.limit));
  if (excess > 0) return planProgram(program, site, spare + excess);
  return { stages, shares, output: shares.find(({ memory }) => memory === outputIn)! };
}

/**
 * Lifetimes of the values of some phases before it is known which others run in their memory: what those make may be
 * there from the start.
 */
function likelyLifetimes(
  all: readonly Phase[],
  output: ValueId,
): (part: readonly Phase[]) => ReadonlyMap<ValueId, Lifetime> {
  const last = lastReads(all.map(usesOf), output);
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

/** The share of a part of the program in a memory. */
function planShare(part: Part, memory: number, site: Site): Share {
  const { phases } = part;
  const { weights, threads, groupBytes, used } = site;
  const space = new AddressSpace(used[memory] ?? HEAP, site.sentinels);
  if (site.sentinels) space.allocate(0, 'what lies below');
  const ids = [...new Set(phases.flatMap((phase) => usesOf(phase).weights))];
  const bytesOf = (id: WeightId) => placedBytes(weights[id]!, groupBytes);
  const place = (id: WeightId) => space.allocate(bytesOf(id), weights[id]!.desc.name);
  const placed = ids.map((id) => weights[id]!.places.get(memory) ?? place(id));
  const missing = ids.filter((id) => !weights[id]!.places.has(memory));
  const weightsEnd = space.used;
  const weightSentinels = space.sentinels.splice(0);

  const plan = planMemory(part, (id) => weights[id]!, space);
  const scratchBytes = Math.max(plan.scratch.bytes, stagingBytes(missing.map((id) => weights[id]!)));
  const scratch = Array.from({ length: threads }, (_, i) => {
    return space.allocate(scratchBytes, `scratch of thread ${i}`);
  });
  return {
    memory,
    weights: new Map(ids.map((id, i) => [id, placed[i]!])),
    missing,
    weightsEnd,
    plan,
    scratch,
    end: space.used,
    use: {
      weights: ids.reduce((sum, id) => sum + bytesOf(id), 0),
      kv: plan.kvBytes,
      arena: plan.arenaBytes + threads * scratchBytes,
    },
    sentinels: {
      weights: weightSentinels,
      plan: space.sentinels,
      scratch: scratch.flatMap((address, i) =>
        shifted(plan.scratch.sentinels, address, `scratch of thread ${i}: `),
      ),
    },
  };
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
