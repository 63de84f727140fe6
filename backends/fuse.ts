/**
 * Fuses the ops of a program into the phases that backends run. The reference backend runs the ops themselves.
 *
 * An op is fused into a phase only if all its readers are in that phase. Values are never overwritten, so a phase may run
 * as soon as its operands are computed.
 *   norm -> matmul                  the preparation of activations normalizes them
 *   matmul, matmul, ... of one x    one phase over all rows, wherever they are in the program
 *   matmul -> add                   the matmul writes the sum
 *   matmul, matmul -> map -> mul    gated: map(product 0) * (product 1), in registers; of experts too
 *   rope, rope -> attention         heads are rotated while they are read
 */
import { MAPS, type MapFunction } from '../kernels/reference/map.ts';
import type { AttentionOp, Op, RopeSpec, StateId, ValueId, WeightId } from './backend.ts';
import { type OpOf, operands, readersOf, weightsOf } from './ops.ts';

export type NormOp = OpOf<'norm'>;

export interface Product {
  readonly weight: WeightId;
  readonly bias?: WeightId;
  readonly out: ValueId;
}

export interface MatmulPhase {
  readonly kind: 'matmul';
  readonly x: ValueId;
  readonly norm?: NormOp; // applied to x
  readonly products: readonly Product[];
  readonly residual?: ValueId; // added to the one product
  readonly gate?: MapFunction; // out of product 0 = gate(product 0) * (product 1); product 1 has no value of its own
}

/** Products with the picked experts' matrices. */
export interface ExpertPhase {
  readonly kind: 'expert-matmul';
  readonly x: ValueId;
  readonly picks?: ValueId; // default: every matrix once
  readonly products: readonly Product[];
  readonly gate?: MapFunction; // as in MatmulPhase
}

export interface AttentionPhase {
  readonly kind: 'attention';
  readonly op: AttentionOp; // with a rope, q and k are not rotated yet
  readonly rope?: RopeSpec;
  readonly out: ValueId;
}

/** An op that is a phase by itself. */
export type OpPhase = {
  [K in Exclude<Op['op'], FusedOp>]: { kind: K; op: OpOf<K>; out: ValueId };
}[Exclude<Op['op'], FusedOp>];

/** Ops whose phases may have other ops in them. */
type FusedOp = 'matmul' | 'expert-matmul' | 'attention';

export type Phase = OpPhase | AttentionPhase | MatmulPhase | ExpertPhase;

export interface FuseOptions {
  /** Most products of one phase; default: no limit. */
  readonly mostProducts?: number;
}

/** Fuses no value in `kept` away: the output and the taps are read from outside. */
export function fuse(ops: readonly Op[], kept: readonly ValueId[], options: FuseOptions = {}): Phase[] {
  return new Fuser(ops, kept, options).run();
}

class Fuser {
  readonly #ops: readonly Op[];
  readonly #readers: readonly (readonly number[])[];
  readonly #mostProducts: number;
  readonly #done = new Set<number>(); // ops in a phase
  readonly #phases: Phase[] = [];

  constructor(
    ops: readonly Op[],
    kept: readonly ValueId[],
    { mostProducts = Number.POSITIVE_INFINITY }: FuseOptions,
  ) {
    this.#ops = ops;
    // Index ops.length is the reader outside the program.
    this.#readers = readersOf(ops).map((readers, i) =>
      kept.includes(i) ? [...readers, ops.length] : readers,
    );
    this.#mostProducts = mostProducts;
  }

  run(): Phase[] {
    for (const [i, op] of this.#ops.entries()) {
      if (this.#done.has(i)) continue;
      if (op.op === 'matmul') this.#phases.push(this.#matmul(i, op));
      else if (op.op === 'expert-matmul') this.#phases.push(this.#expertMatmul(i, op));
      else if (op.op === 'attention') this.#phases.push(this.#attention(i, op));
      else if (!this.#goesIntoMatmuls(i) && !this.#goesIntoAttention(i)) {
        this.#phases.push({ kind: op.op, op, out: i } as OpPhase);
      }
    }
    return this.#phases;
  }

  /** Whether an op is a norm of whole rows that only matmuls read. */
  #goesIntoMatmuls(i: number): boolean {
    const readers = this.#readers[i]!;
    const op = this.#ops[i]!;
    if (op.op !== 'norm' || (op.heads ?? 1) > 1) return false;
    return readers.length > 0 && readers.every((j) => this.#is(j, 'matmul'));
  }

  /** Whether an op is a rope that only one attention reads. Its queries and keys must both have ropes of one spec. */
  #goesIntoAttention(i: number): boolean {
    const [reader] = this.#readers[i]!;
    const op = this.#ops[reader ?? -1];
    return this.#is(i, 'rope') && op?.op === 'attention' && this.#ropeOf(op) !== undefined;
  }

  #ropeOf({ q, k, v }: AttentionOp): RopeSpec | undefined {
    const [a, b] = [q, k ?? q].map((value) => {
      const op = this.#ops[value]!;
      return op.op === 'rope' && this.#readers[value]!.length === 1 ? op.rope : undefined;
    });
    const apart = k === undefined || (q !== k && q !== v && k !== v);
    return apart && a === b ? a : undefined;
  }

  #attention(i: number, op: AttentionOp): AttentionPhase {
    const rope = this.#ropeOf(op);
    if (!rope) return { kind: 'attention', op, out: i };
    const unrotated = (value: ValueId) => (this.#ops[value] as OpOf<'rope'>).x;
    const k = op.k === undefined ? undefined : unrotated(op.k);
    return { kind: 'attention', op: { ...op, q: unrotated(op.q), k }, rope, out: i };
  }

  #matmul(i: number, first: OpOf<'matmul'>): MatmulPhase {
    const norm = this.#goesIntoMatmuls(first.x) ? (this.#ops[first.x] as NormOp) : undefined;
    const input = { kind: 'matmul', x: norm?.x ?? first.x, norm } as const;
    const gate = this.#gateOf(i);
    if (gate) {
      for (const j of gate.ops) this.#done.add(j);
      return { ...input, products: gate.products, gate: gate.fn };
    }
    const all = this.#readers[first.x]!.filter((j) => j >= i && this.#is(j, 'matmul') && !this.#done.has(j));
    const group = all.filter((j) => !this.#gateOf(j)).slice(0, this.#mostProducts);
    for (const j of group) this.#done.add(j);
    const products = group.map((j) => this.#product(j));
    const sum = products.length === 1 ? this.#sumWith(i) : undefined;
    if (!sum) return { ...input, products };
    this.#done.add(sum.out);
    return { ...input, products: [{ ...products[0]!, out: sum.out }], residual: sum.residual };
  }

  #expertMatmul(i: number, { x, picks }: OpOf<'expert-matmul'>): ExpertPhase {
    const gate = this.#gateOf(i);
    for (const j of gate?.ops ?? []) this.#done.add(j);
    const products = gate?.products ?? [this.#product(i)];
    return { kind: 'expert-matmul', x, picks, products, gate: gate?.fn };
  }

  #product(i: number): Product {
    const { weight, bias } = this.#ops[i] as OpOf<'matmul' | 'expert-matmul'>;
    return { weight, bias, out: i };
  }

  /** The only reader of product i, if it adds an earlier value. */
  #sumWith(i: number): { residual: ValueId; out: ValueId } | undefined {
    const out = this.#onlyReader(i);
    const op = this.#ops[out ?? -1];
    if (op?.op !== 'zip' || op.fn !== 'add' || op.a === op.b) return undefined;
    const residual = op.a === i ? op.b : op.a;
    return residual < i ? { residual, out: out! } : undefined;
  }

  /** The gate with product i as one side: two products of one x, without biases and without other readers. */
  #gateOf(i: number): { products: Product[]; fn: MapFunction; ops: readonly number[] } | undefined {
    const reader = this.#onlyReader(i) ?? -1;
    const out = this.#ops[reader]?.op === 'map' ? (this.#onlyReader(reader) ?? -1) : reader;
    const mul = this.#ops[out];
    if (mul?.op !== 'zip' || mul.fn !== 'mul') return undefined;
    const mapped = [mul.a, mul.b].find((side) => this.#is(side, 'map'));
    const map = this.#ops[mapped ?? -1];
    if (map?.op !== 'map' || MAPS[map.fn].scalars > 0) return undefined;
    const [gate, up] = [map.x, mapped === mul.a ? mul.b : mul.a];
    const alone = [gate, up, mapped!].every((side) => this.#onlyReader(side) !== undefined);
    if (!alone || !this.#alike(gate, up) || (i !== gate && i !== up)) return undefined;
    const products = [{ ...this.#product(gate), out }, this.#product(up)];
    return { products, fn: map.fn, ops: [gate, up, mapped!, out] };
  }

  /** Whether two values are products of the same kind and operands, without biases. */
  #alike(i: number, j: number): boolean {
    const [a, b] = [this.#ops[i]!, this.#ops[j]!];
    if ((a.op !== 'matmul' && a.op !== 'expert-matmul') || a.op !== b.op) return false;
    const same = operands(a).every((value, k) => value === operands(b)[k]);
    return same && a.bias === undefined && b.bias === undefined;
  }

  #onlyReader(i: number): number | undefined {
    const readers = this.#readers[i]!;
    return readers.length === 1 ? readers[0] : undefined;
  }

  #is(i: number, kind: Op['op']): boolean {
    return this.#ops[i]?.op === kind;
  }
}

// ----- uses of a phase

export interface PhaseUses {
  readonly reads: readonly ValueId[];
  readonly writes: readonly ValueId[];
  readonly weights: readonly WeightId[];
  readonly state?: StateId;
  readonly rope?: RopeSpec;
}

export function usesOf(phase: Phase): PhaseUses {
  if (phase.kind === 'matmul') {
    const { x, norm, products, residual, gate } = phase;
    const written = gate ? products.slice(0, 1) : products;
    return {
      reads: present(x, residual),
      writes: written.map(({ out }) => out),
      weights: present(norm?.weight, ...products.flatMap(({ weight, bias }) => [weight, bias])),
    };
  }
  if (phase.kind === 'expert-matmul') {
    const { x, picks, products, gate } = phase;
    const written = gate ? products.slice(0, 1) : products;
    return {
      reads: present(x, picks),
      writes: written.map(({ out }) => out),
      weights: present(...products.flatMap(({ weight, bias }) => [weight, bias])),
    };
  }
  const { op, out } = phase;
  return {
    reads: operands(op),
    writes: [out],
    weights: weightsOf(op),
    state: 'state' in op ? op.state : undefined,
    rope: phase.kind === 'attention' ? phase.rope : op.op === 'rope' ? op.rope : undefined,
  };
}

/**
 * The last phase that needs each value. Values in `kept` are needed after all phases. A value without readers is needed
 * only in the phase that makes it.
 */
export function lastReads(
  uses: readonly PhaseUses[],
  kept: readonly ValueId[],
): ReadonlyMap<ValueId, number> {
  const last = new Map<ValueId, number>();
  for (const [i, { reads, writes }] of uses.entries()) {
    for (const value of [...reads, ...writes]) last.set(value, i);
  }
  for (const value of kept) last.set(value, Number.POSITIVE_INFINITY);
  return last;
}

function present(...ids: readonly (number | undefined)[]): number[] {
  return ids.filter((id) => id !== undefined);
}
