/** Tables on the device hold what steps have reached, written once, in blocks. */
import { expect, it } from 'vitest';
import type { RopeSpec } from '../../backends/backend.ts';
import { fillAngles } from '../../backends/rope-angles.ts';
import { Angles } from '../../backends/webgpu/angles.ts';
import type { Arrays } from '../../backends/webgpu/arrays.ts';
import type { GpuDevice } from '../../backends/webgpu/device.ts';

const CONTEXT = 600;
const ROPES: RopeSpec[] = [
  { layout: 'half', inverseFrequencies: [1, 0.1, 0.003] },
  { layout: 'interleaved', inverseFrequencies: [0.5] },
];

/** The tables, and the floats of each write. */
function tablesAfter(...reached: number[]): { tables: Float32Array[]; writes: number[] } {
  const tables: Float32Array[] = [];
  const writes: number[] = [];
  const make = (label: string, bytes: number) => {
    const buffer = tables.push(new Float32Array(bytes / 4)) - 1; // in place of a buffer of the device
    return { label, buffer, offset: 0, bytes };
  };
  const writeBuffer = (buffer: number, offset: number, values: Float32Array) => {
    tables[buffer]!.set(values, offset / 4);
    writes.push(values.length);
  };
  const gpu = { device: { queue: { writeBuffer } } } as unknown as GpuDevice;
  const angles = new Angles(gpu, new Set(ROPES), CONTEXT, { make } as unknown as Arrays);
  for (const positions of reached) angles.reach(positions);
  return { tables, writes };
}

it('hold all angles once the whole context was reached', () => {
  const expected = ROPES.map((rope) => {
    const table = new Float32Array(CONTEXT * 2 * rope.inverseFrequencies.length);
    fillAngles(rope, table, 0, CONTEXT);
    return table;
  });
  expect(tablesAfter(CONTEXT).tables).toEqual(expected);
  expect(tablesAfter(1, 256, 257, 30, 599, CONTEXT).tables).toEqual(expected);
});

it('are written when a step goes beyond the last block, and no further', () => {
  expect(tablesAfter().writes).toEqual([]);
  expect(tablesAfter(1, 2, 200, 256).writes).toEqual([256 * 6, 256 * 2]);
  expect(tablesAfter(10, 257, 300, 513).writes).toEqual([1536, 512, 1536, 512, 88 * 6, 88 * 2]);
});
