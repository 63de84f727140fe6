/** Failures in threads of the CPU backend. */
import { expect, it } from 'vitest';
import { REACH, SharedHeap } from '../../backends/cpu/memory.ts';
import { Threads } from '../../backends/cpu/threads.ts';
import { compileKernels } from '../../backends/cpu/wasm-module.ts';
import { HEAP } from '../../kernels/wasm/layout.ts';

it('a dying thread fails its step and later steps, and nothing else', async () => {
  const heap = new SharedHeap(REACH);
  heap.reserve(2 * HEAP);
  const { module } = await compileKernels();
  const threads = new Threads(3, { module, memory: heap.memory });
  // The thread that takes the copy fails; the others wait for it at the barrier.
  const carried = [{ from: 7, source: 0, target: 0, stride: 4, selected: false }];
  const tables = [{ memory: 0, table: HEAP, carried, scratch: [0, 0, 0] }];
  const died = expect.objectContaining({ message: 'A compute thread ended unexpectedly.' });
  await expect(threads.run(tables, () => {})).rejects.toEqual(died);
  await expect(threads.load([], [], () => {})).rejects.toEqual(died);
  await threads.end();
});

it('an error of the work beside loading waits for the threads', async () => {
  const heap = new SharedHeap(REACH);
  heap.reserve(2 * HEAP);
  const { module } = await compileKernels();
  const threads = new Threads(2, { module, memory: heap.memory });
  const desc = { type: 'F32', rows: 1, cols: 16 } as const;
  const source = { op: 'range', at: { bytes: new Uint8Array(64).fill(1) }, ...desc } as const;
  const job = {
    name: 'a norm',
    source,
    first: 0,
    ...desc,
    bytes: 64,
    kind: 'copy',
    memory: 0,
    to: HEAP,
  } as const;
  const failing = threads.load([job], [[HEAP], [HEAP]], () => {
    throw new RangeError('no table');
  });
  await expect(failing).rejects.toThrow('no table');
  expect(heap.bytes(HEAP, 64).every((byte) => byte === 1)).toBe(true);
  expect(await threads.load([], [[HEAP], [HEAP]], () => 'a table')).toBe('a table');
  await threads.end();
});
