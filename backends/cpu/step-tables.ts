/** Writes the tables that the threads walk in each step of a program, stage by stage. */
import type { Limits, Program, WeightId } from '../backend.ts';
import type { BufferPlan } from './buffer-plan.ts';
import type { SharedHeap, SharedHeaps } from './memory.ts';
import type { MemoryPlan } from './memory-plan.ts';
import { PhaseTable } from './phase-table.ts';
import type { StepTables } from './threads.ts';
import type { Weight } from './weights.ts';

/** @param weights by id */
export function writeStepTables(
  program: Program,
  { stages, shares }: MemoryPlan,
  { weights, heaps, threads }: { weights: readonly Weight[]; heaps: SharedHeaps; threads: number },
): StepTables {
  const tables = new Map(
    shares.map((share) => {
      const { plan, memory } = share;
      const weight = (id: WeightId) => ({ ...weights[id]!, address: share.weights.get(id)! });
      const heap = heaps.at(memory);
      clearForAttention(heap, program.limits, plan);
      const table = new PhaseTable({ program, plan, weight, threads, heap });
      return [memory, { table, ...share }];
    }),
  );
  return stages.map(({ memory, phases, carried }) => {
    const { table, scratch, plan } = tables.get(memory)!;
    return {
      memory,
      scratch,
      carried: carried.map(({ value, from }) => {
        const { address: target, stride, shape } = plan.values.get(value)!;
        const source = tables.get(from)!.plan.values.get(value)!.address;
        return { from, source, target, stride, selected: shape.rows === 'outputs' };
      }),
      table: table.write(phases),
    };
  });
}

/**
 * Zeroes the counters of attention and the scales of cached values. Kernels read scales in whole blocks: a stale huge
 * scale would revive a position whose softmax weight is practically zero.
 */
function clearForAttention(heap: SharedHeap, { sequences }: Limits, { finished, kv }: BufferPlan): void {
  for (const { shape, pages, valueScales } of kv.states.values()) {
    heap.i32(finished, sequences * shape.kvHeads).fill(0);
    for (let page = 0; page < pages.count; page++) {
      heap.clear(valueScales.address + page * pages.bytes, valueScales.bytes);
    }
  }
}
