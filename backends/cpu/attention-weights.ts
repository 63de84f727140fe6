/** The attention weights of a step, collected from the memories of its attention phases. */
import type { AttentionPhase } from '../fuse.ts';
import type { PlannedMemory } from './memory-plan.ts';
import type { Stage } from './stages.ts';

/** An attention phase and the memory it runs in. */
export interface PlacedAttention extends PlannedMemory {
  readonly phase: AttentionPhase;
}

/** The attention phases of all stages, in the order of the program. */
export function placedAttention(
  stages: readonly Stage[],
  memories: ReadonlyMap<number, PlannedMemory>,
): PlacedAttention[] {
  return stages.flatMap(({ memory, phases }) =>
    phases.flatMap((phase) => (phase.kind === 'attention' ? { ...memories.get(memory)!, phase } : [])),
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
