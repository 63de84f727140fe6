/** Placement of values in the CPU backend: values that are never alive together share bytes. */
import { expect, it } from 'vitest';
import { AddressSpace } from '../../backends/cpu/memory.ts';
import { cutStages, type MemoryProgram } from '../../backends/cpu/stages.ts';
import { placeValues } from '../../backends/cpu/values.ts';
import { fuse } from '../../backends/fuse.ts';
import { shapesOf } from '../../backends/ops.ts';
import { llamaGraph } from '../llama-graph.ts';

const CONFIG = {
  nLayers: 3,
  embeddingLength: 64,
  feedForwardLength: 160,
  nHeads: 4,
  nKvHeads: 2,
  headDim: 16,
  vocabularySize: 96,
  contextLength: 256,
  rmsEps: 1e-6,
  rope: { layout: 'interleaved', inverseFrequencies: [1, 0.5] },
} as const;
const LIMITS = { sequences: 1, contextLength: 256, maxTokens: 8 };

function programOf(layers: number): MemoryProgram {
  const graph = llamaGraph({ ...CONFIG, nLayers: layers });
  const phases = fuse(graph.ops, [graph.output]);
  const { lifetimes } = cutStages(
    phases,
    phases.map(() => 0),
    [graph.output],
  );
  const shapes = shapesOf(graph, (id) => graph.tensors[id]!);
  return {
    phases,
    shapes,
    lifetimes: lifetimes.get(0)!,
    states: graph.states,
    output: graph.output,
    limits: LIMITS,
    ring: undefined,
  };
}

it('never overlaps two live values, except a sum and its summand', () => {
  const program = programOf(3);
  const placed = placeValues(program, new AddressSpace(0));
  const ends = [...placed].map(([value, { address, stride }]) => {
    return { value, address, end: address + LIMITS.maxTokens * stride, ...program.lifetimes.get(value)! };
  });
  for (const a of ends) {
    for (const b of ends) {
      const together = a.from < b.from ? b.from < a.to : a.from === b.from && a !== b;
      if (together) expect(a.end <= b.address || b.end <= a.address, `${a.value} and ${b.value}`).toBe(true);
    }
  }
});

it('needs no more memory for many layers than for two', () => {
  const bytes = (layers: number) => {
    const space = new AddressSpace(0);
    placeValues(programOf(layers), space);
    return space.used;
  };
  expect(bytes(30)).toBe(bytes(2));
  // The residual stream in float32, the gate beside it, and padding to rows of 16 floats: less than four such rows.
  expect(bytes(30)).toBeLessThan(4 * LIMITS.maxTokens * 4 * (64 + 160));
});

it('keeps the residual stream in one place', () => {
  const program = programOf(3);
  const placed = placeValues(program, new AddressSpace(0));
  const sums = program.phases.flatMap((phase) =>
    phase.kind === 'matmul' && phase.residual !== undefined ? [[phase.residual, phase.products[0]!.out]] : [],
  );
  expect(sums).toHaveLength(6);
  for (const [before, after] of sums) expect(placed.get(after!)!.address).toBe(placed.get(before!)!.address);
});

it('gives every value its own bytes if sentinels are on', () => {
  const space = new AddressSpace(0, true);
  const placed = [...placeValues(programOf(3), space).values()].sort((a, b) => a.address - b.address);
  for (const [i, { address, stride }] of placed.entries()) {
    expect(address + LIMITS.maxTokens * stride).toBeLessThan(placed[i + 1]?.address ?? Infinity);
  }
  expect(space.sentinels).toHaveLength(placed.length);
});
