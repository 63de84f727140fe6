/**
 * Sentinels, for tests. Bytes of a known pattern after each buffer reveal a kernel that writes outside it. The padding of
 * rows to 16 floats belongs to the buffer, because kernels write whole vectors. Buffers are filled with huge numbers at
 * first: they change the results of a kernel that reads bytes before they are written.
 */
import type { Sentinel, SharedHeap } from './memory.ts';

const PATTERN = 0xa5;
const HUGE = 0x7f; // four of them are the float32 3.4e38

export function poison(heap: SharedHeap, from: number, to: number): void {
  heap.soil(from, to - from, HUGE);
}

export function plant(heap: SharedHeap, sentinels: readonly Sentinel[]): void {
  for (const { address, bytes } of sentinels) heap.bytes(address, bytes).fill(PATTERN);
}

/** Name of the first buffer with a damaged sentinel after it. */
export function damaged(heap: SharedHeap, sentinels: readonly Sentinel[]): string | undefined {
  return sentinels.find(({ address, bytes }) => heap.bytes(address, bytes).some((byte) => byte !== PATTERN))
    ?.name;
}

/** The sentinels `offset` bytes further on, with a prefix to their names. */
export function shifted(sentinels: readonly Sentinel[], offset: number, prefix: string): Sentinel[] {
  return sentinels.map(({ name, address, bytes }) => {
    return { name: `${prefix}${name}`, address: address + offset, bytes };
  });
}
