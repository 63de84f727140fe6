/**
 * From a program's small ops to the phases that backends run (the reference runs the ops themselves).
 *
 * Every op makes a value; a buffer holds the value last written to it. A fusion leaves out an op whose value has
 * no reader but the phase that takes it in, and only while the buffer still holds what that phase reads instead.
 *   rms-norm -> matmul              the norm goes into the preparation of activations
 *   matmul, matmul, ... of one x    one phase over all rows
 *   matmul -> add                   the sum is written at once
 *   matmul, matmul -> silu -> mul   the gate is closed in registers
 *   rope, rope -> attention         heads are turned while they are read
 */
import type { AttentionOp, BufferId, Op, Program, RopeSpec, WeightId } from './backend.ts';

export type OpOf<K extends Op['op']> = Extract<Op, { op: K }>;
export type RmsNormOp = OpOf<'rms-norm'>;

export interface Product {
  readonly weight: WeightId;
  readonly bias?: WeightId;
  readonly out: BufferId;
}

export type Phase =
  | { kind: 'embed'; op: OpOf<'embed'> }
  | { kind: 'select'; op: OpOf<'select'> }
  | { kind: 'rms-norm'; op: RmsNormOp }
  | { kind: 'rope'; op: OpOf<'rope'> }
  | { kind: 'softmax'; op: OpOf<'softmax'> }
  | { kind: 'silu'; op: OpOf<'silu'> }
  | { kind: 'mul'; op: OpOf<'mul'> }
  | { kind: 'add'; op: OpOf<'add'> }
  | { kind: 'attention'; op: AttentionOp; rope?: RopeSpec }
  | MatmulPhase;

export interface MatmulPhase {
  readonly kind: 'matmul';
  readonly x: BufferId;
  readonly norm?: RmsNormOp; // applied to x
  readonly products: readonly Product[];
  readonly residual?: BufferId; // added to the one product
  readonly gated?: boolean; // out of product 0 = silu(product 0) * (product 1)
}

type Value = number; // index of the op that made it; -1: never written

class Fuser {
  readonly #ops: readonly Op[];
  readonly #reads: readonly (readonly Value[])[]; // values op i reads
  readonly #uses: readonly number[]; // readers of value i
  readonly #holds = new Map<BufferId, Value>(); // what a buffer holds, ops left out not counted
  readonly #norms = new Map<Value, RmsNormOp>(); // norms left out, by their value
  readonly #ropes = new Map<Value, OpOf<'rope'>>(); // turns left out
  readonly #phases: Phase[] = [];

  constructor(ops: readonly Op[]) {
    this.#ops = ops;
    const last = new Map<BufferId, Value>();
    const uses = new Array<number>(ops.length).fill(0);
    this.#reads = ops.map((op, i) => {
      const values = inputs(op).map((buffer) => last.get(buffer) ?? -1);
      for (const value of new Set(values)) if (value >= 0) uses[value]!++;
      last.set(op.out, i);
      return values;
    });
    this.#uses = uses;
  }

  run(): Phase[] {
    for (let i = 0; i < this.#ops.length; ) i += this.#take(i);
    return this.#phases;
  }

  /** Turns op i, and those fused with it, into phases; returns how many ops that were. */
  #take(i: number): number {
    const op = this.#ops[i]!;
    if (op.op === 'matmul') return this.#takeMatmuls(i);
    if (op.op === 'rms-norm' && this.#onlyMatmulsRead(i)) {
      this.#norms.set(i, op);
      return 1;
    }
    if (op.op === 'rope' && this.#attentionTurns(i)) {
      this.#ropes.set(i, op);
      return 1;
    }
    if (op.op === 'attention') this.#emit({ kind: 'attention', ...this.#attention(i, op) }, op.out, i);
    else this.#emit({ kind: op.op, op } as Phase, op.out, i);
    return 1;
  }

  #emit(phase: Phase, out: BufferId, value: Value): void {
    this.#phases.push(phase);
    this.#holds.set(out, value);
  }

  /** All readers of norm i are matmuls that come before its input is overwritten. */
  #onlyMatmulsRead(i: number): boolean {
    const { x } = this.#ops[i] as RmsNormOp;
    let left = this.#uses[i]!;
    for (let j = i + 1; left > 0; j++) {
      const op = this.#ops[j]!;
      if (this.#reads[j]!.includes(i)) {
        if (op.op !== 'matmul') return false;
        left--;
      }
      if (op.out === x && left > 0) return false;
    }
    return true;
  }

  /** The only reader of turn i is an attention whose queries and keys both come from such turns, with one spec. */
  #attentionTurns(i: number): boolean {
    const reader = this.#ops.findIndex(
      (op, j) => j > i && op.op === 'attention' && this.#reads[j]!.includes(i),
    );
    if (reader < 0) return false;
    const [q, k, v] = this.#reads[reader]!;
    const turn = (value: Value | undefined): OpOf<'rope'> | undefined => {
      const op = this.#ops[value ?? -1];
      return op?.op === 'rope' && this.#uses[value!] === 1 && !this.#overwritten(op.x, value!, reader)
        ? op
        : undefined;
    };
    return (
      q !== k && v !== i && turn(q) !== undefined && turn(k) !== undefined && turn(q)!.rope === turn(k)!.rope
    );
  }

  /** Whether an op between (both ends left out) writes the buffer. */
  #overwritten(buffer: BufferId, after: number, before: number): boolean {
    return this.#ops.slice(after + 1, before).some((op) => op.out === buffer);
  }

  #attention(i: number, op: AttentionOp): { op: AttentionOp; rope?: RopeSpec } {
    const [q, k] = this.#reads[i]!;
    const [turnQ, turnK] = [this.#ropes.get(q!), this.#ropes.get(k!)];
    return turnQ && turnK ? { op: { ...op, q: turnQ.x, k: turnK.x }, rope: turnQ.rope } : { op };
  }

  #takeMatmuls(i: number): number {
    const first = this.#ops[i] as OpOf<'matmul'>;
    const x = this.#reads[i]![0]!;
    let end = i;
    while (this.#ops[end]?.op === 'matmul' && this.#reads[end]![0] === x) end++;
    const products = this.#ops.slice(i, end) as OpOf<'matmul'>[];
    const norm = this.#norms.get(x);
    const phase: MatmulPhase = { kind: 'matmul', x: norm?.x ?? first.x, norm, products };
    if (products.length === 1 && this.#takeAdd(i, phase)) return 2;
    if (products.length === 2 && this.#takeGate(i, phase)) return 4;
    this.#phases.push(phase);
    products.forEach((product, j) => {
      this.#holds.set(product.out, i + j);
    });
    return products.length;
  }

  /** matmul i, add i + 1: the product is read by the sum alone, and the other summand stands in its buffer. */
  #takeAdd(i: number, phase: MatmulPhase): boolean {
    const add = this.#ops[i + 1];
    if (add?.op !== 'add' || this.#uses[i] !== 1) return false;
    const [a, b] = this.#reads[i + 1]!;
    if ((a === i) === (b === i)) return false;
    const [residual, value] = a === i ? [add.b, b!] : [add.a, a!];
    if ((this.#holds.get(residual) ?? -1) !== value) return false;
    const products = [{ ...phase.products[0]!, out: add.out }];
    this.#emit({ ...phase, products, residual }, add.out, i + 1);
    return true;
  }

  /** matmuls i and i + 1, silu of the first, times the second, none of them read elsewhere. */
  #takeGate(i: number, phase: MatmulPhase): boolean {
    const [silu, mul] = [this.#ops[i + 2], this.#ops[i + 3]];
    if (silu?.op !== 'silu' || mul?.op !== 'mul' || phase.products.some(({ bias }) => bias !== undefined))
      return false;
    const once = [i, i + 1, i + 2].every((value) => this.#uses[value] === 1);
    const reads = new Set(this.#reads[i + 3]);
    if (!once || this.#reads[i + 2]![0] !== i || !reads.has(i + 2) || !reads.has(i + 1)) return false;
    const products = [{ ...phase.products[0]!, out: mul.out }, phase.products[1]!];
    this.#emit({ ...phase, products, gated: true }, mul.out, i + 3);
    return true;
  }
}

function inputs(op: Op): BufferId[] {
  switch (op.op) {
    case 'embed':
      return [];
    case 'attention':
      return [op.q, op.k, op.v];
    case 'mul':
    case 'add':
      return [op.a, op.b];
    default:
      return [op.x];
  }
}

export function fuse(program: Pick<Program, 'ops'>): Phase[] {
  return new Fuser(program.ops).run();
}
