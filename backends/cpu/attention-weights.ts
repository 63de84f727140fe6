/** The attention weights of a step, from the memories that its layers leave them in. */
import type { AttentionOp } from '../backend.ts';
import type { SharedHeap } from './memory.ts';
import { attentionWeightsAt, type Plan } from './plan.ts';

/** An attention op and where it runs; its layer is numbered there. */
export interface PlacedAttention {
  readonly op: AttentionOp;
  readonly plan: Plan;
  readonly heap: SharedHeap;
}

/** A copy, [ops][heads][length]: the weights of positions 0 to length - 1. */
export function attentionWeights(placed: readonly PlacedAttention[], length: number): Float32Array {
  const rows = placed.flatMap(({ op, plan, heap }) => {
    const { positions } = plan.kv;
    const all = heap.f32(attentionWeightsAt(plan, op), op.heads * positions);
    return Array.from({ length: op.heads }, (_, h) => all.subarray(h * positions, h * positions + length));
  });
  const weights = new Float32Array(rows.length * length);
  rows.forEach((row, i) => {
    weights.set(row, i * length);
  });
  return weights;
}
