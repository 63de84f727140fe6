/**
 * Plans the kernel calls of a program. Phases (backends/fuse.ts) become one to seven calls each. On a GPU, a kernel has
 * one result, which its next call overwrites. So a call reuses a kernel of its kind only if the last result of that
 * kernel has no readers left; otherwise it gets a new one.
 */
import { mix, scores } from '../../kernels/gpujs/attention.ts';
import { concat } from '../../kernels/gpujs/concat.ts';
import { conv } from '../../kernels/gpujs/conv.ts';
import { embed } from '../../kernels/gpujs/embed.ts';
import { expertMatmul, mixExperts } from '../../kernels/gpujs/experts.ts';
import { type KernelSource, PARTIALS } from '../../kernels/gpujs/kernel-source.ts';
import { layerNorm, rowSums, spreads } from '../../kernels/gpujs/layer-norm.ts';
import { map } from '../../kernels/gpujs/map.ts';
import { matmul } from '../../kernels/gpujs/matmul.ts';
import { packedLength } from '../../kernels/gpujs/packed-block.ts';
import { rmsNorm, squares } from '../../kernels/gpujs/rms-norm.ts';
import { rope } from '../../kernels/gpujs/rope.ts';
import { SELECT } from '../../kernels/gpujs/select.ts';
import { EXPONENTIALS, MAXIMA, SHARES, SUMS } from '../../kernels/gpujs/softmax.ts';
import { zip } from '../../kernels/gpujs/zip.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';
import type { MapFunction } from '../../kernels/reference/map.ts';
import { route } from '../../kernels/reference/route.ts';
import type { Program, ValueId, WeightId } from '../backend.ts';
import {
  type AttentionPhase,
  type ExpertPhase,
  fuse,
  lastReads,
  type MatmulPhase,
  type NormOp,
  type Phase,
  type Product,
  usesOf,
} from '../fuse.ts';
import { keptValues, kvOf, type OpOf, type Shape, shapesOf, weightsOf } from '../ops.ts';
import { besideOf } from './attention-weights.ts';
import type { Device, Size } from './device.ts';
import { type Item, KernelSlot, type Stack } from './kernel-slot.ts';
import { PACKED_BLOCKS } from './pack.ts';
import type { Pass } from './pass.ts';
import type { Weight } from './weight.ts';

export interface PlannedPhase {
  /** Rows that the phase computes: those of all tokens, or the selected ones. */
  readonly of: Shape['rows'];
  /** Reads and writes values of the pass. */
  evaluate(pass: Pass, rows: number): Promise<void>;
}

type Evaluate = PlannedPhase['evaluate'];

export interface Plan {
  readonly phases: readonly PlannedPhase[];
  readonly slots: readonly KernelSlot[];
  readonly shapes: readonly Shape[]; // of all values
  readonly convColumns: number; // of the widest conv; 0 without one
}

/** Reads the weights that the host needs. Others are read when a kernel first runs. */
export async function planProgram(
  program: Program,
  weights: readonly Weight[],
  device: Device,
): Promise<Plan> {
  const numbers = new Map<WeightId, Float32Array>();
  for (const op of program.ops) {
    if (op.op !== 'map' && op.op !== 'route' && op.op !== 'attention') continue; // scalars are part of kernels' texts
    for (const id of weightsOf(op)) {
      numbers.set(id, dequantize(weights[id]!.desc.type, await weights[id]!.read()));
    }
  }
  return new Planner(program, weights, device, numbers).run();
}

/** Ids of intermediate values within one phase. Ids of the program's values are not negative. */
const [NORMED, GATE, UP, QUERIES, KEYS] = [-1, -2, -3, -4, -5];

interface Taken {
  readonly slot: KernelSlot;
  until: number; // the phase that reads its result last
}

class Planner {
  readonly #program: Program;
  readonly #weights: readonly Weight[];
  readonly #device: Device;
  readonly #numbers: ReadonlyMap<WeightId, Float32Array>;
  readonly #phases: readonly Phase[];
  readonly #shapes: readonly Shape[];
  readonly #last: ReadonlyMap<ValueId, number>; // phase that reads a value last
  readonly #taken = new Map<string, Taken[]>(); // by kind of kernel
  #at = 0; // phase being planned

  constructor(
    program: Program,
    weights: readonly Weight[],
    device: Device,
    numbers: ReadonlyMap<WeightId, Float32Array>,
  ) {
    this.#program = program;
    this.#weights = weights;
    this.#device = device;
    this.#numbers = numbers;
    this.#phases = fuse(program.ops, keptValues(program));
    this.#shapes = shapesOf(program, (id) => weights[id]!.desc);
    this.#last = lastReads(this.#phases.map(usesOf), keptValues(program));
  }

  run(): Plan {
    const phases = this.#phases.map((phase, at): PlannedPhase => {
      this.#at = at;
      const [out] = usesOf(phase).writes;
      return { of: this.#shapes[out!]!.rows, evaluate: this.#plan(phase) };
    });
    const slots = [...this.#taken.values()].flatMap((taken) => taken.map(({ slot }) => slot));
    const columns = this.#phases.map((phase) => {
      return phase.kind === 'conv' ? this.#shapes[phase.out]!.cols : 0;
    });
    return { phases, slots, shapes: this.#shapes, convColumns: Math.max(0, ...columns) };
  }

  #plan(phase: Phase): Evaluate {
    switch (phase.kind) {
      case 'embed':
        return this.#embed(phase.op, phase.out);
      case 'norm':
        return this.#norm(phase.op, phase.out, this.#last.get(phase.out)!);
      case 'layer-norm':
        return this.#layerNorm(phase.op, phase.out);
      case 'matmul':
        return this.#matmul(phase);
      case 'route':
        return this.#route(phase.op, phase.out);
      case 'expert-matmul':
        return this.#experts(phase);
      case 'mix': {
        const { x, picks } = phase.op;
        const source = mixExperts(this.#shapes[picks]!.cols / 2, this.#shapes[phase.out]!.cols);
        return this.#rows(source, phase.out, [x, picks]);
      }
      case 'rope':
        return this.#rope({ ...phase.op, out: phase.out }, this.#last.get(phase.out)!);
      case 'attention':
        return this.#attention(phase);
      case 'conv':
        return this.#conv(phase.op, phase.out);
      case 'scan':
        throw new Error('A scan, which this backend does not support, got through.');
      case 'softmax':
        return this.#softmax(phase.op, phase.out);
      case 'map': {
        const scalars = phase.op.scalars?.map((id) => this.#numbers.get(id)![0]!);
        return this.#rows(map(phase.op.fn, scalars), phase.out, [phase.op.x]);
      }
      case 'zip':
        return this.#rows(zip(phase.op.fn), phase.out, [phase.op.a, phase.op.b]);
      case 'concat': {
        const { a, b, heads } = phase.op;
        const [A, B] = [a, b].map((value) => this.#shapes[value]!.cols / heads);
        return this.#rows(concat(A!, B!), phase.out, [a, b]);
      }
      case 'select':
        return this.#select(phase.op, phase.out);
    }
  }

  // ----- one function a phase

  #embed(op: OpOf<'embed'>, out: ValueId): Evaluate {
    const { type, cols } = this.#weights[op.table]!.desc;
    const slot = this.#slot(embed(PACKED_BLOCKS[type]!), this.#last.get(out) ?? this.#at, cols);
    return async (pass, rows) => {
      pass.set(out, await slot.run([pass.tableRows(op)], [cols, rows]));
    };
  }

  #norm({ x, weight, eps, heads = 1 }: NormOp, out: ValueId, until: number): Evaluate {
    const { cols: length } = this.#weights[weight]!.desc;
    const width = this.#shapes[x]!.cols;
    const cols = width / heads;
    const sums = this.#slot(squares(cols), this.#at, heads * PARTIALS);
    const stack: Stack = { name: 'weights', itemLength: length };
    const source = rmsNorm(cols, eps, length > cols);
    const { slot, item } = this.#stacked(source, [stack], { weights: [weight] }, until, width);
    return async (pass, rows) => {
      const partial = await sums.run([pass.get(x)], [heads * PARTIALS, rows]);
      pass.set(out, await slot.run([pass.get(x), partial, item], [width, rows]));
    };
  }

  #layerNorm({ x, weight, bias, eps }: OpOf<'layer-norm'>, out: ValueId): Evaluate {
    const { cols } = this.#weights[weight]!.desc;
    const until = this.#last.get(out)!;
    const sums = this.#slot(rowSums(cols), this.#at, PARTIALS);
    const squares = this.#slot(spreads(cols), this.#at, PARTIALS);
    const stacks: Stack[] = [{ name: 'weights', itemLength: cols }];
    if (bias !== undefined) stacks.push({ name: 'bias', itemLength: cols });
    const source = layerNorm(cols, eps, bias !== undefined);
    const { slot, item } = this.#stacked(source, stacks, { weights: [weight], bias }, until, cols);
    return async (pass, rows) => {
      const total = await sums.run([pass.get(x)], [PARTIALS, rows]);
      const spread = await squares.run([pass.get(x), total], [PARTIALS, rows]);
      pass.set(out, await slot.run([pass.get(x), total, spread, item], [cols, rows]));
    };
  }

  #matmul(phase: MatmulPhase): Evaluate {
    const { norm, products, residual } = phase;
    // Only these products read the normalized x, so no value of the program holds it.
    const x = norm ? NORMED : phase.x;
    const calls = [
      ...(norm ? [this.#norm(norm, NORMED, this.#at)] : []),
      ...(phase.gate
        ? this.#gate(products, x, phase.gate)
        : products.map((product) => this.#product(product, x, residual))),
    ];
    return async (pass, rows) => {
      for (const call of calls) await call(pass, rows);
    };
  }

  /** Both products are one kernel if their weights have the same type and shape. */
  #gate([gate, up]: readonly Product[], x: ValueId, fn: MapFunction): Evaluate[] {
    const [a, b] = [gate!, up!].map(({ weight }) => this.#weights[weight]!.desc);
    if (a!.type === b!.type && a!.rows === b!.rows) {
      return [this.#product(gate!, x, undefined, { weight: up!.weight, fn })];
    }
    const closed = { ...gate!, out: GATE };
    return [
      this.#product(closed, x),
      this.#product({ ...up!, out: UP }, x),
      this.#rows(map(fn), GATE, [GATE], a!.rows),
      this.#rows(zip('mul'), gate!.out, [GATE, UP], a!.rows),
    ];
  }

  /** @param gate makes it gated: out = fn(x W^T) * (x U^T), U = gate.weight */
  #product(
    { weight, bias, out }: Product,
    x: ValueId,
    residual?: ValueId,
    gate?: { readonly weight: WeightId; readonly fn: MapFunction },
  ): Evaluate {
    const { type, rows: N, cols: K } = this.#weights[weight]!.desc;
    const block = PACKED_BLOCKS[type]!;
    const weights = gate ? [weight, gate.weight] : [weight];
    const stacks: Stack[] = [
      { name: 'weights', itemLength: weights.length * packedLength(block, N, K), block },
    ];
    if (bias !== undefined) stacks.push({ name: 'bias', itemLength: N });
    const shape = {
      ...{ block, rows: N, cols: K, gate: gate?.fn },
      ...{ bias: bias !== undefined, residual: residual !== undefined },
    };
    const source = matmul(shape, this.#device.integer);
    const { slot, item } = this.#stacked(
      source,
      stacks,
      { weights, bias },
      this.#last.get(out) ?? this.#at,
      N,
    );
    return async (pass, rows) => {
      const args = [this.#device.flat(pass.get(x)), item];
      if (residual !== undefined) args.push(pass.get(residual));
      pass.set(out, await slot.run(args, [N, rows]));
    };
  }

  /** The host picks the experts: a row of logits is short, and picking is no sum over columns. */
  #route({ x, bias, scales, routing }: OpOf<'route'>, out: ValueId): Evaluate {
    const { cols } = this.#shapes[x]!;
    const [shift, factors] = [bias, scales].map((id) =>
      id === undefined ? undefined : this.#numbers.get(id),
    );
    return async (pass, rows) => {
      const logits = Float64Array.from(await this.#device.read(pass.get(x)));
      const picks = Array.from({ length: rows }, (_, t) =>
        Float32Array.from(route(logits.subarray(t * cols, (t + 1) * cols), shift, factors, routing)),
      );
      pass.set(out, picks);
    };
  }

  #experts({ x, picks, products, gate }: ExpertPhase): Evaluate {
    const { out } = products[0]!;
    const { cols } = this.#shapes[out]!;
    const sides = gate ? [GATE, UP] : [out];
    const calls = products.map((product, i) => this.#expertProduct({ ...product, out: sides[i]! }, x, picks));
    if (gate) {
      calls.push(this.#rows(map(gate), GATE, [GATE], cols), this.#rows(zip('mul'), out, [GATE, UP], cols));
    }
    return async (pass, rows) => {
      for (const call of calls) await call(pass, rows);
    };
  }

  #expertProduct({ weight, bias, out }: Product, x: ValueId, picks: ValueId | undefined): Evaluate {
    const { type, rows, cols, experts = 1 } = this.#weights[weight]!.desc;
    const block = PACKED_BLOCKS[type]!;
    const stacks: Stack[] = [{ name: 'weights', itemLength: packedLength(block, rows, cols), block }];
    if (bias !== undefined) stacks.push({ name: 'bias', itemLength: rows });
    const N = rows / experts;
    const count = picks === undefined ? experts : this.#shapes[picks]!.cols / 2;
    const shape = {
      ...{ block, experts, rows: N, cols, parts: this.#shapes[x]!.cols / cols },
      ...{ picked: picks !== undefined, bias: bias !== undefined },
    };
    const source = expertMatmul(shape, this.#device.integer);
    const until = this.#last.get(out) ?? this.#at;
    const width = N * count;
    const { slot, item } = this.#stacked(source, stacks, { weights: [weight], bias }, until, width);
    return async (pass, T) => {
      const args = [this.#device.flat(pass.get(x)), item];
      if (picks !== undefined) args.push(pass.get(picks));
      pass.set(out, await slot.run(args, [width, T]));
    };
  }

  #rope(
    { x, out, heads, rope: spec }: Omit<OpOf<'rope'>, 'op'> & { readonly out: ValueId },
    until: number,
  ): Evaluate {
    const { cols } = this.#shapes[x]!;
    const headDim = cols / heads;
    const slot = this.#slot(rope(headDim, spec), until, cols);
    return async (pass, rows) => {
      const { cosines, sines } = pass.rotations(spec, headDim);
      pass.set(out, await slot.run([pass.get(x), cosines, sines], [cols, rows]));
    };
  }

  #attention({ op, rope: spec, out }: AttentionPhase): Evaluate {
    const { kvHeads, keyDim, valueDim } = kvOf(op, this.#program.states);
    const { heads, scale, softcap, sinks, window } = op;
    const shape = { heads, kvHeads, keyDim, valueDim, scale, softcap, sinks: sinks !== undefined };
    const [q, k] = spec ? [QUERIES, KEYS] : [op.q, op.k];
    const rotate: Evaluate[] = [];
    if (spec) {
      rotate.push(this.#rope({ x: op.q, out: q!, heads, rope: spec }, this.#at));
      if (op.k !== undefined)
        rotate.push(this.#rope({ x: op.k, out: k!, heads: kvHeads, rope: spec }, this.#at));
    }
    const score = this.#slot(scores(shape), this.#at);
    const largest = this.#slot(MAXIMA, this.#at);
    const exponentials = this.#slot(EXPONENTIALS, this.#at);
    const mixed = this.#slot(mix(shape), this.#last.get(out)!);
    const extra = sinks === undefined ? undefined : this.#numbers.get(sinks)!;
    return async (pass, T) => {
      for (const each of rotate) await each(pass, T);
      if (op.k !== undefined && op.v !== undefined) pass.remember(op, pass.get(k!), pass.get(op.v));
      const { keys, values, bases, columns } = pass.view(op);
      const size: Size = [columns, heads * T];
      const lasts = pass.lasts(window);
      const lengths = Float32Array.from(
        { length: heads * T },
        (_, row) => lasts[Math.floor(row / heads)]! + 1,
      );
      const scored = await score.run([this.#device.flat(pass.get(q!)), keys, lasts, bases], size);
      const maxima = await largest.run([scored, lengths], [PARTIALS, heads * T]);
      const weights = await exponentials.run([scored, maxima, lengths], size);
      if (pass.exponentials) {
        const rows = await this.#device.read(weights);
        const beside = extra && besideOf(extra, await this.#device.read(maxima));
        pass.exponentials.push({ rows, seen: lengths[0]!, beside });
      }
      const args = [weights, values, lasts, bases, ...(extra ? [maxima, extra] : [])];
      pass.set(out, await mixed.run(args, [valueDim, heads * T], [heads * valueDim, T]));
    };
  }

  #conv(op: OpOf<'conv'>, out: ValueId): Evaluate {
    const { rows: columns, cols: taps } = this.#weights[op.weight]!.desc;
    const stacks: Stack[] = [{ name: 'weights', itemLength: columns * taps }];
    if (op.bias !== undefined) stacks.push({ name: 'bias', itemLength: columns });
    const until = this.#last.get(out) ?? this.#at;
    const source = conv(taps, op.bias !== undefined);
    const { slot, item } = this.#stacked(
      source,
      stacks,
      { weights: [op.weight], bias: op.bias },
      until,
      columns,
    );
    return async (pass, T) => {
      const { rows, firsts } = pass.appendRows(op, columns);
      pass.set(out, await slot.run([rows, firsts, item], [columns, T]));
    };
  }

  #softmax({ x }: OpOf<'softmax'>, out: ValueId): Evaluate {
    const { cols } = this.#shapes[x]!;
    const largest = this.#slot(MAXIMA, this.#at, PARTIALS);
    const exponentials = this.#slot(EXPONENTIALS, this.#at, cols);
    const sums = this.#slot(SUMS, this.#at, PARTIALS);
    const shares = this.#slot(SHARES, this.#last.get(out) ?? this.#at, cols);
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
    out: ValueId,
    xs: readonly ValueId[],
    cols = this.#shapes[out]!.cols,
  ): Evaluate {
    const slot = this.#slot(source, this.#last.get(out) ?? this.#at, cols);
    return async (pass, rows) => {
      const args = xs.map((x) => pass.get(x));
      pass.set(out, await slot.run(args, [cols, rows]));
    };
  }

  #select({ x }: OpOf<'select'>, out: ValueId): Evaluate {
    const { cols } = this.#shapes[out]!;
    const slot = this.#slot(SELECT, this.#last.get(out) ?? this.#at, cols);
    return async (pass, rows) => {
      pass.set(out, await slot.run([pass.get(x), pass.chunk.outputs], [cols, rows]));
    };
  }

  // ----- which kernel

  /** @param columns of the result, if their number is always the same */
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
