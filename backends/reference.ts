/**
 * The definition of correct: every op in float64, one row at a time, as its formula is written.
 *
 * A buffer is a list of rows, and rows are never changed once made; so the KV cache holds rows as they came,
 * exactly, whatever type was asked for, and copying a sequence copies references.
 */
import { setImmediate } from 'node:timers/promises';
import type { TensorType } from '../kernels/quant-formats.ts';
import { attention, attentionWeights } from '../kernels/reference/attention.ts';
import { DEQUANTIZED_TYPES, dequantize } from '../kernels/reference/dequantize.ts';
import { add, mul } from '../kernels/reference/elementwise.ts';
import { embed } from '../kernels/reference/embed.ts';
import { matmul } from '../kernels/reference/matmul.ts';
import { rmsNorm } from '../kernels/reference/rms-norm.ts';
import { rope } from '../kernels/reference/rope.ts';
import { select } from '../kernels/reference/select.ts';
import { silu } from '../kernels/reference/silu.ts';
import { softmax } from '../kernels/reference/softmax.ts';
import type {
  AttentionShape,
  Backend,
  BufferId,
  Executable,
  MemoryUse,
  Op,
  Program,
  Step,
  Ticket,
  WeightDesc,
  WeightId,
  WeightSource,
} from './backend.ts';
import { checkTypes, readWeight, vocabularyOf, weightBytes } from './program-weights.ts';
import { attentionShape, Sequences, type StepRows } from './step.ts';

type Row = Float64Array;
interface Cache {
  keys: Row[]; // positions x [kvHeads * headDim]
  values: Row[];
}

/** Longest stretch of computing before the event loop gets a turn. */
const TURN_MS = 20;

export class ReferenceBackend implements Backend {
  readonly name = 'reference';
  readonly threads = 1;
  readonly description = 'plain TypeScript in float64, one thread, slow: the definition of correct';
  readonly #weights: Weight[] = [];

  supports(_op: Op['op'], type?: TensorType): true | string {
    if (type === undefined || DEQUANTIZED_TYPES.includes(type)) return true;
    return `${type} is not supported yet; the reference backend computes ${DEQUANTIZED_TYPES.join(', ')}`;
  }

  weight(desc: WeightDesc, source: WeightSource): WeightId {
    return this.#weights.push(new Weight(desc, source)) - 1;
  }

  readBytes(): number {
    const read = this.#weights.filter(({ values }) => values.length > 0);
    return read.reduce((sum, { desc }) => sum + weightBytes(desc), 0);
  }

  async compile(program: Program): Promise<Executable> {
    checkTypes(program, (id) => this.#weights[id]!.desc, this);
    for (const weight of this.#weights) await weight.load();
    return new ReferenceExecutable(program, this.#weights);
  }

  async dispose(): Promise<void> {
    this.#weights.length = 0;
  }
}

class Weight {
  readonly desc: WeightDesc;
  readonly #source: WeightSource;
  values: Float32Array = new Float32Array(0); // [rows, cols] once loaded; float32 holds every type exactly

  constructor(desc: WeightDesc, source: WeightSource) {
    this.desc = desc;
    this.#source = source;
  }

  async load(): Promise<void> {
    if (this.values.length > 0) return;
    this.values = dequantize(this.desc.type, await readWeight(this.desc, this.#source));
  }
}

class ReferenceExecutable implements Executable {
  readonly memory: MemoryUse;
  readonly attends?: AttentionShape;
  readonly #program: Program;
  readonly #weights: readonly Weight[];
  readonly #buffers: Row[][] = [];
  readonly #caches: Cache[][]; // [layer][sequence]
  readonly #sequences: Sequences;
  #state: 'idle' | 'busy' | 'disposed' = 'idle';
  #turnEnd = 0; // performance.now() at which the event loop is due

  constructor(program: Program, weights: readonly Weight[]) {
    const { layers, sequences, contextLength, kvHeads, headDim } = program.kv;
    this.attends = attentionShape(program);
    this.#program = program;
    this.#weights = weights;
    this.#sequences = new Sequences(
      program,
      vocabularyOf(program, (id) => weights[id]!.desc),
    );
    this.#caches = Array.from({ length: layers }, () =>
      Array.from({ length: sequences }, () => ({ keys: [], values: [] })),
    );
    this.memory = {
      weights: weights.reduce((bytes, { values }) => bytes + values.byteLength, 0),
      kv: 8 * 2 * layers * sequences * contextLength * kvHeads * headDim,
      arena: 8 * program.maxTokens * program.buffers.reduce((sum, cols) => sum + cols, 0),
    };
  }

  submit(step: Step): Ticket {
    if (this.#state !== 'idle') throw new Error(`Expected an idle executable, but it is ${this.#state}.`);
    const attended: Row[] | undefined = step.attention ? [] : undefined;
    const logits = this.#run(this.#sequences.take(step), attended);
    logits.catch(() => {}); // whoever awaits the ticket sees it; nobody has to
    if (!attended) return { logits: () => logits };
    const attention = logits.then(() => flatten(attended));
    attention.catch(() => {});
    return { logits: () => logits, attention: () => attention };
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#sequences.copy(from, to, upto);
    for (const layer of this.#caches) {
      const { keys, values } = layer[from]!;
      layer[to] = { keys: keys.slice(0, upto), values: values.slice(0, upto) };
    }
  }

  /** The rows themselves go when the next step writes at `upto`. */
  kvTrim(seq: number, upto: number): void {
    this.#sequences.trim(seq, upto);
  }

  dispose(): void {
    this.#state = 'disposed';
  }

  /** Adds attention weights to `attended`, where they are asked for. */
  async #run(step: StepRows, attended: Row[] | undefined): Promise<Float32Array> {
    this.#state = 'busy';
    for (const op of this.#program.ops) {
      const out: Row[] = [];
      for (const row of this.#evaluate(op, step, attended)) {
        out.push(row);
        await this.#giveTurn();
      }
      this.#buffers[op.out] = out;
    }
    this.#state = 'idle';
    return flatten(this.#buffers[this.#program.logits]!);
  }

  /** The rows of `op.out`, computed as they are taken. */
  #evaluate(op: Op, step: StepRows, attended: Row[] | undefined): Iterable<Row> {
    const rows = (buffer: BufferId) => this.#buffers[buffer]!;
    const weight = (id: WeightId) => this.#weights[id]!.values;
    const each = (buffer: BufferId, row: (x: Row, t: number) => Row) => rows(buffer).values().map(row);
    switch (op.op) {
      case 'embed': {
        const { desc, values } = this.#weights[op.table]!;
        return step.tokens.values().map((token) => embed(values, desc.cols, token));
      }
      case 'rms-norm':
        return each(op.x, (x) => rmsNorm(x, weight(op.weight), op.eps));
      case 'matmul': {
        const bias = op.bias === undefined ? undefined : weight(op.bias);
        return each(op.x, (x) => matmul(x, weight(op.weight), bias));
      }
      case 'rope':
        return each(op.x, (x, t) => rope(x, op.heads, step.positions[t]!, op.rope));
      case 'attention':
        return each(op.q, (q, t) => {
          const { keys, values } = this.#caches[op.layer]![step.sequences[t]!]!;
          keys.splice(step.positions[t]!, Infinity, rows(op.k)[t]!);
          values.splice(step.positions[t]!, Infinity, rows(op.v)[t]!);
          attended?.push(...attentionWeights(q, keys, op.heads, op.scale));
          return attention(q, keys, values, op.heads, op.scale);
        });
      case 'softmax':
        return each(op.x, softmax);
      case 'silu':
        return each(op.x, silu);
      case 'mul':
        return each(op.a, (a, t) => mul(a, rows(op.b)[t]!));
      case 'add':
        return each(op.a, (a, t) => add(a, rows(op.b)[t]!));
      case 'select':
        return select(rows(op.x), step.outputs);
    }
  }

  async #giveTurn(): Promise<void> {
    if (this.#state === 'disposed') throw new Error('The executable was disposed of during a step.');
    if (performance.now() < this.#turnEnd) return;
    await setImmediate();
    this.#turnEnd = performance.now() + TURN_MS;
  }
}

function flatten(rows: readonly Row[]): Float32Array {
  const out = new Float32Array(rows.length * (rows[0]?.length ?? 0));
  rows.forEach((row, i) => {
    out.set(row, i * row.length);
  });
  return out;
}
