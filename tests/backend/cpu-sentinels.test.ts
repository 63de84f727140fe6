/** The sentinels of the CPU backend detect stray writes; ops.test.ts relies on them. */
import { expect, it } from 'vitest';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import { AddressSpace, REACH, SharedHeap } from '../../backends/cpu/memory.ts';
import { damaged, plant, poison } from '../../backends/cpu/sentinels.ts';
import { CHECKED_CASES } from '../../bench/conformance/cases.ts';
import { runCase } from '../../bench/conformance/judge.ts';

it('name the buffer after which a byte was written', () => {
  const heap = new SharedHeap(REACH);
  const space = new AddressSpace(heap.used, true);
  const keys = space.allocate(100, 'keys');
  const values = space.allocate(64, 'values');
  heap.reserve(space.used);
  plant(heap, space.sentinels);
  heap.bytes(keys, 100).fill(1);
  heap.bytes(values, 64).fill(1);
  expect(damaged(heap, space.sentinels)).toBeUndefined();
  heap.bytes(values + 64, 1)[0] = 0;
  expect(damaged(heap, space.sentinels)).toBe('values');
  heap.bytes(keys + 100, 1)[0] = 0; // between its end and the next cache line
  expect(damaged(heap, space.sentinels)).toBe('keys');
});

it('cost nothing if they are off', async () => {
  const space = new AddressSpace(0);
  space.allocate(100, 'keys');
  expect(space.used).toBe(128);
  expect(space.sentinels).toEqual([]);
  const backend = await createCpuBackend({ threads: 1 });
  expect((await runCase(CHECKED_CASES[0]!, backend)).damage).toBeUndefined();
  await backend.dispose();
});

it('used memory is cleared, unused memory is not touched', () => {
  const heap = new SharedHeap(REACH);
  const start = heap.used;
  heap.reserve(start + 1000);
  poison(heap, start, start + 100);
  heap.clear(start + 10, 500);
  expect([...heap.bytes(start, 11)]).toEqual([...new Array(10).fill(0x7f), 0]);
  expect(heap.bytes(start + 10, 500).every((byte) => byte === 0)).toBe(true);
});
