/** Tables of angles hold what steps have reached, whatever the order of the steps. */
import { expect, it } from 'vitest';
import type { RopeSpec } from '../../backends/backend.ts';
import { Angles } from '../../backends/cpu/angles.ts';
import { REACH, SharedHeap } from '../../backends/cpu/memory.ts';
import { HEAP } from '../../kernels/wasm/layout.ts';

const ROPES: RopeSpec[] = [
  { layout: 'half', inverseFrequencies: [1, 0.1, 0.003] },
  { layout: 'interleaved', inverseFrequencies: [0.5] },
];
const POSITIONS = 20;
const AT = [HEAP, HEAP + POSITIONS * 3 * 8];

function tablesAfter(...reached: number[]): Float32Array[] {
  const heap = new SharedHeap(REACH);
  heap.reserve(HEAP + POSITIONS * 4 * 8);
  const angles = new Angles(heap, new Map(ROPES.map((rope, i) => [rope, AT[i]!])));
  for (const positions of reached) angles.reach(positions);
  return ROPES.map(({ inverseFrequencies }, i) =>
    heap.f32(AT[i]!, POSITIONS * inverseFrequencies.length * 2),
  );
}

it('holds the cosine and sine of each position and frequency', () => {
  const [first, second] = tablesAfter(POSITIONS);
  expect(first!.slice(4 * 6 + 2, 4 * 6 + 4)).toEqual(Float32Array.of(Math.cos(4 * 0.1), Math.sin(4 * 0.1)));
  expect(second!.slice(7 * 2, 8 * 2)).toEqual(Float32Array.of(Math.cos(3.5), Math.sin(3.5)));
});

it('fills only the positions that were not there', () => {
  expect(tablesAfter(1, 5, 3, 19, POSITIONS)).toEqual(tablesAfter(POSITIONS));
  const [first] = tablesAfter(5);
  expect(first!.subarray(5 * 6).every((value) => value === 0)).toBe(true);
});
