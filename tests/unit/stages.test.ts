/** The memory of each phase, and the values carried between memories. */
import { describe, expect, it } from 'vitest';
import type { Op } from '../../backends/backend.ts';
import { assignMemories, cutStages } from '../../backends/cpu/stages.ts';
import { fuse, type Phase, usesOf } from '../../backends/fuse.ts';

/** Table 0; for each layer a norm and a matrix added to the value before; the head, of weight `head`. */
function opsOf(layers: number, head: number): Op[] {
  const ops: Op[] = [{ op: 'embed', table: 0 }];
  const push = (op: Op) => ops.push(op) - 1;
  let x = 0;
  for (let i = 0; i < layers; i++) {
    const h = push({ op: 'norm', x, weight: 2 * i + 1, eps: 0 });
    x = push({ op: 'zip', fn: 'add', a: x, b: push({ op: 'matmul', x: h, weight: 2 * i + 2 }) });
  }
  push({ op: 'matmul', x: push({ op: 'select', x }), weight: head });
  return ops;
}

function phases(layers: number, head: number): Phase[] {
  const ops = opsOf(layers, head);
  return fuse(ops, [ops.length - 1]);
}

/** Memories for `limit` phases with weights, which already hold `held`. */
function memories(limit: number, held: readonly (readonly number[])[] = [[]]) {
  return {
    count: held.length,
    holds: (memory: number, weight: number) => held[memory]?.includes(weight) ?? false,
    fits: (_: number, part: readonly Phase[]) =>
      part.filter((phase) => usesOf(phase).weights.length > 0).length <= limit,
    tooLarge: () => new Error('too large'),
  };
}

describe('assignMemories', () => {
  it('uses one memory if it is enough, preferably one that holds the weights', () => {
    expect(new Set(assignMemories(phases(4, 99), memories(6)))).toEqual(new Set([0]));
    expect(new Set(assignMemories(phases(4, 99), memories(6, [[50], [3]])))).toEqual(new Set([1]));
  });

  it('fills memories in the order of the program', () => {
    expect(assignMemories(phases(4, 99), memories(2))).toEqual([0, 0, 1, 1, 2, 2, 2]);
  });

  it('keeps a tied head with the embedding', () => {
    expect(assignMemories(phases(4, 0), memories(3))).toEqual([0, 0, 1, 1, 1, 1, 0]);
  });

  it('uses weights in place, and empty memories for the rest', () => {
    const held = [[2], [0], [6]];
    expect(assignMemories(phases(3, 99), memories(2, held))).toEqual([1, 0, 0, 2, 2, 2]);
  });

  it('reports a phase that fits nowhere', () => {
    expect(() => assignMemories(phases(2, 0), memories(1))).toThrow('too large');
  });
});

describe('cutStages', () => {
  const END = Number.POSITIVE_INFINITY;

  it('makes one stage of one memory, which carries nothing', () => {
    const all = phases(2, 99); // values 0, 3, 6, 7 (selected) and 8
    const { stages, lifetimes, madeIn } = cutStages(all, [0, 0, 0, 0, 0], [8]);
    expect(stages).toEqual([{ memory: 0, phases: all, carried: [] }]);
    expect(madeIn.get(8)).toBe(0);
    expect([...lifetimes.get(0)!]).toEqual([
      [0, { from: 0, to: 1 }],
      [3, { from: 1, to: 2 }],
      [6, { from: 2, to: 3 }],
      [7, { from: 3, to: 4 }],
      [8, { from: 4, to: END }],
    ]);
  });

  it('carries the residual stream from where it was made', () => {
    const { stages, lifetimes, madeIn } = cutStages(phases(2, 0), [0, 1, 2, 2, 0], [8]);
    expect(stages.map(({ memory, carried }) => ({ memory, carried }))).toEqual([
      { memory: 0, carried: [] },
      { memory: 1, carried: [{ value: 0, from: 0 }] },
      { memory: 2, carried: [{ value: 3, from: 1 }] },
      { memory: 0, carried: [{ value: 7, from: 2 }] },
    ]);
    expect(madeIn.get(8)).toBe(0);
    expect(lifetimes.get(1)!.get(0)).toEqual({ from: 1, to: 1 });
    expect(lifetimes.get(1)!.get(3)).toEqual({ from: 1, to: 2 }); // memory 2 reads it there
  });

  it('carries a value once, and holds it as long as any memory reads it', () => {
    const ops: Op[] = [
      { op: 'embed', table: 0 },
      { op: 'map', fn: 'silu', x: 0 },
      { op: 'map', fn: 'silu', x: 0 },
      { op: 'zip', fn: 'add', a: 0, b: 1 },
      { op: 'zip', fn: 'mul', a: 3, b: 2 },
    ];
    const { stages, lifetimes } = cutStages(fuse(ops, [4]), [0, 1, 0, 1, 0], [4]);
    expect(stages.map(({ carried }) => carried)).toEqual([
      [],
      [{ value: 0, from: 0 }],
      [],
      [],
      [{ value: 3, from: 1 }],
    ]);
    expect(lifetimes.get(1)!.get(0)).toEqual({ from: 1, to: 3 });
    expect(lifetimes.get(0)!.get(0)).toEqual({ from: 0, to: 3 });
  });
});
