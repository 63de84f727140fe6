/** The attention weights of a step, from the memories that its attention ops leave them in. */
import type { AttentionPhase } from '../fuse.ts';
import type { SharedHeap, SharedHeaps } from './memory.ts';
import type { MemoryPlan } from './memory-plan.ts';
import type { Plan } from './plan.ts';

/** An attention and where it runs. */
export interface PlacedAttention {
  readonly phase: AttentionPhase;
  readonly plan: Plan;
  readonly heap: SharedHeap;
}

/** The attention phases of a plan, in the order of the program. */
export function placedAttention({ stages, shares }: MemoryPlan, heaps: SharedHeaps): PlacedAttention[] {
  const plans = new Map(shares.map(({ memory, plan }) => [memory, plan]));
  return stages.flatMap(({ memory, phases }) =>
    phases.flatMap((phase) => {
      return phase.kind === 'attention' ? { phase, plan: plans.get(memory)!, heap: heaps.at(memory) } : [];
    }),
  );
}

/** A copy, [heads of all ops][length]: the weights of positions 0 to length - 1. */
export function attentionWeights(placed: readonly PlacedAttention[], length: number): Float32Array {
  const rows = placed.flatMap(({ phase, plan, heap }) => {
    const { context: positions } = plan.kv;
    const { heads } = phase.op;
    const all = heap.f32(plan.attentionWeights.get(phase.out)!, heads * positions);
    return Array.from({ length: heads }, (_, h) => all.subarray(h * positions, h * positions + length));
  });
  const weights = new Float32Array(rows.length * length);
  rows.forEach((row, i) => {
    weights.set(row, i * length);
  });
  return weights;
}
