/**
 * From phases to calls of kernels: where every value lies, which products are computed together, and the calls of a
 * step of each mode. Everything is decided here, once; a step only counts rows.
 */
import type { AttentionOp, BufferId, Program, RopeSpec, WeightId } from '../backend.ts';
import type { MatmulPhase, Phase, Product as ProductOp } from '../fuse.ts';
import { usesOf } from '../phase-uses.ts';
import type { Arrays, GpuArray } from './arrays.ts';
import { attentionCalls, type Cache, cacheBytes, stateBytes } from './attention-calls.ts';
import { formOf } from './form.ts';
import type { KernelCall, Mode } from './kernel-call.ts';
import { type Product, productCalls, type Stack, tiled } from './matmul-calls.ts';
import {
  type Context,
  elementwiseCall,
  embedCalls,
  normCall,
  prepareCall,
  ropeCall,
  selectCall,
  softmaxCall,
} from './row-calls.ts';
import { type StackOf, stacksOf } from './stacks.ts';
import { stepBytes, stepConstants } from './step-layout.ts';
import type { Tuning } from './tuning.ts';
import { padded, type Rounded, type RowKind, Values, type View } from './values.ts';
import type { Weight } from './weights.ts';

/** What the plan takes of the weights that are on the device. */
export interface PlacedWeights {
  stack(weights: readonly WeightId[], inTurn: boolean): Stack;
  vector(weight: WeightId): GpuArray;
  /** Biases of the matrices of a stack, zeros where there is none. */
  biases(products: readonly ProductOp[]): GpuArray;
}

export interface Plan {
  readonly step: GpuArray;
  readonly trunk: Readonly<Record<Mode, readonly KernelCall[]>>; // up to the rows that are wanted
  readonly tail: Readonly<Record<'single' | 'many', readonly KernelCall[]>>; // from there on, a turn of them
  readonly outputRows: number; // most in a turn
  readonly logits: View;
  readonly caches: readonly Cache[]; // by layer
  readonly attention: readonly GpuArray[]; // weights of each attention op, of programs compiled for them
  readonly bytes: { readonly kv: number; readonly arena: number };
}

/** Rows of logits that are computed at once: of a large vocabulary, all of a long prompt would not fit. */
const OUTPUT_ROWS = 32;

export class Planner {
  readonly #program: Program;
  readonly #phases: readonly Phase[];
  readonly #weights: readonly Weight[];
  readonly #placed: PlacedWeights;
  readonly #arrays: Arrays;
  readonly #tuning: Tuning;
  readonly #values: Values;
  readonly #step: GpuArray;
  readonly #caches: readonly Cache[];
  readonly #states: GpuArray;
  readonly #attentionWeights: GpuArray[] = [];
  readonly #angles: ReadonlyMap<RopeSpec, GpuArray>;
  readonly #outputRows: number;
  #kind: RowKind = 'tokens';

  constructor(parts: {
    program: Program;
    phases: readonly Phase[];
    weights: readonly Weight[];
    placed: PlacedWeights;
    angles: ReadonlyMap<RopeSpec, GpuArray>;
    arrays: Arrays;
    tuning: Tuning;
  }) {
    const { program, phases, arrays, tuning } = parts;
    const { kv, maxTokens } = program;
    this.#program = program;
    this.#phases = phases;
    this.#weights = parts.weights;
    this.#placed = parts.placed;
    this.#angles = parts.angles;
    this.#arrays = arrays;
    this.#tuning = tuning;
    const whole = (rows: number) => tuning.tokens * Math.ceil(rows / tuning.tokens);
    this.#outputRows = Math.min(maxTokens, Math.max(OUTPUT_ROWS, kv.sequences));
    const rows = { tokens: whole(maxTokens), outputs: whole(this.#outputRows) };
    this.#values = new Values(phases, program, rows, arrays);
    this.#step = arrays.make('step', stepBytes(program));
    this.#caches = Array.from({ length: kv.layers }, (_, layer) => ({
      keys: arrays.make(`keys of layer ${layer}`, cacheBytes(kv)),
      values: arrays.make(`values of layer ${layer}`, cacheBytes(kv)),
    }));
    const heads = phases.map((phase) => (phase.kind === 'attention' ? phase.op.heads : 0));
    this.#states = arrays.make('states of attention', stateBytes(kv, Math.max(0, ...heads), maxTokens));
  }

  plan(): Plan {
    const before = this.#arrays.bytes;
    const calls = this.#phases.map((phase, i) => {
      if (phase.kind === 'select') this.#kind = 'outputs';
      const made = this.#phase(phase, i);
      this.#values.endOf(i);
      return made;
    });
    const select = this.#phases.findIndex(({ kind }) => kind === 'select');
    const cut = select < 0 ? calls.length : select;
    const all = (from: number, to: number, mode: Mode) => calls.slice(from, to).flatMap((of) => of(mode));
    const kv = this.#caches.reduce((sum, { keys, values }) => sum + keys.bytes + values.bytes, 0);
    return {
      step: this.#step,
      trunk: {
        single: all(0, cut, 'single'),
        batch: all(0, cut, 'batch'),
        many: all(0, cut, 'many'),
        long: all(0, cut, 'long'),
        traced: this.#program.attention ? all(0, cut, 'traced') : [],
      },
      tail: { single: all(cut, calls.length, 'single'), many: all(cut, calls.length, 'many') },
      outputRows: select < 0 ? this.#program.maxTokens : this.#outputRows,
      logits: this.#view(this.#program.logits),
      caches: this.#caches,
      attention: this.#attentionWeights,
      bytes: { kv, arena: this.#arrays.bytes - before },
    };
  }

  /** The calls of a phase, by mode. */
  #phase(phase: Phase, i: number): (mode: Mode) => KernelCall[] {
    const context = this.#context; // of now: after `select` rows are others
    const program = this.#program;
    switch (phase.kind) {
      case 'matmul':
        return this.#matmul(phase, i);
      case 'attention':
        return this.#attention(phase, i);
      case 'embed': {
        const stack = this.#placed.stack([phase.op.table], false);
        const out = this.#out(i, phase.op.out);
        return () => embedCalls(stack, out, context);
      }
      case 'select': {
        const x = this.#values.view(phase.op.x, program.buffers[phase.op.x]!, 'tokens');
        const out = this.#out(i, phase.op.out);
        return () => [selectCall(x, out, program.buffers[phase.op.out]!, context)];
      }
      case 'rms-norm': {
        const x = this.#view(phase.op.x);
        const weight = this.#placed.vector(phase.op.weight);
        const out = this.#out(i, phase.op.out);
        const cols = program.buffers[phase.op.x]!;
        return () => [normCall({ x, weight, out, cols, eps: phase.op.eps }, context)];
      }
      case 'softmax': {
        const x = this.#view(phase.op.x);
        const out = this.#out(i, phase.op.out);
        return () => [softmaxCall(x, out, program.buffers[phase.op.x]!, context)];
      }
      case 'rope': {
        const { heads, rope: spec } = phase.op;
        const x = this.#view(phase.op.x);
        const out = this.#out(i, phase.op.out);
        const cols = program.buffers[phase.op.x]!;
        const angles = this.#angles.get(spec)!;
        return () => [ropeCall({ x, out, heads, cols, spec, angles }, context)];
      }
      case 'silu': {
        const a = this.#view(phase.op.x);
        const out = this.#out(i, phase.op.out);
        return () => [elementwiseCall('silu', { a, out }, program.buffers[phase.op.x]!, context)];
      }
      case 'mul':
      case 'add': {
        const { kind, op } = phase;
        const [a, b] = [this.#view(op.a), this.#view(op.b)];
        const out = this.#out(i, op.out);
        return () => [elementwiseCall(kind, { a, b, out }, program.buffers[op.out]!, context)];
      }
    }
  }

  get #context(): Context {
    const { kv, maxTokens } = this.#program;
    return {
      program: this.#program,
      tuning: this.#tuning,
      step: this.#step,
      stepConstants: stepConstants({ kv, maxTokens }),
      kind: this.#kind,
    };
  }

  #view(buffer: BufferId): View {
    return this.#values.view(buffer, this.#program.buffers[buffer]!, this.#kind);
  }

  #out(i: number, buffer: BufferId): View {
    const stride = padded(this.#program.buffers[buffer]!);
    return this.#values.write(i, [{ buffer, first: 0 }], stride, this.#kind)[0]!;
  }

  // ----- products

  #matmul(phase: MatmulPhase, i: number): (mode: Mode) => KernelCall[] {
    const kind = this.#kind;
    const stacks = stacksOf(phase, this.#weights);
    const placed = stacks.map(({ products, inTurn }) =>
      this.#placed.stack(
        products.map(({ weight }) => weight),
        inTurn,
      ),
    );
    const coded = placed.some(({ layout }) => layout.form.kernel !== 'float');
    const floats = placed.some(({ layout }) => layout.form.kernel === 'float');
    const { inputs, prepare, temporary } = this.#inputs(phase, { coded, floats });
    const residual = phase.residual === undefined ? undefined : this.#view(phase.residual);
    const outs = this.#matmulOuts(phase, stacks, placed, i);
    this.#values.free(...temporary, ...outs.temporary);
    const products = placed.map((stack, n): Product => {
      const { form } = stack.layout;
      const biased = stacks[n]!.products.some(({ bias }) => bias !== undefined);
      return {
        stack,
        x: form.kernel === 'float' ? inputs.view! : inputs.rounded!,
        out: outs.places[n]!,
        bias: biased ? this.#placed.biases(stacks[n]!.products) : undefined,
        residual,
        gated: stacks[n]!.inTurn,
        rows: kind,
        paddedRows: this.#values.rowsOf(kind),
      };
    });
    const context = this.#context;
    return (mode) => [
      ...prepare,
      ...products.flatMap((product) => this.#productCalls(product, outs.between, mode, context)),
      ...(outs.gate ? [elementwiseCall('gate', outs.gate, outs.gate.cols, context)] : []),
    ];
  }

  /** Tiles do not round what they give: it goes through rows between. */
  #productCalls(product: Product, between: View | undefined, mode: Mode, context: Context): KernelCall[] {
    const { out, stack } = product;
    if (!between || !('codes' in out) || !tiled(mode, stack, this.#tuning)) {
      return productCalls(product, mode, this.#tuning);
    }
    const cols = stack.layout.rows / 2;
    return [
      ...productCalls({ ...product, out: between }, mode, this.#tuning),
      prepareCall({ x: between, out, cols }, context),
    ];
  }

  /** What products read: float32 rows, rounded ones, or both; and the calls that make them. */
  #inputs(phase: MatmulPhase, { coded, floats }: { coded: boolean; floats: boolean }) {
    const { x, norm } = phase;
    const cols = this.#program.buffers[x]!;
    const prepare: KernelCall[] = [];
    const temporary: GpuArray[] = [];
    let rounded = norm ? undefined : this.#values.rounded(x);
    let view: View | undefined;
    if (coded && !rounded) {
      rounded = this.#values.temporary(cols, this.#kind);
      temporary.push(rounded.codes, rounded.scales);
      const weight = norm && this.#placed.vector(norm.weight);
      prepare.push(
        prepareCall({ x: this.#view(x), weight, eps: norm?.eps, out: rounded, cols }, this.#context),
      );
    }
    if (floats) {
      view = norm ? this.#values.temporaryView(cols, this.#kind) : this.#view(x);
      if (norm) {
        temporary.push(view.array);
        const weight = this.#placed.vector(norm.weight);
        prepare.push(normCall({ x: this.#view(x), weight, out: view, cols, eps: norm.eps }, this.#context));
      }
    }
    return { inputs: { rounded, view }, prepare, temporary };
  }

  /** Where products go; a gate whose matrices lie apart takes its two sides from temporary rows. */
  #matmulOuts(phase: MatmulPhase, stacks: readonly StackOf[], placed: readonly Stack[], i: number) {
    const { products, gated } = phase;
    if (!gated) {
      const places = stacks.map(({ products }, n) => {
        const { firstRows, rows } = placed[n]!.layout;
        const outs = products.map(({ out }, m) => ({ buffer: out, first: firstRows[m]! }));
        const [view] = this.#values.write(i, outs, rows, this.#kind);
        return { ...view!, offset: 0 };
      });
      return { places, temporary: [] };
    }
    const { out } = products[0]!;
    const cols = this.#program.buffers[out]!;
    if (stacks.length === 1) {
      if (this.#onlyRounded(i, out)) {
        const places = [this.#values.writeRounded(i, out, cols, this.#kind)];
        if (!this.#tuning.tiles) return { places, temporary: [] };
        const between = this.#values.temporaryView(cols, this.#kind);
        return { places, temporary: [between.array], between };
      }
      const { rows } = placed[0]!.layout;
      return {
        places: this.#values.write(i, [{ buffer: out, first: 0 }], rows / 2, this.#kind),
        temporary: [],
      };
    }
    const sides = placed.map(({ layout }) => this.#values.temporaryView(layout.rows, this.#kind));
    const [result] = this.#values.write(i, [{ buffer: out, first: 0 }], padded(cols), this.#kind);
    return {
      places: sides,
      temporary: sides.map(({ array }) => array),
      gate: { a: sides[0]!, b: sides[1]!, out: result!, cols },
    };
  }

  /** Whether everything that reads what phase i writes takes it rounded to 8 bits, in whole blocks. */
  #onlyRounded(i: number, buffer: BufferId): boolean {
    if (buffer === this.#program.logits || this.#program.buffers[buffer]! % 32 !== 0) return false;
    const readers = this.#values.readersOf(i, buffer);
    return (
      readers.length > 0 &&
      readers.every(
        (phase) =>
          phase.kind === 'matmul' &&
          phase.norm === undefined &&
          phase.residual !== buffer &&
          phase.products.every(({ weight }) => this.#isCoded(weight)),
      )
    );
  }

  #isCoded(weight: WeightId): boolean {
    return formOf(this.#weights[weight]!.desc.type, this.#tuning.packedDot).kernel !== 'float';
  }

  // ----- attention

  #attention({ op, rope }: Extract<Phase, { kind: 'attention' }>, i: number): (mode: Mode) => KernelCall[] {
    const { kv, buffers } = this.#program;
    const [q, k, v] = [this.#view(op.q), this.#view(op.k), this.#view(op.v)];
    const rounded = kv.headDim % 32 === 0 && this.#onlyRounded(i, op.out);
    const out: View | Rounded = rounded
      ? this.#values.writeRounded(i, op.out, buffers[op.out]!, this.#kind)
      : this.#out(i, op.out);
    const attention = {
      op,
      kv,
      cache: this.#caches[op.layer]!,
      q,
      k,
      v,
      rope: rope && { spec: rope, angles: this.#angles.get(rope)! },
      states: this.#states,
      weights: this.#program.attention ? this.#weightsOf(op) : undefined,
      out,
      step: this.#step,
    };
    const { stepConstants } = this.#context;
    return (mode) =>
      attentionCalls(attention, mode, this.#tuning).map((call) => ({
        ...call,
        constants: { ...call.constants, ...stepConstants },
      }));
  }

  #weightsOf({ layer, heads }: AttentionOp): GpuArray {
    const bytes = 4 * heads * this.#program.kv.contextLength;
    const weights = this.#arrays.make(`attention weights of layer ${layer}`, bytes);
    this.#attentionWeights.push(weights);
    return weights;
  }
}

/** The ropes whose angles a program needs. */
export function ropesOf(phases: readonly Phase[]): Set<RopeSpec> {
  return new Set(phases.flatMap((phase) => usesOf(phase).rope ?? []));
}
