/**
 * The definition of correct: every op in float64, one row at a time, directly from its formula.
 *
 * A value is a list of rows, and a row never changes. So states hold the rows themselves, exactly, and a copy of a
 * sequence copies references. The requested type of the cache is ignored.
 */
import { setImmediate } from 'node:timers/promises';
import type { TensorType } from '../kernels/quant-formats.ts';
import { attention, attentionWeights } from '../kernels/reference/attention.ts';
import { concat } from '../kernels/reference/concat.ts';
import { conv } from '../kernels/reference/conv.ts';
import { DEQUANTIZED_TYPES, dequantize } from '../kernels/reference/dequantize.ts';
import { embed } from '../kernels/reference/embed.ts';
import { expertMatmul, mix } from '../kernels/reference/experts.ts';
import { layerNorm } from '../kernels/reference/layer-norm.ts';
import { map } from '../kernels/reference/map.ts';
import { matmul } from '../kernels/reference/matmul.ts';
import { rmsNorm } from '../kernels/reference/rms-norm.ts';
import { rope } from '../kernels/reference/rope.ts';
import { route } from '../kernels/reference/route.ts';
import { scan } from '../kernels/reference/scan.ts';
import { select } from '../kernels/reference/select.ts';
import { softmax } from '../kernels/reference/softmax.ts';
import { zip } from '../kernels/reference/zip.ts';
import type {
  AttentionOp,
  AttentionShape,
  Backend,
  Executable,
  MemoryUse,
  Op,
  Program,
  Result,
  ScanOp,
  Slice,
  StateId,
  Step,
  ValueId,
  WeightDesc,
  WeightId,
  WeightSource,
} from './backend.ts';
import { Lifecycle } from './lifecycle.ts';
import { keptValues, operands, shapesOf, weightsOf } from './ops.ts';
import { checkSupport, givenWeight, readWeight, vocabularyOf, WeightTable } from './program-weights.ts';
import { resultsFromLogits } from './results.ts';
import { packState, StateReader, stateLayout, unpackState } from './saved-state.ts';
import { attentionShape, Sequences, type StepRows } from './step.ts';

type Row = Float64Array;
/** One state of one sequence. */
interface Held {
  keys: Row[]; // positions x [kvHeads * headDim]
  values: Row[];
  past: Row[]; // of a recurrent state: the rows of a conv before the next one, or the matrices of a scan
}

/** Longest time to compute before the event loop gets a turn. */
const TURN_MS = 20;

export class ReferenceBackend implements Backend {
  readonly name = 'reference';
  readonly threads = 1;
  readonly description = 'plain TypeScript in float64, one thread, slow: the definition of correct';
  #weights = new WeightTable<Weight>(() => {});
  #readBytes = 0;

  supports(_op: Op, types: readonly TensorType[]): true | string {
    const other = types.find((type) => !DEQUANTIZED_TYPES.includes(type));
    if (!other) return true;
    return `${other} is not supported yet; the reference backend computes ${DEQUANTIZED_TYPES.join(', ')}`;
  }

  weight(desc: WeightDesc, source: WeightSource): WeightId {
    return this.#weights.add(new Weight(desc, source));
  }

  forget(weight: WeightId): void {
    this.#weights.forget(weight);
  }

  readBytes(): number {
    return this.#readBytes;
  }

  async compile(program: Program): Promise<Executable> {
    checkSupport(program, (id) => this.#weights.get(id).desc, this);
    return this.#weights.compiling(program, async (release) => {
      const weights = new Map<WeightId, Weight>();
      for (const id of new Set(program.ops.flatMap(weightsOf))) {
        const weight = this.#weights.all[id]!;
        this.#readBytes += await weight.load();
        weights.set(id, weight);
      }
      return new ReferenceExecutable(program, weights, release);
    });
  }

  async dispose(): Promise<void> {
    this.#weights = new WeightTable(() => {});
  }
}

class Weight {
  readonly desc: WeightDesc;
  readonly #source: WeightSource;
  values: Float32Array = new Float32Array(0); // [rows, cols] once loaded; float32 holds every type exactly

  constructor(desc: WeightDesc, source: WeightSource) {
    this.desc = desc;
    this.#source = givenWeight(desc, source).source;
  }

  /** Reads the values unless they are loaded. Returns the bytes read. */
  async load(): Promise<number> {
    if (this.values.length > 0) return 0;
    const bytes = await readWeight(this.desc, this.#source);
    this.values = dequantize(this.desc.type, bytes);
    return bytes.length;
  }
}

class ReferenceExecutable implements Executable {
  readonly memory: MemoryUse;
  readonly attends?: AttentionShape;
  readonly #program: Program;
  readonly #weights: Map<WeightId, Weight>; // of the program
  readonly #release: () => void;
  readonly #values: Row[][] = []; // [value]
  readonly #last: readonly number[]; // [value]: the last op that reads it
  readonly #held: Held[][]; // [state][sequence]
  readonly #sequences: Sequences;
  readonly #layout: string;
  readonly #lifecycle = new Lifecycle();
  #turnEnd = 0; // performance.now() at which the event loop is due

  constructor(program: Program, weights: Map<WeightId, Weight>, release: () => void) {
    const { sequences, contextLength, maxTokens } = program.limits;
    const desc = (id: WeightId) => weights.get(id)!.desc;
    this.attends = attentionShape(program);
    this.#program = program;
    this.#weights = weights;
    this.#release = release;
    this.#sequences = new Sequences(program, vocabularyOf(program, desc));
    this.#held = program.states.map(() =>
      Array.from({ length: sequences }, () => ({ keys: [], values: [], past: [] })),
    );
    this.#last = lastReaders(program);
    this.#layout = stateLayout('reference', program);
    this.memory = {
      weights: weights.values().reduce((bytes, { values }) => bytes + values.byteLength, 0),
      kv: program.states.reduce((bytes, state) => {
        if (state.kind === 'recurrent') return bytes + 8 * sequences * state.floats;
        return bytes + 8 * sequences * contextLength * state.kvHeads * (state.keyDim + state.valueDim);
      }, 0),
      arena: 8 * maxTokens * shapesOf(program, desc).reduce((sum, { cols }) => sum + cols, 0),
    };
  }

  submit(step: Step): Promise<readonly Result[]> {
    return this.#lifecycle.run(() => this.#run(step, this.#sequences.take(step)));
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#sequences.copy(from, to, upto);
    for (const state of this.#held) {
      const { keys, values, past } = state[from]!;
      state[to] = { keys: keys.slice(0, upto), values: values.slice(0, upto), past };
    }
  }

  /** Rows stay in the lists until the next step overwrites them. */
  kvTrim(seq: number, upto: number): number {
    return this.#sequences.trim(seq, upto);
  }

  keeps(seq: number, upto: number): number {
    return this.#sequences.keeps(seq, upto);
  }

  async save(seq: number, upto: number): Promise<Uint8Array> {
    this.#sequences.checkHeld(seq, upto);
    const rows = this.#held.flatMap((state) => {
      const { keys, values, past } = state[seq]!;
      return [...keys.slice(0, upto), ...values.slice(0, upto), ...(upto > 0 ? past : [])];
    });
    return packState(
      this.#layout,
      { positions: upto },
      rows.map((row) => new Uint8Array(row.buffer.slice(0))),
    );
  }

  async restore(seq: number, saved: Uint8Array): Promise<number> {
    this.kvTrim(seq, 0);
    const { positions, bytes } = unpackState(this.#layout, saved);
    this.#sequences.restore(seq, positions);
    const reader = new StateReader(bytes);
    const rows = (count: number, cols: number) =>
      Array.from({ length: count }, () => new Float64Array(reader.next(8 * cols).slice().buffer));
    for (const [id, state] of this.#program.states.entries()) {
      const held = this.#held[id]![seq]!;
      if (state.kind === 'kv') {
        held.keys = rows(positions, state.kvHeads * state.keyDim);
        held.values = rows(positions, state.kvHeads * state.valueDim);
      } else if (positions > 0) {
        const count = this.#pastRows(id);
        held.past = rows(count, state.floats / count);
      }
    }
    return positions;
  }

  /** Rows that a recurrent state holds. */
  #pastRows(state: StateId): number {
    const owner = this.#program.ops.find((op) => 'state' in op && op.state === state);
    return owner?.op === 'conv' ? this.#weights.get(owner.weight)!.desc.cols - 1 : 1;
  }

  dispose(): void {
    this.#lifecycle.dispose();
    this.#release();
  }

  async #run({ slices }: Step, rows: StepRows): Promise<Result[]> {
    const attended: Row[] = []; // attention weights, if the step wants them
    const traced = slices[0]?.want?.kind === 'attention' ? attended : undefined;
    for (const [i, op] of this.#program.ops.entries()) {
      const out: Row[] = [];
      for (const row of this.#evaluate(op, rows, traced)) {
        out.push(row);
        await this.#giveTurn();
      }
      this.#values[i] = out;
      for (const value of operands(op)) if (this.#last[value] === i) this.#values[value] = [];
    }
    const results = resultsFromLogits(slices, flatten(this.#values[this.#program.output]!));
    let row = 0;
    for (const [i, slice] of slices.entries()) {
      if (slice.want?.kind === 'attention') results[i] = { kind: 'attention', weights: flatten(attended) };
      if (slice.want?.kind === 'values') results[i] = { kind: 'values', values: this.#tapped(slice, row) };
      row += slice.tokens.length;
    }
    return results;
  }

  /** The taps of a slice that begins at `row`. */
  #tapped({ tokens }: Slice, row: number): Float32Array[] {
    const { taps = [] } = this.#program.limits;
    return taps.map((value) => flatten(this.#values[value]!.slice(row, row + tokens.length)));
  }

  /** The output rows of `op`, computed lazily. */
  #evaluate(op: Op, step: StepRows, attended: Row[] | undefined): Iterable<Row> {
    const rows = (value: ValueId) => this.#values[value]!;
    const weight = (id: WeightId) => this.#weights.get(id)!.values;
    const each = (value: ValueId, row: (x: Row, t: number) => Row) => rows(value).values().map(row);
    switch (op.op) {
      case 'embed': {
        const { desc, values } = this.#weights.get(op.table)!;
        const ids = op.by === 'position' ? step.positions : step.tokens;
        return ids.values().map((id) => embed(values, desc.cols, id));
      }
      case 'norm':
        return each(op.x, (x) => rmsNorm(x, weight(op.weight), op.eps, op.heads));
      case 'layer-norm': {
        const bias = op.bias === undefined ? undefined : weight(op.bias);
        return each(op.x, (x) => layerNorm(x, weight(op.weight), bias, op.eps));
      }
      case 'matmul': {
        const bias = op.bias === undefined ? undefined : weight(op.bias);
        return each(op.x, (x) => matmul(x, weight(op.weight), bias));
      }
      case 'route': {
        const [bias, scales] = [op.bias, op.scales].map((id) => (id === undefined ? undefined : weight(id)));
        return each(op.x, (x) => route(x, bias, scales, op.routing));
      }
      case 'expert-matmul': {
        const bias = op.bias === undefined ? undefined : weight(op.bias);
        const { desc, values } = this.#weights.get(op.weight)!;
        const sizes = { experts: desc.experts ?? 1, K: desc.cols };
        const picks = op.picks === undefined ? [] : rows(op.picks);
        return each(op.x, (x, t) => expertMatmul(x, values, bias, picks[t], sizes));
      }
      case 'mix':
        return each(op.x, (x, t) => mix(x, rows(op.picks)[t]!));
      case 'rope':
        return each(op.x, (x, t) => rope(x, op.heads, step.positions[t]!, op.rope));
      case 'attention':
        return this.#attend(op, step, attended);
      case 'conv': {
        const { cols: K } = this.#weights.get(op.weight)!.desc;
        const bias = op.bias === undefined ? undefined : weight(op.bias);
        return each(op.x, (x, t) => {
          const held = this.#held[op.state]![step.sequences[t]!]!;
          if (step.positions[t] === 0)
            held.past = Array.from({ length: K - 1 }, () => new Float64Array(x.length));
          const seen = [...held.past, x];
          held.past = seen.slice(1);
          return conv(seen, weight(op.weight), bias);
        });
      }
      case 'scan':
        return this.#scan(op, step);
      case 'softmax':
        return each(op.x, softmax);
      case 'map': {
        const scalars = op.scalars?.map((id) => weight(id)[0]!);
        return each(op.x, (x) => map(op.fn, x, scalars));
      }
      case 'zip':
        return each(op.a, (a, t) => zip(op.fn, a, rows(op.b)[t]!));
      case 'concat':
        return each(op.a, (a, t) => concat(a, rows(op.b)[t]!, op.heads));
      case 'select':
        return select(rows(op.x), step.outputs);
    }
  }

  *#attend(op: AttentionOp, step: StepRows, attended: Row[] | undefined): Generator<Row> {
    const { q, k, v, state, causal = true } = op;
    const held = (t: number) => this.#held[state]![step.sequences[t]!]!;
    if (k !== undefined && v !== undefined) {
      for (const [t, key] of this.#values[k]!.entries()) {
        held(t).keys.splice(step.positions[t]!, Infinity, key);
        held(t).values.splice(step.positions[t]!, Infinity, this.#values[v]![t]!);
      }
    }
    const sinks = op.sinks === undefined ? undefined : this.#weights.get(op.sinks)!.values;
    for (const [t, query] of this.#values[q]!.entries()) {
      const position = step.positions[t]!;
      const form = { ...op, sinks, position: causal ? undefined : position };
      const seen = causal ? position + 1 : Infinity;
      const [keys, values] = [held(t).keys.slice(0, seen), held(t).values.slice(0, seen)];
      attended?.push(...attentionWeights(query, keys, form));
      yield attention(query, keys, values, form);
    }
  }

  #scan(op: ScanOp, { sequences, positions }: StepRows): Iterable<Row> {
    const [q, k, v, dt, beta] = operands(op).map((value) => this.#values[value]!);
    const weight = (id: WeightId) => this.#weights.get(id)!.values;
    const weights = { a: weight(op.a), skip: op.skip === undefined ? undefined : weight(op.skip) };
    const heads = weights.a.length;
    const { rule, groups, cyclic = false } = op;
    return v!.values().map((_, t) => {
      const keyDim = q![t]!.length / groups;
      const valueDim = v![t]!.length / heads;
      const held = this.#held[op.state]![sequences[t]!]!;
      if (positions[t] === 0) held.past = [new Float64Array(heads * keyDim * valueDim)];
      const rows = { q: q![t]!, k: k![t]!, v: v![t]!, dt: dt![t]!, beta: beta![t]! };
      const shape = { rule, heads, groups, cyclic, keyDim, valueDim };
      const { y, state } = scan(held.past[0]!, rows, weights, shape);
      held.past = [state];
      return y;
    });
  }

  async #giveTurn(): Promise<void> {
    if (this.#lifecycle.disposed) throw new Error('The executable was disposed of during a step.');
    if (performance.now() < this.#turnEnd) return;
    await setImmediate();
    this.#turnEnd = performance.now() + TURN_MS;
  }
}

/** The last op that reads each value; infinity for values that are kept. */
function lastReaders(program: Program): number[] {
  const { ops } = program;
  const last = ops.map((_, i) => i);
  for (const [i, op] of ops.entries()) for (const value of operands(op)) last[value] = i;
  for (const value of keptValues(program)) last[value] = Number.POSITIVE_INFINITY;
  return last;
}

function flatten(rows: readonly Row[]): Float32Array {
  const out = new Float32Array(rows.length * (rows[0]?.length ?? 0));
  rows.forEach((row, i) => {
    out.set(row, i * row.length);
  });
  return out;
}
