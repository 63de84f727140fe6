/** A compiled program on the CPU: writes a step into shared memory, starts the threads, hands out the logits. */
import * as layout from '../../kernels/wasm/layout.ts';
import type { Executable, MemoryUse, Program, Step, Ticket } from '../backend.ts';
import { Sequences, type StepRows } from '../step.ts';
import type { SharedHeap } from './memory.ts';
import type { Plan } from './plan.ts';
import type { Threads, Work } from './threads.ts';

/** What runs in one memory. */
export interface Part {
  readonly program: Program; // of the cache, only the layers kept there
  readonly plan: Plan;
  readonly heap: SharedHeap;
}

export class CpuExecutable implements Executable {
  readonly memory: MemoryUse;
  /** The memory of each stage; a program that fits in one memory has one stage. */
  readonly stages: readonly number[];
  readonly #parts: readonly Part[];
  readonly #output: Part; // where the logits are
  readonly #threads: Threads;
  readonly #work: Work;
  readonly #sequences: Sequences;
  readonly #onDispose: () => void;
  #running = false;

  constructor(parts: {
    program: Program;
    parts: readonly Part[];
    output: Part;
    threads: Threads;
    work: Work;
    vocabulary: number;
    memory: MemoryUse;
    onDispose: () => void;
  }) {
    this.#parts = parts.parts;
    this.#output = parts.output;
    this.#threads = parts.threads;
    this.#work = parts.work;
    this.#sequences = new Sequences(parts.program, parts.vocabulary);
    this.#onDispose = parts.onDispose;
    this.memory = parts.memory;
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
    return { logits: () => logits };
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
    control[layout.SINGLE / 4] = step.slices.length === tokens.length ? 1 : 0;
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
    const { program, plan, heap } = this.#output;
    const { address, stride } = plan.buffers[program.logits]!;
    const V = program.buffers[program.logits]!;
    const padded = stride / 4;
    const all = heap.f32(address, rows * padded);
    if (padded === V) return all;
    const compact = new Float32Array(rows * V);
    for (let row = 0; row < rows; row++) compact.set(all.subarray(row * padded, row * padded + V), row * V);
    return compact;
  }

  /** Whole blocks of 16 keys, and the values of `upto` positions (layouts: kernels/wasm/layout.ts). */
  #copyCache({ program, plan, heap }: Part, from: number, to: number, upto: number): void {
    const { keys, values, positions, half, rowBytes, keyBytes, valueBytes, sequenceBytes } = plan.kv;
    const { layers, kvHeads, headDim } = program.kv;
    const valueRuns = kvHeads * Math.ceil(headDim / 16);
    const copy = (address: number, bytes: number) => {
      const target = heap.bytes(address + to * sequenceBytes, bytes);
      target.set(heap.bytes(address + from * sequenceBytes, bytes));
    };
    const blocks = Math.ceil(upto / 16);
    const rows = half ? 2 * Math.ceil(upto / 2) : upto; // halves come in pairs
    for (let layer = 0; layer < layers; layer++) {
      for (let h = 0; h < kvHeads; h++) {
        const head = (h * positions * headDim * rowBytes) / 16;
        copy(keys + layer * keyBytes + head, blocks * headDim * rowBytes);
      }
      for (let run = 0; run < valueRuns; run++) {
        copy(values + layer * valueBytes + run * positions * rowBytes, rows * rowBytes);
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
