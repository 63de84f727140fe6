/**
 * What a program takes of each memory, planned to the byte before anything is reserved: the weights of the phases that
 * run there, then everything else they need.
 */
import { UserError } from '../../errors.ts';
import { HEAP } from '../../kernels/wasm/layout.ts';
import type { MemoryUse, Program, WeightId } from '../backend.ts';
import { fuse, type Phase } from '../fuse.ts';
import { usesOf } from '../phase-uses.ts';
import { AddressSpace, megabytes } from './memory.ts';
import { type Plan, planMemory } from './plan.ts';
import { type Sentinel, shifted } from './sentinels.ts';
import { assignMemories, cutStages, type Stage } from './stages.ts';
import { type GroupBytes, placedBytes, stagingBytes, type Weight } from './weights.ts';

export interface Share {
  readonly memory: number;
  readonly program: Program; // of the cache, only the layers kept here
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
  readonly stages: readonly Stage[]; // attention layers are numbered within their memory
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

/** Throws UserError of kind memory for a weight or a layer that no memory holds. */
export function planProgram(program: Program, site: Site): ProgramPlan {
  const phases = fuse(program);
  const memoryOf = assignMemories(phases, {
    count: site.used.length,
    holds: (memory, weight) => site.weights[weight]!.places.has(memory),
    fits: (memory, part) => planShare(program, part, memory, site).end <= site.limit,
    tooLarge: (part) => tooLarge(planShare(program, part, site.used.length, site), site),
  });
  const parts = Map.groupBy(phases, (_, i) => memoryOf[i]!);
  const layers = new Map(parts.entries().map(([memory, part]) => [memory, layersOf(part)]));
  const memories = [...parts.keys()];
  const shares = memories.map((memory) => planShare(program, parts.get(memory)!, memory, site));
  const numbered = phases.map((phase, i) => withLocalLayer(phase, layers.get(memoryOf[i]!)!));
  const { stages, lastAt } = cutStages(numbered, memoryOf);
  const output = shares[memories.indexOf(lastAt.get(program.logits)!)]!;
  return { stages, shares, output };
}

/** The share of `phases` in a memory. */
function planShare(program: Program, phases: readonly Phase[], memory: number, site: Site): Share {
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

  const local = { ...program, kv: { ...program.kv, layers: layersOf(phases).length } };
  const plan = planMemory(local, phases, (id) => weights[id]!, space);
  const scratchBytes = Math.max(plan.scratch.bytes, stagingBytes(missing.map((id) => weights[id]!)));
  const scratch = Array.from({ length: threads }, (_, i) => {
    return space.allocate(scratchBytes, `scratch of thread ${i}`);
  });
  return {
    memory,
    program: local,
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

/** The layers whose cache these phases keep. */
function layersOf(phases: readonly Phase[]): number[] {
  return [...new Set(phases.flatMap((phase) => usesOf(phase).layer ?? []))];
}

/** The phase with its layer as the place among `layers`, those of its memory. */
function withLocalLayer(phase: Phase, layers: readonly number[]): Phase {
  if (phase.kind !== 'attention') return phase;
  return { ...phase, op: { ...phase.op, layer: layers.indexOf(phase.op.layer) } };
}

function tooLarge({ weights, end, use }: Share, site: Site): UserError {
  const [first] = weights.keys();
  const what = first === undefined ? 'the context of a layer' : site.weights[first]!.desc.name;
  return new UserError(
    `Expected ${what}, with what it is computed with, to fit in one memory of ${megabytes(site.limit)}, ` +
      `got ${megabytes(end)} (weights ${megabytes(use.weights)}, context ${megabytes(use.kv)}, ` +
      `activations ${megabytes(use.arena)}).`,
    'Use a shorter context (--ctx N), or a smaller model or a smaller quantization of this one.',
    { kind: 'memory' },
  );
}
