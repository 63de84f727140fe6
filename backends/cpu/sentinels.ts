/**
 * Sentinels, for tests: bytes of a known pattern behind everything that is planned, so that a kernel which writes outside
 * a buffer is found. The padding of rows to 16 floats belongs to the buffer: kernels write whole vectors. And what is
 * planned is full of huge numbers at first, so that one which reads what nobody wrote is found by its results.
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

/** The first buffer behind which the pattern is broken. */
export function damaged(heap: SharedHeap, sentinels: readonly Sentinel[]): string | undefined {
  return sentinels.find(({ address, bytes }) => heap.bytes(address, bytes).some((byte) => byte !== PATTERN))
    ?.name;
}

/** The same ones `offset` bytes further, their names with a prefix. */
export function shifted(sentinels: readonly Sentinel[], offset: number, prefix: string): Sentinel[] {
  return sentinels.map(({ name, address, bytes }) => {
    return { name: `${prefix}${name}`, address: address + offset, bytes };
  });
}
