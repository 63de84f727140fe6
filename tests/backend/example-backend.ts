/** A complete backend: flat arrays in float64, the reference kernels, one thread. docs/backends.md explains it. */
import type {
  Backend,
  Executable,
  KvShape,
  Op,
  Program,
  Result,
  Step,
  WeightDesc,
  WeightSource,
} from '../../backends/backend.ts';
import { shapesOf, weightsOf } from '../../backends/ops.ts';
import {
  checkSupport,
  type GivenWeight,
  givenWeight,
  readWeight,
  vocabularyOf,
  WeightTable,
} from '../../backends/program-weights.ts';
import { resultsFromLogits } from '../../backends/results.ts';
import { Sequences, type StepRows } from '../../backends/step.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { attention } from '../../kernels/reference/attention.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';
import { layerNorm } from '../../kernels/reference/layer-norm.ts';
import { map } from '../../kernels/reference/map.ts';
import { matmul } from '../../kernels/reference/matmul.ts';
import { rmsNorm } from '../../kernels/reference/rms-norm.ts';
import { rope } from '../../kernels/reference/rope.ts';
import { softmax } from '../../kernels/reference/softmax.ts';
import { zip } from '../../kernels/reference/zip.ts';

const TYPES: readonly TensorType[] = ['F32', 'F16', 'Q8_0'];
const OPS: readonly Op['op'][] = [
  ...(['embed', 'norm', 'layer-norm', 'matmul', 'rope', 'attention'] as const),
  ...(['softmax', 'map', 'zip', 'select'] as const),
];

export class ExampleBackend implements Backend {
  readonly name = 'example';
  readonly threads = 1;
  readonly description = 'flat arrays in float64, the reference kernels, one thread';
  readonly #weights = new WeightTable<GivenWeight>(() => {}); // by id, with the programs that use each

  supports(op: Op, types: readonly TensorType[]): true | string {
    if (!OPS.includes(op.op)) return `${op.op} is not supported by example`; // no recurrent states, no experts
    if (op.op === 'attention' && op.causal === false) return 'example sees no tokens after a token’s own';
    const other = types.find((type) => !TYPES.includes(type));
    return !other || `${other} is not supported; example computes ${TYPES.join(', ')}`;
  }

  weight(desc: WeightDesc, source: WeightSource): number {
    return this.#weights.add(givenWeight(desc, source)); // checks the source, but reads nothing yet
  }

  forget(weight: number): void {
    this.#weights.forget(weight);
  }

  async compile(program: Program): Promise<Executable> {
    checkSupport(program, (id) => this.#weights.get(id).desc, this); // throws a UserError
    return this.#weights.compiling(program, async (release) => {
      const weights = new Map<number, Weight>();
      for (const id of new Set(program.ops.flatMap(weightsOf))) {
        const { desc, source } = this.#weights.all[id]!;
        weights.set(id, { desc, values: dequantize(desc.type, await readWeight(desc, source)) });
      }
      return new ExampleExecutable(program, weights, release);
    });
  }

  async dispose(): Promise<void> {}
}

interface Weight {
  readonly desc: WeightDesc;
  readonly values: Float32Array; // [rows, cols]
}

class ExampleExecutable implements Executable {
  readonly memory;
  readonly #program: Program;
  readonly #weights: ReadonlyMap<number, Weight>;
  readonly #release: () => void; // call it when the weights are no longer in use
  readonly #sequences: Sequences; // checks steps and tracks the content of each sequence
  readonly #values: readonly Float64Array[][]; // [value][token]: a row
  readonly #caches: readonly { keys: Float64Array[]; values: Float64Array[] }[][]; // [state][sequence]
  #running = false;

  constructor(program: Program, weights: ReadonlyMap<number, Weight>, release: () => void) {
    const { sequences, contextLength, maxTokens } = program.limits;
    const rows = (count: number, cols: number) => Array.from({ length: count }, () => new Float64Array(cols));
    const desc = (id: number) => weights.get(id)!.desc;
    const shapes = shapesOf(program, desc);
    this.#program = program;
    this.#weights = weights;
    this.#release = release;
    this.#sequences = new Sequences(program, vocabularyOf(program, desc));
    this.#values = shapes.map(({ cols }) => rows(maxTokens, cols));
    const states = program.states as readonly KvShape[];
    this.#caches = states.map(({ kvHeads, keyDim, valueDim }) =>
      Array.from({ length: sequences }, () => ({
        keys: rows(contextLength, kvHeads * keyDim),
        values: rows(contextLength, kvHeads * valueDim),
      })),
    );
    this.memory = {
      weights: weights.values().reduce((bytes, { values }) => bytes + values.byteLength, 0),
      kv: states.reduce((bytes, { kvHeads, keyDim, valueDim }) => {
        return bytes + 8 * sequences * contextLength * kvHeads * (keyDim + valueDim);
      }, 0),
      arena: 8 * maxTokens * shapes.reduce((sum, { cols }) => sum + cols, 0),
    };
  }

  submit(step: Step): Promise<readonly Result[]> {
    if (this.#running) throw new RangeError('The earlier step has not settled yet.');
    const rows = this.#sequences.take(step); // throws for an invalid step, before anything changes
    this.#running = true;
    return Promise.resolve().then(() => {
      for (const [i, op] of this.#program.ops.entries()) this.#run(op, this.#values[i]!, rows);
      this.#running = false;
      return this.#results(step, rows);
    });
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#sequences.copy(from, to, upto);
    for (const state of this.#caches) {
      for (let p = 0; p < upto; p++) state[to]!.keys[p]!.set(state[from]!.keys[p]!);
      for (let p = 0; p < upto; p++) state[to]!.values[p]!.set(state[from]!.values[p]!);
    }
  }

  kvTrim(seq: number, upto: number): number {
    return this.#sequences.trim(seq, upto); // the rows themselves are overwritten by the next step
  }

  keeps(seq: number, upto: number): number {
    return this.#sequences.keeps(seq, upto);
  }

  dispose(): void {
    this.#release();
  }

  /** One result a slice: rows of logits, or rows of the values in `Limits.taps`. */
  #results({ slices }: Step, { outputs }: StepRows): Result[] {
    const { output, limits } = this.#program;
    const results = resultsFromLogits(slices, this.#copy(output, 0, outputs.length));
    let first = 0; // row of the slice's first token
    for (const [i, { tokens, want }] of slices.entries()) {
      if (want?.kind === 'values') {
        const values = (limits.taps ?? []).map((value) => this.#copy(value, first, tokens.length));
        results[i] = { kind: 'values', values };
      }
      first += tokens.length;
    }
    return results;
  }

  #copy(value: number, first: number, count: number): Float32Array {
    return Float32Array.from(this.#values[value]!.slice(first, first + count).flatMap((row) => [...row]));
  }

  /** Runs one op over the rows of the step. After `select`, only the first S rows are valid. */
  #run(op: Op, made: readonly Float64Array[], { tokens, positions, sequences, outputs }: StepRows): void {
    const row = (value: number, t: number) => this.#values[value]![t]!;
    const weight = (id: number) => this.#weights.get(id)!.values;
    const rows = op.op === 'select' ? outputs.length : tokens.length;
    for (let t = 0; t < rows; t++) {
      const out = made[t]!;
      if (op.op === 'embed') {
        const id = op.by === 'position' ? positions[t]! : tokens[t]!;
        out.set(weight(op.table).subarray(id * out.length, (id + 1) * out.length));
      } else if (op.op === 'select') out.set(row(op.x, outputs[t]!));
      else if (op.op === 'zip') out.set(zip(op.fn, row(op.a, t), row(op.b, t)));
      else if (op.op === 'map') {
        const scalars = op.scalars?.map((id) => weight(id)[0]!);
        out.set(map(op.fn, row(op.x, t), scalars));
      } else if (op.op === 'softmax') out.set(softmax(row(op.x, t)));
      else if (op.op === 'norm') out.set(rmsNorm(row(op.x, t), weight(op.weight), op.eps, op.heads));
      else if (op.op === 'layer-norm') {
        const bias = op.bias === undefined ? undefined : weight(op.bias);
        out.set(layerNorm(row(op.x, t), weight(op.weight), bias, op.eps));
      } else if (op.op === 'rope') out.set(rope(row(op.x, t), op.heads, positions[t]!, op.rope));
      else if (op.op === 'matmul') {
        const bias = op.bias === undefined ? undefined : weight(op.bias);
        out.set(matmul(row(op.x, t), weight(op.weight), bias));
      } else if (op.op === 'attention') {
        const { keys, values } = this.#caches[op.state]![sequences[t]!]!;
        if (op.k !== undefined) keys[positions[t]!]!.set(row(op.k, t));
        if (op.v !== undefined) values[positions[t]!]!.set(row(op.v, t));
        const seen = positions[t]! + 1; // causal: each token sees itself and the tokens before it
        const form = { ...op, sinks: op.sinks === undefined ? undefined : weight(op.sinks) };
        out.set(attention(row(op.q, t), keys.slice(0, seen), values.slice(0, seen), form));
      }
    }
  }
}
