/**
 * From a program to calls of kernels. Phases (backends/fuse.ts) become one to seven calls each. On a GPU a
 * kernel has one result, which its next call overwrites; so a call takes a kernel of its kind whose last
 * result nobody reads any more, or a new one.
 */
import { mix, scores } from '../../kernels/gpujs/attention.ts';
import { ADD, MUL } from '../../kernels/gpujs/elementwise.ts';
import { embed } from '../../kernels/gpujs/embed.ts';
import { type KernelSource, PARTIALS } from '../../kernels/gpujs/kernel-source.ts';
import { matmul } from '../../kernels/gpujs/matmul.ts';
import { packedLength } from '../../kernels/gpujs/packed-block.ts';
import { rmsNorm, squares } from '../../kernels/gpujs/rms-norm.ts';
import { rope } from '../../kernels/gpujs/rope.ts';
import { SELECT } from '../../kernels/gpujs/select.ts';
import { SILU } from '../../kernels/gpujs/silu.ts';
import { EXPONENTIALS, MAXIMA, SHARES, SUMS } from '../../kernels/gpujs/softmax.ts';
import type { BufferId, Program, RopeSpec, WeightId } from '../backend.ts';
import { fuse, type MatmulPhase, type OpOf, type Phase, type Product, type RmsNormOp } from '../fuse.ts';
import { type PhaseUses, usesOf } from '../phase-uses.ts';
import type { Device, Size } from './device.ts';
import { type Item, KernelSlot, type Stack } from './kernel-slot.ts';
import { PACKED_BLOCKS } from './pack.ts';
import type { Pass } from './pass.ts';
import type { Weight } from './weight.ts';

export interface PlannedPhase {
  /** Rows it computes: of all tokens, or of those that the step wants output for. */
  readonly of: 'tokens' | 'outputs';
  /** Reads and writes buffers of the pass. */
  evaluate(pass: Pass, rows: number): Promise<void>;
}

type Evaluate = PlannedPhase['evaluate'];

export interface Plan {
  readonly phases: readonly PlannedPhase[];
  readonly slots: readonly KernelSlot[];
}

export function planProgram(program: Program, weights: readonly Weight[], device: Device): Plan {
  return new Planner(program, weights, device).run();
}

/** Values that only calls of one phase read: no buffers of the program. */
const [NORMED, GATE, UP, QUERIES, KEYS] = [-1, -2, -3, -4, -5];

interface Taken {
  readonly slot: KernelSlot;
  until: number; // the phase that reads its result last
}

class Planner {
  readonly #program: Program;
  readonly #weights: readonly Weight[];
  readonly #device: Device;
  readonly #phases: readonly Phase[];
  readonly #uses: readonly PhaseUses[];
  readonly #taken = new Map<string, Taken[]>(); // by kind of kernel
  #at = 0; // phase being planned

  constructor(program: Program, weights: readonly Weight[], device: Device) {
    this.#program = program;
    this.#weights = weights;
    this.#device = device;
    this.#phases = fuse(program);
    this.#uses = this.#phases.map(usesOf);
  }

  run(): Plan {
    const selected = this.#phases.findIndex(({ kind }) => kind === 'select');
    const phases = this.#phases.map((phase, at): PlannedPhase => {
      this.#at = at;
      return { of: selected >= 0 && at >= selected ? 'outputs' : 'tokens', evaluate: this.#plan(phase) };
    });
    const slots = [...this.#taken.values()].flatMap((taken) => taken.map(({ slot }) => slot));
    return { phases, slots };
  }

  #plan(phase: Phase): Evaluate {
    switch (phase.kind) {
      case 'embed':
        return this.#embed(phase.op);
      case 'rms-norm':
        return this.#norm(phase.op, this.#lastRead(phase.op.out));
      case 'matmul':
        return this.#matmul(phase);
      case 'rope':
        return this.#rope(phase.op, phase.op.rope, this.#lastRead(phase.op.out));
      case 'attention':
        return this.#attention(phase);
      case 'softmax':
        return this.#softmax(phase.op);
      case 'silu':
        return this.#rows(SILU, phase.op.out, [phase.op.x]);
      case 'mul':
        return this.#rows(MUL, phase.op.out, [phase.op.a, phase.op.b]);
      case 'add':
        return this.#rows(ADD, phase.op.out, [phase.op.a, phase.op.b]);
      case 'select':
        return this.#select(phase.op);
    }
  }

  // ----- one function a phase

  #embed({ table, out }: OpOf<'embed'>): Evaluate {
    const { type, cols } = this.#weights[table]!.desc;
    const slot = this.#slot(embed(PACKED_BLOCKS[type]!), this.#lastRead(out), cols);
    return async (pass, rows) => {
      pass.set(out, await slot.run([pass.tableRows(table)], [cols, rows]));
    };
  }

  #norm({ x, weight, eps, out }: RmsNormOp, until: number): Evaluate {
    const { cols } = this.#weights[weight]!.desc;
    const sums = this.#slot(squares(cols), this.#at, PARTIALS);
    const stack: Stack = { name: 'weights', itemLength: cols };
    const { slot, item } = this.#stacked(rmsNorm(cols, eps), [stack], { weights: [weight] }, until, cols);
    return async (pass, rows) => {
      const partial = await sums.run([pass.get(x)], [PARTIALS, rows]);
      pass.set(out, await slot.run([pass.get(x), partial, item], [cols, rows]));
    };
  }

  #matmul(phase: MatmulPhase): Evaluate {
    const { norm, products, residual } = phase;
    // The value of the norm has no other reader, and no buffer needs to hold it.
    const x = norm ? NORMED : phase.x;
    const calls = [
      ...(norm ? [this.#norm({ ...norm, out: NORMED }, this.#at)] : []),
      ...(phase.gated
        ? this.#gate(products, x)
        : products.map((product) => this.#product(product, x, residual))),
    ];
    return async (pass, rows) => {
      for (const call of calls) await call(pass, rows);
    };
  }

  /** Both products in one kernel where the weights are alike. */
  #gate([gate, up]: readonly Product[], x: BufferId): Evaluate[] {
    const [a, b] = [gate!, up!].map(({ weight }) => this.#weights[weight]!.desc);
    if (a!.type === b!.type && a!.rows === b!.rows) return [this.#product(gate!, x, undefined, up!.weight)];
    const closed = { ...gate!, out: GATE };
    return [
      this.#product(closed, x),
      this.#product({ ...up!, out: UP }, x),
      this.#rows(SILU, GATE, [GATE], a!.rows),
      this.#rows(MUL, gate!.out, [GATE, UP], a!.rows),
    ];
  }

  /** @param up makes it gated: out = silu(x W^T) * (x up^T) */
  #product({ weight, bias, out }: Product, x: BufferId, residual?: BufferId, up?: WeightId): Evaluate {
    const { type, rows: N, cols: K } = this.#weights[weight]!.desc;
    const block = PACKED_BLOCKS[type]!;
    const weights = up === undefined ? [weight] : [weight, up];
    const stacks: Stack[] = [
      { name: 'weights', itemLength: weights.length * packedLength(block, N, K), block },
    ];
    if (bias !== undefined) stacks.push({ name: 'bias', itemLength: N });
    const shape = {
      ...{ block, rows: N, cols: K, gated: up !== undefined },
      ...{ bias: bias !== undefined, residual: residual !== undefined },
    };
    const source = matmul(shape, this.#device.integer);
    const { slot, item } = this.#stacked(source, stacks, { weights, bias }, this.#lastRead(out), N);
    return async (pass, rows) => {
      const args = [this.#device.flat(pass.get(x)), item];
      if (residual !== undefined) args.push(pass.get(residual));
      pass.set(out, await slot.run(args, [N, rows]));
    };
  }

  #rope(
    { x, out, heads }: Pick<OpOf<'rope'>, 'x' | 'out' | 'heads'>,
    spec: RopeSpec,
    until: number,
  ): Evaluate {
    const cols = this.#program.buffers[x]!;
    const headDim = cols / heads;
    const slot = this.#slot(rope(headDim, spec), until, cols);
    return async (pass, rows) => {
      const { cosines, sines } = pass.turns(spec, headDim);
      pass.set(out, await slot.run([pass.get(x), cosines, sines], [cols, rows]));
    };
  }

  #attention({ op, rope: spec }: Extract<Phase, { kind: 'attention' }>): Evaluate {
    const { kvHeads, headDim } = this.#program.kv;
    const { heads, layer, scale } = op;
    const shape = { heads, kvHeads, headDim, scale };
    const [q, k] = spec ? [QUERIES, KEYS] : [op.q, op.k];
    const turn = spec
      ? [
          this.#rope({ x: op.q, out: q, heads }, spec, this.#at),
          this.#rope({ x: op.k, out: k, heads: kvHeads }, spec, this.#at),
        ]
      : [];
    const score = this.#slot(scores(shape), this.#at);
    const largest = this.#slot(MAXIMA, this.#at);
    const exponentials = this.#slot(EXPONENTIALS, this.#at);
    const mixed = this.#slot(mix(shape), this.#lastRead(op.out));
    return async (pass, T) => {
      for (const each of turn) await each(pass, T);
      const { keys, values, bases, columns } = pass.remember(layer, pass.get(k), pass.get(op.v));
      const { positions } = pass.chunk;
      const size: Size = [columns, heads * T];
      const lengths = pass.lengths(heads);
      const scored = await score.run([this.#device.flat(pass.get(q)), keys, positions, bases], size);
      const maxima = await largest.run([scored, lengths], [PARTIALS, heads * T]);
      const weights = await exponentials.run([scored, maxima, lengths], size);
      pass.exponentials?.push(await this.#device.read(weights));
      const args = [weights, values, positions, bases];
      pass.set(op.out, await mixed.run(args, [headDim, heads * T], [heads * headDim, T]));
    };
  }

  #softmax({ x, out }: OpOf<'softmax'>): Evaluate {
    const cols = this.#program.buffers[x]!;
    const largest = this.#slot(MAXIMA, this.#at, PARTIALS);
    const exponentials = this.#slot(EXPONENTIALS, this.#at, cols);
    const sums = this.#slot(SUMS, this.#at, PARTIALS);
    const shares = this.#slot(SHARES, this.#lastRead(out), cols);
    return async (pass, rows) => {
      const lengths = new Float32Array(rows).fill(cols);
      const maxima = await largest.run([pass.get(x), lengths], [PARTIALS, rows]);
      const powers = await exponentials.run([pass.get(x), maxima, lengths], [cols, rows]);
      const total = await sums.run([powers, lengths], [PARTIALS, rows]);
      pass.set(out, await shares.run([powers, total], [cols, rows]));
    };
  }

  #rows(
    source: KernelSource,
    out: BufferId,
    xs: readonly BufferId[],
    cols = this.#program.buffers[out]!,
  ): Evaluate {
    const slot = this.#slot(source, this.#lastRead(out), cols);
    return async (pass, rows) => {
      const args = xs.map((x) => pass.get(x));
      pass.set(out, await slot.run(args, [cols, rows]));
    };
  }

  #select({ x, out }: OpOf<'select'>): Evaluate {
    const cols = this.#program.buffers[out]!;
    const slot = this.#slot(SELECT, this.#lastRead(out), cols);
    return async (pass, rows) => {
      pass.set(out, await slot.run([pass.get(x), pass.chunk.outputs], [cols, rows]));
    };
  }

  // ----- which kernel

  /** The phase that reads last what this one writes. */
  #lastRead(buffer: BufferId): number {
    let last = this.#at;
    for (let i = this.#at + 1; i < this.#uses.length; i++) {
      if (this.#uses[i]!.reads.includes(buffer)) last = i;
      if (this.#uses[i]!.writes.includes(buffer)) return last;
    }
    return buffer === this.#program.logits ? Number.POSITIVE_INFINITY : last;
  }

  /** @param columns of the result, where it always has the same */
  #slot(source: KernelSource, until: number, columns?: number): KernelSlot {
    return this.#take(source, [], until, columns, () => 0).slot;
  }

  #stacked(
    source: KernelSource,
    stacks: readonly Stack[],
    item: Item,
    until: number,
    columns: number,
  ): { slot: KernelSlot; item: number } {
    return this.#take(source, stacks, until, columns, (slot) => slot.place(item));
  }

  #take(
    source: KernelSource,
    stacks: readonly Stack[],
    until: number,
    columns: number | undefined,
    place: (slot: KernelSlot) => number | undefined,
  ): { slot: KernelSlot; item: number } {
    const kind = `${source.text} ${columns}`;
    const taken = this.#taken.get(kind) ?? [];
    this.#taken.set(kind, taken);
    for (const entry of taken.filter((other) => other.until < this.#at)) {
      const item = place(entry.slot);
      if (item === undefined) continue;
      entry.until = until;
      return { slot: entry.slot, item };
    }
    const size: Size | undefined = columns === undefined ? undefined : [columns, 1];
    const slot = new KernelSlot(this.#device, this.#weights, source, stacks, size);
    taken.push({ slot, until });
    return { slot, item: place(slot)! };
  }
}
