/** The free addresses of a memory of the CPU backend. */
import { expect, it } from 'vitest';
import { FreeRanges, type Range, SharedHeap } from '../../backends/cpu/memory.ts';
import { HEAP } from '../../kernels/wasm/layout.ts';
import { seeded } from '../random.ts';

it('ranges come and go in any order, never two at one address, and the lowest free one is found', () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = seeded(seed);
    const free = new FreeRanges();
    const held: Range[] = [];
    for (let i = 0; i < 200; i++) {
      if (held.length > 0 && random(5) < 2) {
        free.release(held.splice(random(held.length), 1)[0]!);
        continue;
      }
      const bytes = 64 * (1 + random(20));
      const start = free.find(bytes);
      const range = { start, end: start + bytes };
      const overlaps = (at: number) => held.some((other) => at < other.end && other.start < at + bytes);
      expect(overlaps(start)).toBe(false);
      const ends = [HEAP, ...held.map(({ end }) => end)];
      expect(start).toBe(Math.min(...ends.filter((end) => !overlaps(end))));
      free.claim(range);
      held.push(range);
    }
    const top = Math.max(HEAP, ...held.map(({ end }) => end));
    expect(free.top).toBe(top);
    for (const range of held) free.release(range);
    expect(free.top).toBe(HEAP);
    expect(free.find(1e9)).toBe(HEAP);
  }
});

it('a copy to plan with leaves the memory alone, and what is given back twice is free once', () => {
  const heap = new SharedHeap(2 ** 20);
  heap.free.claim({ start: HEAP, end: HEAP + 64 });
  expect(heap.used).toBe(HEAP);
  const giveBack = heap.claim({ start: HEAP, end: HEAP + 64 });
  heap.claim({ start: HEAP + 64, end: HEAP + 128 });
  giveBack();
  expect(heap.free.find(64)).toBe(HEAP);
  heap.claim({ start: HEAP, end: HEAP + 64 });
  giveBack();
  expect(heap.free.find(64)).toBe(HEAP + 128);
});
