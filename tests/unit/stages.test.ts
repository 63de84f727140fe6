/** Which memory each phase runs in, and what is carried between memories. */
import { describe, expect, it } from 'vitest';
import type { Op } from '../../backends/backend.ts';
import { assignMemories, cutStages } from '../../backends/cpu/stages.ts';
import { fuse, type Phase } from '../../backends/fuse.ts';
import { usesOf } from '../../backends/phase-uses.ts';

/** Table 0; for each layer a norm and a matrix added to buffer 0; the head, of weight `head`. */
function phases(layers: number, head: number): Phase[] {
  const ops: Op[] = [{ op: 'embed', table: 0, out: 0 }];
  for (let i = 0; i < layers; i++) {
    ops.push({ op: 'rms-norm', x: 0, weight: 2 * i + 1, eps: 0, out: 1 });
    ops.push({ op: 'matmul', x: 1, weight: 2 * i + 2, out: 1 });
    ops.push({ op: 'add', a: 0, b: 1, out: 0 });
  }
  ops.push({ op: 'select', x: 0, out: 2 }, { op: 'matmul', x: 2, weight: head, out: 3 });
  return fuse({ ops });
}

/** Memories of room for `limit` phases with weights, which hold `held` already. */
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
  it('takes one memory where one is enough, the one that holds the weights if there is one', () => {
    expect(new Set(assignMemories(phases(4, 99), memories(6)))).toEqual(new Set([0]));
    expect(new Set(assignMemories(phases(4, 99), memories(6, [[50], [3]])))).toEqual(new Set([1]));
  });

  it('fills memories in the order of the program', () => {
    expect(assignMemories(phases(4, 99), memories(2))).toEqual([0, 0, 1, 1, 2, 2, 2]);
  });

  it('keeps a tied head with the embedding', () => {
    expect(assignMemories(phases(4, 0), memories(3))).toEqual([0, 0, 1, 1, 1, 1, 0]);
  });

  it('uses weights where they lie, and empty memories for the rest', () => {
    const held = [[2], [0], [6]];
    expect(assignMemories(phases(3, 99), memories(2, held))).toEqual([1, 0, 0, 2, 2, 2]);
  });

  it('says what fits nowhere', () => {
    expect(() => assignMemories(phases(2, 0), memories(1))).toThrow('too large');
  });
});

describe('cutStages', () => {
  it('makes one stage of one memory, which carries nothing', () => {
    const all = phases(2, 99);
    const { stages, lastAt } = cutStages(all, [0, 0, 0, 0, 0]);
    expect(stages).toEqual([{ memory: 0, phases: all, carried: [] }]);
    expect(lastAt.get(3)).toBe(0);
  });

  it('carries the residual stream from where it was written last', () => {
    const { stages, lastAt } = cutStages(phases(2, 0), [0, 1, 2, 2, 0]);
    expect(stages.map(({ memory, carried }) => ({ memory, carried }))).toEqual([
      { memory: 0, carried: [] },
      { memory: 1, carried: [{ buffer: 0, from: 0 }] },
      { memory: 2, carried: [{ buffer: 0, from: 1 }] },
      { memory: 0, carried: [{ buffer: 2, from: 2 }] },
    ]);
    expect([lastAt.get(0), lastAt.get(3)]).toEqual([2, 0]);
  });

  it('carries a buffer once while it is not written again', () => {
    const ops: Op[] = [
      { op: 'embed', table: 0, out: 0 },
      { op: 'silu', x: 0, out: 1 },
      { op: 'silu', x: 0, out: 2 },
      { op: 'add', a: 0, b: 1, out: 1 },
      { op: 'mul', a: 1, b: 2, out: 0 },
    ];
    const { stages } = cutStages(fuse({ ops }), [0, 1, 0, 1, 0]);
    expect(stages.map(({ carried }) => carried)).toEqual([
      [],
      [{ buffer: 0, from: 0 }],
      [],
      [],
      [{ buffer: 1, from: 1 }],
    ]);
  });
});
