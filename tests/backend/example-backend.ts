/** A whole backend: flat arrays in float64, the reference kernels, one thread. docs/backends.md goes through it. */
import { readFile } from 'node:fs/promises';
import type { Backend, Executable, Op, Program, Step, Ticket, WeightDesc } from '../../backends/backend.ts';
import { Sequences, type StepRows } from '../../backends/step.ts';
import { UserError } from '../../errors.ts';
import { rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { attention } from '../../kernels/reference/attention.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';
import { matmul } from '../../kernels/reference/matmul.ts';
import { rmsNorm } from '../../kernels/reference/rms-norm.ts';
import { rope } from '../../kernels/reference/rope.ts';
import { softmax } from '../../kernels/reference/softmax.ts';

const TYPES: readonly TensorType[] = ['F32', 'F16', 'Q8_0'];

export class ExampleBackend implements Backend {
  readonly name = 'example';
  readonly threads = 1;
  readonly description = 'flat arrays in float64, the reference kernels, one thread';
  readonly #weights: { desc: WeightDesc; source: Parameters<Backend['weight']>[1] }[] = [];

  supports(_op: Op['op'], type?: TensorType): true | string {
    return !type || TYPES.includes(type) || `${type} is not supported; example computes ${TYPES.join(', ')}`;
  }

  weight(desc: WeightDesc, source: Parameters<Backend['weight']>[1]): number {
    return this.#weights.push({ desc, source }) - 1; // nothing is read yet
  }

  async compile(program: Program): Promise<Executable> {
    const weights: Weight[] = [];
    for (const { desc, source } of this.#weights) {
      const answer = this.supports('matmul', desc.type);
      if (answer !== true) throw new UserError(`${desc.name}: ${answer}.`, 'Use a file of a supported type.');
      const length = desc.rows * rowBytes(desc.type, desc.cols);
      const bytes = 'bytes' in source ? source.bytes : (await readFile(source.path)).subarray(source.offset);
      if (bytes.length < length) throw new UserError(`${desc.name} is cut off.`, 'Get the file again.');
      weights.push({ desc, values: dequantize(desc.type, bytes.subarray(0, length)) });
    }
    return new ExampleExecutable(program, weights);
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
  readonly #weights: readonly Weight[];
  readonly #sequences: Sequences; // checks steps, and knows what each sequence holds
  readonly #buffers: readonly Float64Array[][]; // [buffer][token]: a row
  readonly #keys: readonly Float64Array[][][]; // [layer][sequence][position]: a row
  readonly #values: readonly Float64Array[][][];
  #running = false;

  constructor(program: Program, weights: readonly Weight[]) {
    const { layers, sequences, contextLength, kvHeads, headDim } = program.kv;
    const rows = (count: number, cols: number) => Array.from({ length: count }, () => new Float64Array(cols));
    const cache = () => Array.from({ length: sequences }, () => rows(contextLength, kvHeads * headDim));
    const tables = program.ops.flatMap((op) => (op.op === 'embed' ? [weights[op.table]!.desc.rows] : []));
    this.#program = program;
    this.#weights = weights;
    this.#sequences = new Sequences(program, Math.min(...tables));
    this.#buffers = program.buffers.map((cols) => rows(program.maxTokens, cols));
    this.#keys = Array.from({ length: layers }, cache);
    this.#values = Array.from({ length: layers }, cache);
    this.memory = {
      weights: weights.reduce((bytes, { values }) => bytes + values.byteLength, 0),
      kv: 8 * 2 * layers * sequences * contextLength * kvHeads * headDim,
      arena: 8 * program.maxTokens * program.buffers.reduce((sum, cols) => sum + cols, 0),
    };
  }

  submit(step: Step): Ticket {
    if (this.#running) throw new RangeError('Expected the earlier step to have settled.');
    const rows = this.#sequences.take(step); // throws, before anything changes, for a step that makes no sense
    this.#running = true;
    const logits = Promise.resolve().then(() => {
      for (const op of this.#program.ops) this.#run(op, rows);
      this.#running = false;
      const wanted = this.#buffers[this.#program.logits]!.slice(0, rows.outputs.length);
      return Float32Array.from(wanted.flatMap((row) => [...row]));
    });
    return { logits: () => logits };
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#sequences.copy(from, to, upto);
    for (const layer of [...this.#keys, ...this.#values]) {
      for (let p = 0; p < upto; p++) layer[to]![p]!.set(layer[from]![p]!);
    }
  }

  kvTrim(seq: number, upto: number): void {
    this.#sequences.trim(seq, upto); // the rows themselves are overwritten by the next step
  }

  dispose(): void {}

  /** One op over the rows of the step; only those selected are behind `select`, and more of them do no harm. */
  #run(op: Op, { tokens, positions, sequences, outputs }: StepRows): void {
    const row = (buffer: number, t: number) => this.#buffers[buffer]![t]!;
    const weight = (id: number) => this.#weights[id]!.values;
    const rows = op.op === 'select' ? outputs.length : tokens.length;
    for (let t = 0; t < rows; t++) {
      const out = row(op.out, t);
      if (op.op === 'embed')
        out.set(weight(op.table).subarray(tokens[t]! * out.length, (tokens[t]! + 1) * out.length));
      else if (op.op === 'select') out.set(row(op.x, outputs[t]!));
      else if (op.op === 'mul') out.set(row(op.a, t).map((value, i) => value * row(op.b, t)[i]!));
      else if (op.op === 'add') out.set(row(op.a, t).map((value, i) => value + row(op.b, t)[i]!));
      else if (op.op === 'silu') out.set(row(op.x, t).map((value) => value / (1 + Math.exp(-value))));
      else if (op.op === 'softmax') out.set(softmax(row(op.x, t)));
      else if (op.op === 'rms-norm') out.set(rmsNorm(row(op.x, t), weight(op.weight), op.eps));
      else if (op.op === 'rope') out.set(rope(row(op.x, t), op.heads, positions[t]!, op.rope));
      else if (op.op === 'matmul') {
        const bias = op.bias === undefined ? undefined : weight(op.bias);
        out.set(matmul(row(op.x, t), weight(op.weight), bias));
      } else {
        const keys = this.#keys[op.layer]![sequences[t]!]!;
        const values = this.#values[op.layer]![sequences[t]!]!;
        keys[positions[t]!]!.set(row(op.k, t)); // causal: each token sees what stands before it, and itself
        values[positions[t]!]!.set(row(op.v, t));
        const seen = positions[t]! + 1;
        out.set(attention(row(op.q, t), keys.slice(0, seen), values.slice(0, seen), op.heads, op.scale));
      }
    }
  }
}
