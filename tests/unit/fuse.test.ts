import { describe, expect, it } from 'vitest';
import type { Op } from '../../backends/backend.ts';
import { fuse } from '../../backends/fuse.ts';

const ROPE = { layout: 'half', inverseFrequencies: [1] } as const;
const norm = (x: number, out: number): Op => ({ op: 'rms-norm', x, weight: 9, eps: 1e-5, out });
const matmul = (x: number, weight: number, out: number, bias?: number): Op => ({
  op: 'matmul',
  x,
  weight,
  bias,
  out,
});

/** Kinds of the phases, a matmul with its fusions spelled out. */
function kinds(ops: Op[]): string[] {
  return fuse({ ops }).map((phase) => {
    if (phase.kind === 'attention') return phase.rope ? 'rope+attention' : 'attention';
    if (phase.kind !== 'matmul') return phase.kind;
    const parts = [phase.norm && 'norm', `matmul x${phase.products.length}`, phase.gated && 'gate'];
    return [...parts, phase.residual !== undefined && 'add'].filter(Boolean).join('+');
  });
}

describe('norm into matmul', () => {
  it('leaves the norm out when only matmuls read it', () => {
    expect(kinds([norm(0, 1), matmul(1, 1, 2), matmul(1, 2, 3)])).toEqual(['norm+matmul x2']);
  });
  it('keeps the norm when something else reads it', () => {
    expect(kinds([norm(0, 1), matmul(1, 1, 2), { op: 'add', a: 1, b: 2, out: 3 }])).toEqual([
      'rms-norm',
      'matmul x1+add',
    ]);
  });
  it('keeps the norm when its input is overwritten before the matmul', () => {
    const ops: Op[] = [norm(0, 1), { op: 'silu', x: 2, out: 0 }, matmul(1, 1, 3)];
    expect(kinds(ops)).toEqual(['rms-norm', 'silu', 'matmul x1']);
  });
});

describe('matmul into add', () => {
  it('adds the residual, on either side', () => {
    expect(kinds([matmul(0, 1, 1), { op: 'add', a: 2, b: 1, out: 2 }])).toEqual(['matmul x1+add']);
    expect(kinds([matmul(0, 1, 1), { op: 'add', a: 1, b: 2, out: 2 }])).toEqual(['matmul x1+add']);
  });
  it('does not add a product to itself', () => {
    expect(kinds([matmul(0, 1, 1), { op: 'add', a: 1, b: 1, out: 2 }])).toEqual(['matmul x1', 'add']);
  });
  it('keeps the product when it is read again', () => {
    const ops: Op[] = [matmul(0, 1, 1), { op: 'add', a: 2, b: 1, out: 3 }, { op: 'silu', x: 1, out: 4 }];
    expect(kinds(ops)).toEqual(['matmul x1', 'add', 'silu']);
  });
});

describe('gate', () => {
  const gate = (silu: Op, mul: Op): Op[] => [matmul(0, 1, 1), matmul(0, 2, 2), silu, mul];
  it('closes the gate in the matmul', () => {
    expect(kinds(gate({ op: 'silu', x: 1, out: 1 }, { op: 'mul', a: 1, b: 2, out: 1 }))).toEqual([
      'matmul x2+gate',
    ]);
    expect(kinds(gate({ op: 'silu', x: 1, out: 3 }, { op: 'mul', a: 2, b: 3, out: 4 }))).toEqual([
      'matmul x2+gate',
    ]);
  });
  it('is left alone when silu takes the second product', () => {
    const ops = gate({ op: 'silu', x: 2, out: 2 }, { op: 'mul', a: 1, b: 2, out: 1 });
    expect(kinds(ops)).toEqual(['matmul x2', 'silu', 'mul']);
  });
});

describe('rope into attention', () => {
  const attention: Op = { op: 'attention', q: 0, k: 1, v: 2, layer: 0, heads: 1, scale: 1, out: 3 };
  const turn = (x: number, out = x, rope: typeof ROPE = ROPE): Op => ({ op: 'rope', x, heads: 1, rope, out });
  it('turns heads while they are read', () => {
    expect(kinds([turn(0), turn(1), attention])).toEqual(['rope+attention']);
  });
  it('needs both, with one spec', () => {
    expect(kinds([turn(0), attention])).toEqual(['rope', 'attention']);
    expect(kinds([turn(0), turn(1, 1, { ...ROPE }), attention])).toEqual(['rope', 'rope', 'attention']);
  });
  it('keeps turns that something else reads', () => {
    expect(kinds([turn(0), turn(1), attention, { op: 'silu', x: 0, out: 4 }])).toEqual([
      'rope',
      'rope',
      'attention',
      'silu',
    ]);
  });
  it('keeps turns whose input is overwritten before the attention', () => {
    const ops: Op[] = [turn(4, 0), turn(1), { op: 'silu', x: 2, out: 4 }, attention];
    expect(kinds(ops)).toEqual(['rope', 'rope', 'silu', 'attention']);
  });
});

it('reads each matmul of a chain from what the one before wrote', () => {
  expect(kinds([matmul(0, 1, 0), matmul(0, 2, 0)])).toEqual(['matmul x1', 'matmul x1']);
});
