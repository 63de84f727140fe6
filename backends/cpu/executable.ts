/** A compiled program on the CPU: writes a step into shared memory, starts the threads, hands out the logits. */
import * as layout from '../../kernels/wasm/layout.ts';
import type { AttentionShape, Executable, MemoryUse, Program, Step, Ticket } from '../backend.ts';
import { attentionShape, Sequences, type StepRows } from '../step.ts';
import { attentionWeights, type PlacedAttention } from './attention-weights.ts';
import type { SharedHeap } from './memory.ts';
import type { Plan } from './plan.ts';
import type { Threads, Work } from './threads.ts';

/** What runs in one memory. */
export interface Part {
  readonly plan: Plan;
  readonly heap: SharedHeap;
}

/** Tasks of attention for each thread in a step of single tokens. */
const ATTENTION_TASKS = 4;

export class CpuExecutable implements Executable {
  readonly memory: MemoryUse;
  readonly attends?: AttentionShape;
  /** The memory of each stage; a program that fits in one memory has one stage. */
  readonly stages: readonly number[];
  readonly damage?: () => Promise<string | undefined>;
  readonly #program: Program;
  readonly #parts: readonly Part[];
  readonly #output: Part; // where the logits are
  readonly #attention: readonly PlacedAttention[]; // in the order of the program
  readonly #threads: Threads;
  readonly #work: Work;
  readonly #sequences: Sequences;
  readonly #onDispose: () => void;
  #running = false;

  constructor(parts: {
    program: Program;
    parts: readonly Part[];
    output: Part;
    attention: readonly PlacedAttention[];
    threads: Threads;
    work: Work;
    vocabulary: number;
    memory: MemoryUse;
    damage?: () => string | undefined;
    onDispose: () => void;
  }) {
    const { damage } = parts;
    if (damage) this.damage = async () => damage();
    this.#program = parts.program;
    this.#parts = parts.parts;
    this.#output = parts.output;
    this.#attention = parts.attention;
    this.#threads = parts.threads;
    this.#work = parts.work;
    this.#sequences = new Sequences(parts.program, parts.vocabulary);
    this.#onDispose = parts.onDispose;
    this.memory = parts.memory;
    this.attends = attentionShape(parts.program);
    this.stages = parts.work.stages.map(({ memory }) => memory);
  }

  submit(step: Step): Ticket {
    if (this.#running)
      throw new RangeError('Expected the earlier step to have settled before the next submit.');
    const rows = this.#sequences.take(step);
    this.#running = true;
    const write = () => {
      for (const part of this.#parts) this.#write(part, step, rows);
    };
    const done = this.#threads.run(this.#work, write).finally(() => {
      this.#running = false;
    });
    const logits = done.then(() => this.#logits(rows.outputs.length));
    logits.catch(() => {}); // whoever awaits the ticket sees it; nobody has to
    if (!step.attention) return { logits: () => logits };
    const attention = done.then(() => attentionWeights(this.#attention, rows.positions[0]! + 1));
    attention.catch(() => {});
    return { logits: () => logits, attention: () => attention };
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#sequences.copy(from, to, upto);
    if (from === to) return;
    for (const part of this.#parts) this.#copyCache(part, from, to, upto);
  }

  kvTrim(seq: number, upto: number): void {
    this.#sequences.trim(seq, upto);
  }

  dispose(): void {
    this.#onDispose();
  }

  #write({ plan, heap }: Part, step: Step, { tokens, positions, sequences, outputs }: StepRows): void {
    const { sequenceBytes } = plan.kv;
    const control = heap.i32(0, layout.HEAP / 4);
    control[layout.TOKENS / 4] = tokens.length;
    control[layout.OUTPUTS / 4] = outputs.length;
    control[layout.SLICES / 4] = step.slices.length;
    control[layout.SINGLE / 4] = step.slices.length === tokens.length ? this.#chunksPerTask(positions) : 0;
    control[layout.TRACED / 4] = step.attention ? 1 : 0;
    const arrays: [word: number, address: number, values: Int32Array][] = [
      [layout.TOKEN_IDS, plan.tokenIds, tokens],
      [layout.POSITIONS, plan.positions, positions],
      [layout.OUTPUT_ROWS, plan.outputRows, outputs],
      [layout.TOKEN_KV, plan.tokenKv, sequences.map((seq) => seq * sequenceBytes)],
      [layout.SLICE_LIST, plan.sliceList, sliceList(step, sequenceBytes)],
    ];
    for (const [word, address, values] of arrays) {
      control[word / 4] = address;
      heap.i32(address, values.length).set(values);
    }
  }

  #logits(rows: number): Float32Array {
    const { plan, heap } = this.#output;
    const { address, stride, shape } = plan.values.get(this.#program.output)!;
    const V = shape.cols;
    const padded = stride / 4;
    const all = heap.f32(address, rows * padded);
    if (padded === V) return all;
    const compact = new Float32Array(rows * V);
    for (let row = 0; row < rows; row++) compact.set(all.subarray(row * padded, row * padded + V), row * V);
    return compact;
  }

  /** Chunks of keys in a task of attention, when every slice is one token: each task has a price (LOG.md). */
  #chunksPerTask(positions: Int32Array): number {
    const chunks = positions.reduce((sum, position) => sum + Math.ceil((position + 1) / layout.CHUNK), 0);
    const kvHeads = Math.max(1, ...this.#program.states.map((state) => state.kvHeads));
    return Math.max(1, Math.ceil((chunks * kvHeads) / (this.#threads.count * ATTENTION_TASKS)));
  }

  /** Whole chunks of every state and head (layouts: kernels/wasm/kv-cache.ts). */
  #copyCache({ plan, heap }: Part, from: number, to: number, upto: number): void {
    const { states, positions, sequenceBytes } = plan.kv;
    const chunks = Math.ceil(upto / layout.CHUNK);
    for (const { shape, keys, values, valueScales } of states.values()) {
      for (const { address, chunkBytes } of [keys, values, valueScales]) {
        for (let head = 0; head < shape.kvHeads; head++) {
          const start = address + head * (positions / layout.CHUNK) * chunkBytes;
          const target = heap.bytes(start + to * sequenceBytes, chunks * chunkBytes);
          target.set(heap.bytes(start + from * sequenceBytes, chunks * chunkBytes));
        }
      }
    }
  }
}

/** i32 [slices]{first row, tokens, first position, byte offset of the sequence in the KV cache}. */
function sliceList({ slices }: Step, sequenceBytes: number): Int32Array {
  let row = 0;
  return Int32Array.from(
    slices.flatMap(({ seq, pos, tokens }) => {
      row += tokens.length;
      return [row - tokens.length, tokens.length, pos, seq * sequenceBytes];
    }),
  );
}
