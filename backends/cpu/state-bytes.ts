/** The bytes of the states of a sequence in one memory: pages of keys and values (pages.ts), and recurrent states. */
import * as layout from '../../kernels/wasm/layout.ts';
import type { StateId } from '../backend.ts';
import type { PastPlan } from './buffer-plan.ts';
import type { KvPlan } from './kv-plan.ts';
import type { SharedHeap } from './memory.ts';
import type { PlannedMemory } from './memory-plan.ts';
import type { PageCopy } from './pages.ts';

/** Copies whole chunks of every state and head (layouts: kernels/wasm/kv-cache.ts). */
export function copyPage({ plan, heap }: PlannedMemory, { from, to, positions }: PageCopy): void {
  const { states, whole } = plan.kv;
  const chunks = Math.ceil(positions / layout.CHUNK);
  for (const { shape, pages, keys, values, valueScales } of states.values()) {
    if (pages !== whole) continue;
    for (const { address, chunkBytes } of [keys, values, valueScales]) {
      for (let head = 0; head < shape.kvHeads; head++) {
        const start = address + head * (whole.positions / layout.CHUNK) * chunkBytes;
        const target = heap.bytes(start + to * whole.bytes, chunks * chunkBytes);
        target.set(heap.bytes(start + from * whole.bytes, chunks * chunkBytes));
      }
    }
  }
}

/** The pages of a sequence's ring for all positions of a context: the same ones again and again. */
export function ringPages({ ring }: KvPlan, seq: number): readonly number[] {
  if (!ring) return [];
  const { each, entries } = ring;
  return Array.from({ length: entries }, (_, i) => seq * each + (i % each));
}

/** Copies the ring of a sequence to that of another one. */
export function copyRing({ plan, heap }: PlannedMemory, from: number, to: number): void {
  const { ring } = plan.kv;
  if (!ring) return;
  const bytes = ring.each * ring.bytes;
  heap.bytes(ring.address + to * bytes, bytes).set(heap.bytes(ring.address + from * bytes, bytes));
}

interface PositionRange {
  readonly pages: readonly number[]; // of the sequence, in order
  readonly first: number;
  readonly upto: number;
}

/** The bytes of keys and values of some positions of a sequence; none if the memory lacks the state. */
export function kvRuns(
  { plan, heap }: PlannedMemory,
  id: StateId,
  { pages, first, upto }: PositionRange,
): Uint8Array[] {
  const state = plan.kv.states.get(id);
  if (!state) return [];
  const { positions, bytes } = state.pages;
  const runs: Uint8Array[] = [];
  for (const { address, chunkBytes } of [state.keys, state.values, state.valueScales]) {
    for (let head = 0; head < state.shape.kvHeads; head++) {
      const start = address + head * (positions / layout.CHUNK) * chunkBytes;
      for (let i = Math.floor(first / positions); i * positions < upto; i++) {
        const begin = Math.max(0, Math.floor((first - i * positions) / layout.CHUNK));
        const end = Math.ceil(Math.min(positions, upto - i * positions) / layout.CHUNK);
        runs.push(heap.bytes(start + pages[i]! * bytes + begin * chunkBytes, (end - begin) * chunkBytes));
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
