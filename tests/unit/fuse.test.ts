/** Fusion of small programs: the phases, and the values and weights of each. */
import { describe, expect, it } from 'vitest';
import type { Op } from '../../backends/backend.ts';
import { type ExpertPhase, fuse, lastReads, type Phase, usesOf } from '../../backends/fuse.ts';

const ROPE = { layout: 'half', inverseFrequencies: [1] } as const;
/** Values 0 to 3; their content does not matter. */
const INPUTS: Op[] = [0, 1, 2, 3].map((table) => ({ op: 'embed', table }));
const norm = (x: number, weight = 90): Op => ({ op: 'norm', x, weight, eps: 1e-5 });
const matmul = (x: number, weight: number, bias?: number): Op => ({ op: 'matmul', x, weight, bias });
const add = (a: number, b: number): Op => ({ op: 'zip', fn: 'add', a, b });
const mul = (a: number, b: number): Op => ({ op: 'zip', fn: 'mul', a, b });
const silu = (x: number): Op => ({ op: 'map', fn: 'silu', x });

/** A phase in one line: its result = the values and weights it reads. */
function inWords(phase: Phase): string {
  if (phase.kind === 'attention') {
    const { op, rope, out } = phase;
    return `${out} = ${rope ? 'rotated ' : ''}attention q${op.q} k${op.k} v${op.v}`;
  }
  if (phase.kind === 'expert-matmul') return expertsInWords(phase);
  if (phase.kind !== 'matmul') return `${phase.out} = ${phase.kind} ${usesOf(phase).reads.join(' ')}`;
  const { x, norm, products, residual, gate } = phase;
  const from = norm ? `norm${norm.weight}(${x})` : `${x}`;
  const each = products.map(({ weight, bias, out }, i) => {
    const biased = bias === undefined ? '' : ` + w${bias}`;
    return gate && i > 0 ? `w${weight}` : `${out} = w${weight}${biased}`;
  });
  if (gate) return `${each[0]} ${gate} over ${each[1]} of ${from}`;
  return `${each.join(', ')} of ${from}${residual === undefined ? '' : ` + ${residual}`}`;
}

function expertsInWords({ x, picks, products, gate }: ExpertPhase): string {
  const [first, second] = products.map(
    ({ weight, bias }) => `w${weight}${bias === undefined ? '' : ` + w${bias}`}`,
  );
  return `${products[0]!.out} = ${gate ? `${first} ${gate} over ${second}` : first} of ${x} by ${picks}`;
}

/** The phases after the inputs; the last value is the output. */
function fused(ops: Op[], options: Parameters<typeof fuse>[2] = {}, output?: number): string[] {
  const all = [...INPUTS, ...ops];
  return fuse(all, [output ?? all.length - 1], options)
    .map(inWords)
    .slice(INPUTS.length);
}

describe('norm into matmul', () => {
  it('fuses the norm if only matmuls read it', () => {
    expect(fused([norm(0, 91), matmul(4, 1), matmul(4, 2), add(5, 6)])).toEqual([
      '5 = w1, 6 = w2 of norm91(0)',
      '7 = zip 5 6',
    ]);
  });

  it('keeps the norm if another op reads it, or if it is the output', () => {
    expect(fused([norm(0), matmul(4, 1), add(4, 5)])).toEqual(['4 = norm 0', '6 = w1 of 4 + 4']);
    expect(fused([norm(0), matmul(4, 1)], {}, 4)).toEqual(['4 = norm 0', '5 = w1 of 4']);
  });

  it('repeats the norm for each phase of many products', () => {
    const products = [1, 2, 3].map((weight) => matmul(4, weight));
    expect(fused([norm(0), ...products], { mostProducts: 2 })).toEqual([
      '5 = w1, 6 = w2 of norm90(0)',
      '7 = w3 of norm90(0)',
    ]);
  });
});

describe('products of one x', () => {
  it('are one phase wherever they are, with the biases of each', () => {
    expect(fused([matmul(0, 1, 8), silu(4), matmul(0, 2), matmul(1, 3), mul(5, 6), mul(8, 7)])).toEqual([
      '4 = w1 + w8, 6 = w2 of 0',
      '5 = map 4',
      '7 = w3 of 1',
      '8 = zip 5 6',
      '9 = zip 8 7',
    ]);
  });

  it('read the result of the one before in a chain', () => {
    expect(fused([matmul(0, 1), matmul(4, 2)])).toEqual(['4 = w1 of 0', '5 = w2 of 4']);
  });

  it('are split at the capacity of a phase', () => {
    const six = [1, 2, 3, 4, 5, 6].map((weight) => matmul(0, weight));
    expect(fused(six, { mostProducts: 5 })).toEqual([
      '4 = w1, 5 = w2, 6 = w3, 7 = w4, 8 = w5 of 0',
      '9 = w6 of 0',
    ]);
  });
});

describe('matmul into add', () => {
  it('adds the other summand, on either side', () => {
    expect(fused([matmul(0, 1), add(2, 4)])).toEqual(['5 = w1 of 0 + 2']);
    expect(fused([matmul(0, 1), add(4, 2)])).toEqual(['5 = w1 of 0 + 2']);
  });

  it('takes the later of two products, to which the earlier is added', () => {
    expect(fused([matmul(0, 1), matmul(1, 2), add(4, 5)])).toEqual(['4 = w1 of 0', '6 = w2 of 1 + 4']);
  });

  it('does not add a product to itself, or a value computed later', () => {
    expect(fused([matmul(0, 1), add(4, 4)])).toEqual(['4 = w1 of 0', '5 = zip 4 4']);
    expect(fused([matmul(0, 1), silu(1), add(4, 5)])).toEqual(['4 = w1 of 0', '5 = map 1', '6 = zip 4 5']);
  });

  it('keeps the product if it is read again, or if it is the output', () => {
    expect(fused([matmul(0, 1), add(2, 4), mul(4, 5)])).toEqual([
      '4 = w1 of 0',
      '5 = zip 2 4',
      '6 = zip 4 5',
    ]);
    expect(fused([matmul(0, 1), add(2, 4)], {}, 4)).toEqual(['4 = w1 of 0', '5 = zip 2 4']);
  });
});

describe('gate', () => {
  it('is fused into the matmul, in any order of products and operands', () => {
    const expected = ['7 = w1 silu over w2 of 0'];
    expect(fused([matmul(0, 1), matmul(0, 2), silu(4), mul(6, 5)])).toEqual(expected);
    expect(fused([matmul(0, 1), matmul(0, 2), silu(4), mul(5, 6)])).toEqual(expected);
    expect(fused([matmul(0, 2), matmul(0, 1), silu(5), mul(6, 4)])).toEqual(expected);
    expect(fused([matmul(0, 1), silu(4), matmul(0, 2), mul(5, 6)])).toEqual(expected);
  });

  it('is separate from other products of the same x', () => {
    expect(fused([matmul(0, 1), matmul(0, 2), matmul(0, 3), silu(4), mul(7, 5), mul(8, 6)])).toEqual([
      '8 = w1 silu over w2 of 0',
      '6 = w3 of 0',
      '9 = zip 8 6',
    ]);
  });

  it.each<[string, Op[]]>([
    ['with a bias', [matmul(0, 1, 8), matmul(0, 2), silu(4), mul(6, 5)]],
    ['of two x', [matmul(0, 1), matmul(1, 2), silu(4), mul(6, 5)]],
    ['whose function is read elsewhere', [matmul(0, 1), matmul(0, 2), silu(4), mul(6, 5), add(7, 6)]],
    ['whose product is read elsewhere', [matmul(0, 1), matmul(0, 2), silu(4), mul(6, 5), add(7, 5)]],
    ['whose factor is its own input', [matmul(0, 1), silu(4), mul(5, 4)]],
  ])('is not fused %s', (_, ops) => {
    expect(fused(ops).join('; ')).not.toContain('over');
  });
});

describe('rope into attention', () => {
  const rotate = (x: number, rope: typeof ROPE = ROPE): Op => ({ op: 'rope', x, heads: 1, rope });
  const attention = (q: number, k: number, v: number): Op => {
    return { op: 'attention', q, k, v, state: 0, heads: 1, scale: 1 };
  };

  it('rotates heads while they are read', () => {
    expect(fused([rotate(0), rotate(1), attention(4, 5, 2)])).toEqual(['6 = rotated attention q0 k1 v2']);
  });

  it('needs both rotations, with one spec', () => {
    expect(fused([rotate(0), attention(4, 1, 2)])).toEqual(['4 = rope 0', '5 = attention q4 k1 v2']);
    expect(fused([rotate(0), rotate(1, { ...ROPE }), attention(4, 5, 2)])).toEqual([
      '4 = rope 0',
      '5 = rope 1',
      '6 = attention q4 k5 v2',
    ]);
  });

  it('keeps rotations that another op reads', () => {
    const kept = ['4 = rope 0', '5 = rope 1', '6 = attention q4 k5 v2'];
    expect(fused([rotate(0), rotate(1), attention(4, 5, 2), add(4, 6)])).toEqual([...kept, '7 = zip 4 6']);
    expect(fused([rotate(0), attention(4, 4, 2)])).toEqual(['4 = rope 0', '5 = attention q4 k4 v2']);
    expect(fused([rotate(0), rotate(1), attention(4, 5, 5)])).toEqual([
      '4 = rope 0',
      '5 = rope 1',
      '6 = attention q4 k5 v5',
    ]);
  });
});

it('lastReads gives the last phase that reads each value, and keeps the output', () => {
  const ops = [...INPUTS, norm(0), matmul(4, 1), matmul(4, 2), add(5, 6), silu(7)];
  const phases = fuse(ops, [7]);
  const last = lastReads(phases.map(usesOf), [7]);
  expect(phases.slice(4).map(inWords)).toEqual(['5 = w1, 6 = w2 of norm90(0)', '7 = zip 5 6', '8 = map 7']);
  expect([0, 1, 5, 6, 7, 8].map((value) => last.get(value))).toEqual([
    4,
    1,
    5,
    5,
    Number.POSITIVE_INFINITY,
    6,
  ]);
});
