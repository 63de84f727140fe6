/** The bytes of the states of a sequence in one memory: pages of keys and values (pages.ts), and recurrent states. */
import * as layout from '../../kernels/wasm/layout.ts';
import type { StateId } from '../backend.ts';
import type { PastPlan } from './buffer-plan.ts';
import type { SharedHeap } from './memory.ts';
import type { PlannedMemory } from './memory-plan.ts';
import type { PageCopy } from './pages.ts';

/** Copies whole chunks of every state and head (layouts: kernels/wasm/kv-cache.ts). */
export function copyPage({ plan, heap }: PlannedMemory, { from, to, positions }: PageCopy): void {
  const { states, pagePositions, pageBytes } = plan.kv;
  const chunks = Math.ceil(positions / layout.CHUNK);
  for (const { shape, keys, values, valueScales } of states.values()) {
    for (const { address, chunkBytes } of [keys, values, valueScales]) {
      for (let head = 0; head < shape.kvHeads; head++) {
        const start = address + head * (pagePositions / layout.CHUNK) * chunkBytes;
        const target = heap.bytes(start + to * pageBytes, chunks * chunkBytes);
        target.set(heap.bytes(start + from * pageBytes, chunks * chunkBytes));
      }
    }
  }
}

/** The bytes of keys and values of the first `upto` positions of a sequence; none if the memory lacks the state. */
export function kvRuns(
  { plan, heap }: PlannedMemory,
  id: StateId,
  pages: readonly number[],
  upto: number,
): Uint8Array[] {
  const { states, pagePositions, pageBytes } = plan.kv;
  const state = states.get(id);
  if (!state) return [];
  const runs: Uint8Array[] = [];
  for (const { address, chunkBytes } of [state.keys, state.values, state.valueScales]) {
    for (let head = 0; head < state.shape.kvHeads; head++) {
      for (let begin = 0, i = 0; begin < upto; begin += pagePositions, i++) {
        const chunks = Math.ceil(Math.min(pagePositions, upto - begin) / layout.CHUNK);
        const start = address + head * (pagePositions / layout.CHUNK) * chunkBytes;
        runs.push(heap.bytes(start + pages[i]! * pageBytes, chunks * chunkBytes));
      }
    }
  }
  return runs;
}

/** The bytes of a recurrent state of a sequence; none if the memory lacks the state. */
export function pastRuns({ plan, heap }: PlannedMemory, id: StateId, seq: number): Uint8Array[] {
  const past = plan.past.get(id);
  return past ? [pastOf(heap, past, seq)] : [];
}

/** Copies the recurrent states of a sequence to another one. */
export function copyPast({ plan, heap }: PlannedMemory, from: number, to: number): void {
  for (const state of plan.past.values()) {
    pastOf(heap, state, to).set(pastOf(heap, state, from));
  }
}

function pastOf(heap: SharedHeap, { address, sequenceBytes }: PastPlan, seq: number): Uint8Array {
  return heap.bytes(address + seq * sequenceBytes, sequenceBytes);
}
