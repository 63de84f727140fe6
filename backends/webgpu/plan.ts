/**
 * Plans the kernel calls of a program: the array of each value, the products that are computed together, and the calls
 * of a step of each mode. All decisions are made here, once; a step only counts rows.
 */
import type { Program, RopeSpec, ScanOp, ValueId, WeightId } from '../backend.ts';
import {
  type AttentionPhase,
  type ExpertPhase,
  type MatmulPhase,
  type OpPhase,
  type Phase,
  type Product as ProductOp,
  usesOf,
} from '../fuse.ts';
import { keptValues, operands, type Shape, scanSizes } from '../ops.ts';
import type { Arrays, GpuArray } from './arrays.ts';
import { attentionCalls, stateBytes } from './attention-calls.ts';
import { expertCalls, mixCall, routeCall } from './expert-calls.ts';
import { formOf } from './form.ts';
import type { KernelCall, Mode } from './kernel-call.ts';
import { type Product, productCalls, type Stack, tiled } from './matmul-calls.ts';
import {
  type Context,
  concatCall,
  convCall,
  embedCalls,
  gateCall,
  layerNormCall,
  mapCall,
  normCall,
  prepareCall,
  ropeCall,
  scanCall,
  selectCall,
  softmaxCall,
  zipCall,
} from './row-calls.ts';
import { type StackOf, stacksOf } from './stacks.ts';
import { States } from './states.ts';
import { stepBytes, stepConstants } from './step-layout.ts';
import type { Tuning } from './tuning.ts';
import { padded, type RowKind, Values, type View } from './values.ts';
import type { Weight } from './weights.ts';

/** The weights on the device, looked up by id. */
export interface PlacedWeights {
  stack(weights: readonly WeightId[], inTurn: boolean): Stack;
  vector(weight: WeightId): GpuArray;
  /** Biases of the matrices of a stack; zeros for a matrix without one. */
  biases(products: readonly ProductOp[]): GpuArray;
  /** The decays of a scan's heads, then, from a whole ROW_UNIT on, their skips. */
  rates(op: ScanOp): GpuArray;
}

export interface Plan {
  readonly step: GpuArray;
  readonly trunk: Readonly<Record<Mode, readonly KernelCall[]>>; // before `select`
  readonly tail: Readonly<Record<'single' | 'many', readonly KernelCall[]>>; // from `select` on, for a batch of rows
  readonly outputRows: number; // most of a batch
  readonly logits: View;
  readonly vocabulary: number; // columns of the logits
  readonly taps: readonly { readonly view: View; readonly cols: number }[];
  readonly states: States;
  readonly attention: readonly GpuArray[]; // weights of each attention op, if the program is compiled for them
  readonly bytes: { readonly kv: number; readonly arena: number };
}

/** Rows of logits of a batch: with a large vocabulary, those of a whole long prompt would not fit. */
const OUTPUT_ROWS = 32;

export class Planner {
  readonly #program: Program;
  readonly #phases: readonly Phase[];
  readonly #weights: readonly Weight[];
  readonly #placed: PlacedWeights;
  readonly #arrays: Arrays;
  readonly #tuning: Tuning;
  readonly #shapes: readonly Shape[];
  readonly #values: Values;
  readonly #step: GpuArray;
  readonly #states: States;
  readonly #attentionStates: GpuArray;
  readonly #attentionWeights: GpuArray[] = [];
  readonly #angles: ReadonlyMap<RopeSpec, GpuArray>;
  readonly #outputRows: number;

  constructor(parts: {
    program: Program;
    phases: readonly Phase[];
    shapes: readonly Shape[];
    weights: readonly Weight[];
    placed: PlacedWeights;
    angles: ReadonlyMap<RopeSpec, GpuArray>;
    arrays: Arrays;
    tuning: Tuning;
  }) {
    const { program, phases, shapes, arrays, tuning } = parts;
    const { maxTokens, sequences } = program.limits;
    this.#shapes = shapes;
    this.#program = program;
    this.#phases = phases;
    this.#weights = parts.weights;
    this.#placed = parts.placed;
    this.#angles = parts.angles;
    this.#arrays = arrays;
    this.#tuning = tuning;
    const whole = (rows: number) => tuning.tokens * Math.ceil(rows / tuning.tokens);
    this.#outputRows = Math.min(maxTokens, Math.max(OUTPUT_ROWS, sequences));
    const rows = { tokens: whole(maxTokens), outputs: whole(this.#outputRows) };
    this.#values = new Values({ phases, shapes, kept: keptValues(program) }, rows, arrays);
    this.#step = arrays.make('step', stepBytes(program.limits));
    this.#states = new States(parts);
    const bytes = phases.map((phase) => (phase.kind === 'attention' ? stateBytes(phase.op, program) : 0));
    this.#attentionStates = arrays.make('attention states', Math.max(0, ...bytes));
  }

  plan(): Plan {
    const before = this.#arrays.bytes;
    const calls = this.#phases.map((phase, i) => {
      const made = this.#phase(phase);
      this.#values.endOf(i);
      return made;
    });
    const select = this.#phases.findIndex((phase) => this.#kindOf(phase) === 'outputs');
    const cut = select < 0 ? calls.length : select;
    const all = (from: number, to: number, mode: Mode) => calls.slice(from, to).flatMap((of) => of(mode));
    return {
      step: this.#step,
      trunk: {
        single: all(0, cut, 'single'),
        batch: all(0, cut, 'batch'),
        many: all(0, cut, 'many'),
        long: all(0, cut, 'long'),
        traced: this.#program.limits.attention ? all(0, cut, 'traced') : [],
      },
      tail: { single: all(cut, calls.length, 'single'), many: all(cut, calls.length, 'many') },
      outputRows: select < 0 ? this.#program.limits.maxTokens : this.#outputRows,
      logits: this.#values.view(this.#program.output),
      vocabulary: this.#shapes[this.#program.output]!.cols,
      taps: (this.#program.limits.taps ?? []).map((value) => {
        return { view: this.#values.view(value), cols: this.#shapes[value]!.cols };
      }),
      states: this.#states,
      attention: this.#attentionWeights,
      bytes: { kv: this.#states.bytes, arena: this.#arrays.bytes - before },
    };
  }

  #kindOf(phase: Phase): RowKind {
    return this.#shapes[usesOf(phase).writes[0]!]!.rows;
  }

  /** The calls of a phase, by mode. */
  #phase(phase: Phase): (mode: Mode) => KernelCall[] {
    if (phase.kind === 'matmul') return this.#matmul(phase);
    if (phase.kind === 'attention') return this.#attention(phase);
    const calls = phase.kind === 'expert-matmul' ? this.#experts(phase) : this.#op(phase);
    return () => calls;
  }

  #op(phase: OpPhase): KernelCall[] {
    const context = this.#context(this.#kindOf(phase));
    const { cols } = this.#shapes[phase.out]!;
    const view = (value: ValueId) => this.#values.view(value);
    const out = this.#out(phase.out);
    switch (phase.kind) {
      case 'embed': {
        const stack = this.#placed.stack([phase.op.table], false);
        return embedCalls(stack, phase.op.by ?? 'token', out, context);
      }
      case 'select':
        return [selectCall(view(phase.op.x), out, cols, context)];
      case 'norm': {
        const { x, weight, eps, heads = 1 } = phase.op;
        const vector = this.#placed.vector(weight);
        const own = this.#weights[weight]!.desc.cols * heads > cols;
        return [normCall({ x: view(x), weight: vector, out, cols, eps, heads, own }, context)];
      }
      case 'layer-norm': {
        const { x, weight, bias, eps } = phase.op;
        const shift = bias === undefined ? undefined : this.#placed.vector(bias);
        const scale = this.#placed.vector(weight);
        return [layerNormCall({ x: view(x), weight: scale, bias: shift, out, cols, eps }, context)];
      }
      case 'softmax':
        return [softmaxCall(view(phase.op.x), out, cols, context)];
      case 'rope': {
        const { x, heads, rope: spec } = phase.op;
        return [ropeCall({ x: view(x), out, heads, cols, spec, angles: this.#angles.get(spec)! }, context)];
      }
      case 'conv': {
        const { x, weight, bias, state } = phase.op;
        const taps = this.#weights[weight]!.desc.cols;
        const [vector, past] = [this.#placed.vector(weight), this.#states.past(state)];
        const shift = bias === undefined ? undefined : this.#placed.vector(bias);
        return [convCall({ x: view(x), weight: vector, bias: shift, past, out, cols, taps }, context)];
      }
      case 'route': {
        const { x, bias, scales, routing } = phase.op;
        const [shift, scale] = [bias, scales].map((id) =>
          id === undefined ? undefined : this.#placed.vector(id),
        );
        const experts = this.#shapes[x]!.cols;
        return [routeCall({ x: view(x), out, experts, routing, bias: shift, scales: scale }, context)];
      }
      case 'mix': {
        const { x, picks } = phase.op;
        const count = this.#shapes[picks]!.cols / 2;
        return [mixCall({ x: view(x), picks: view(picks), count, out, cols }, context)];
      }
      case 'scan':
        return [this.#scan(phase.op, out, context)];
      case 'map': {
        const { x, fn, scalars = [] } = phase.op;
        const vectors = scalars.map((id) => this.#placed.vector(id));
        return [mapCall({ fn, x: view(x), scalars: vectors, out }, cols, context)];
      }
      case 'concat': {
        const { a, b, heads } = phase.op;
        const sides = [this.#shapes[a]!.cols, this.#shapes[b]!.cols] as const;
        return [concatCall({ a: view(a), b: view(b), out, heads, cols: sides }, context)];
      }
      case 'zip': {
        const { a, b, fn } = phase.op;
        return [zipCall({ fn, a: view(a), b: view(b), out }, cols, context)];
      }
    }
  }

  #scan(op: ScanOp, out: View, context: Context): KernelCall {
    const [q, k, v, dt, beta] = operands(op).map((value) => this.#values.view(value));
    const facts = {
      shape: (value: ValueId) => this.#shapes[value]!,
      desc: (id: WeightId) => this.#weights[id]!.desc,
    };
    const [rates, past] = [this.#placed.rates(op), this.#states.past(op.state)];
    const views = { q: q!, k: k!, v: v!, dt: dt!, beta: beta!, out };
    return scanCall({ op, rates, past, sizes: scanSizes(op, facts), ...views }, context);
  }

  #context(kind: RowKind): Context {
    return {
      tuning: this.#tuning,
      step: this.#step,
      stepConstants: stepConstants(this.#program.limits),
      kind,
    };
  }

  #out(value: ValueId): View {
    return this.#values.write([{ value, first: 0 }], padded(this.#shapes[value]!.cols))[0]!;
  }

  // ----- products

  /** Products of a gate go through temporary rows. */
  #experts(phase: ExpertPhase): KernelCall[] {
    const { x, picks, products, gate } = phase;
    const { out: value } = products[0]!;
    const { cols, rows: kind } = this.#shapes[value]!;
    const context = this.#context(kind);
    const out = this.#out(value);
    const sides = gate ? products.map(() => this.#values.temporaryView(cols, kind)) : [out];
    this.#values.free(...(gate ? sides.map(({ array }) => array) : []));
    const calls = products.flatMap(({ weight, bias }, i) => {
      const { rows, cols: inputs, experts = 1 } = this.#weights[weight]!.desc;
      const parts = {
        ...{ stack: this.#placed.stack([weight], false), rows: rows / experts },
        ...{ x: this.#values.view(x), apart: this.#shapes[x]!.cols > inputs },
        picks: picks === undefined ? undefined : this.#values.view(picks),
        count: cols / (rows / experts),
        ...{ bias: bias === undefined ? undefined : this.#placed.vector(bias), out: sides[i]! },
      };
      return expertCalls(parts, context);
    });
    return gate ? [...calls, gateCall({ fn: gate, a: sides[0]!, b: sides[1]!, out }, cols, context)] : calls;
  }

  #matmul(phase: MatmulPhase): (mode: Mode) => KernelCall[] {
    const kind = this.#kindOf(phase);
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
    const residual = phase.residual === undefined ? undefined : this.#values.view(phase.residual);
    const outs = this.#matmulOuts(phase, stacks, placed);
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
        gate: stacks[n]!.inTurn ? phase.gate : undefined,
        rows: kind,
        paddedRows: this.#values.rowsOf(kind),
      };
    });
    const context = this.#context(kind);
    return (mode) => [
      ...prepare,
      ...products.flatMap((product) => this.#productCalls(product, outs.between, mode, context)),
      ...(outs.gate ? [gateCall(outs.gate, outs.gate.cols, context)] : []),
    ];
  }

  /** Tiles do not round: their results go through temporary float32 rows. */
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

  /** Inputs of products, as float32 rows, as rounded rows or as both, and the calls that compute them. */
  #inputs(phase: MatmulPhase, { coded, floats }: { coded: boolean; floats: boolean }) {
    const { x, norm } = phase;
    const { cols, rows: kind } = this.#shapes[x]!;
    const context = this.#context(kind);
    const prepare: KernelCall[] = [];
    const temporary: GpuArray[] = [];
    let rounded = norm ? undefined : this.#values.rounded(x);
    let view: View | undefined;
    const weight = norm && this.#placed.vector(norm.weight);
    if (coded && !rounded) {
      rounded = this.#values.temporary(cols, kind);
      temporary.push(rounded.codes, rounded.scales);
      const call = { x: this.#values.view(x), weight, eps: norm?.eps, out: rounded, cols };
      prepare.push(prepareCall(call, context));
    }
    if (floats) {
      view = norm ? this.#values.temporaryView(cols, kind) : this.#values.view(x);
      if (norm) {
        temporary.push(view.array);
        const call = { x: this.#values.view(x), weight: weight!, out: view, cols, eps: norm.eps };
        prepare.push(normCall(call, context));
      }
    }
    return { inputs: { rounded, view }, prepare, temporary };
  }

  /** Outputs of products. A gate whose matrices are in two stacks reads its two sides from temporary rows. */
  #matmulOuts(phase: MatmulPhase, stacks: readonly StackOf[], placed: readonly Stack[]) {
    const { products, gate } = phase;
    if (!gate) {
      const places = stacks.map(({ products }, n) => {
        const { firstRows, rows } = placed[n]!.layout;
        const outs = products.map(({ out }, m) => ({ value: out, first: firstRows[m]! }));
        const [view] = this.#values.write(outs, rows);
        return { ...view!, offset: 0 };
      });
      return { places, temporary: [] };
    }
    const { out } = products[0]!;
    const { cols, rows: kind } = this.#shapes[out]!;
    if (stacks.length === 1) {
      if (this.#onlyRounded(out)) {
        const places = [this.#values.writeRounded(out)];
        if (!this.#tuning.tiles) return { places, temporary: [] };
        const between = this.#values.temporaryView(cols, kind);
        return { places, temporary: [between.array], between };
      }
      const { rows } = placed[0]!.layout;
      return { places: this.#values.write([{ value: out, first: 0 }], rows / 2), temporary: [] };
    }
    const sides = placed.map(({ layout }) => this.#values.temporaryView(layout.rows, kind));
    const result = this.#out(out);
    return {
      places: sides,
      temporary: sides.map(({ array }) => array),
      gate: { fn: gate, a: sides[0]!, b: sides[1]!, out: result, cols },
    };
  }

  /** Whether all readers of a value read it rounded to 8 bits, in whole blocks. */
  #onlyRounded(value: ValueId): boolean {
    if (keptValues(this.#program).includes(value) || this.#shapes[value]!.cols % 32 !== 0) return false;
    const readers = this.#values.readersOf(value);
    return (
      readers.length > 0 &&
      readers.every(
        (phase) =>
          phase.kind === 'matmul' &&
          phase.norm === undefined &&
          phase.residual !== value &&
          phase.products.every(({ weight }) => this.#isCoded(weight)),
      )
    );
  }

  #isCoded(weight: WeightId): boolean {
    return formOf(this.#weights[weight]!.desc.type, this.#tuning.packedDot).kernel !== 'float';
  }

  // ----- attention

  #attention({ op, rope, out: value }: AttentionPhase): (mode: Mode) => KernelCall[] {
    const { limits } = this.#program;
    const cache = this.#states.cache(op.state);
    const rounded = cache.shape.valueDim % 32 === 0 && this.#onlyRounded(value);
    const attention = {
      op,
      limits,
      cache,
      q: this.#values.view(op.q),
      k: op.k === undefined ? undefined : this.#values.view(op.k),
      v: op.v === undefined ? undefined : this.#values.view(op.v),
      sinks: op.sinks === undefined ? undefined : this.#placed.vector(op.sinks),
      rope: rope && { spec: rope, angles: this.#angles.get(rope)! },
      states: this.#attentionStates,
      weights: limits.attention ? this.#weightsOf(op.heads, value) : undefined,
      out: rounded ? this.#values.writeRounded(value) : this.#out(value),
      step: this.#step,
    };
    const constants = stepConstants(limits);
    return (mode) =>
      attentionCalls(attention, mode, this.#tuning).map((call) => ({
        ...call,
        constants: { ...call.constants, ...constants },
      }));
  }

  #weightsOf(heads: number, value: ValueId): GpuArray {
    const bytes = 4 * heads * this.#program.limits.contextLength;
    const weights = this.#arrays.make(`attention weights of value ${value}`, bytes);
    this.#attentionWeights.push(weights);
    return weights;
  }
}

/** The ropes whose angles a program needs. */
export function ropesOf(phases: readonly Phase[]): Set<RopeSpec> {
  return new Set(phases.flatMap((phase) => usesOf(phase).rope ?? []));
}
