/** A compiled program on the CPU: writes a step into shared memory, starts the threads, hands out the logits. */
import * as layout from '../../kernels/wasm/layout.ts';
import type { Executable, MemoryUse, Program, Step, Ticket } from '../backend.ts';
import { Sequences, type StepRows } from '../step.ts';
import type { SharedHeap } from './memory.ts';
import type { Plan } from './plan.ts';
import type { Threads } from './threads.ts';

export class CpuExecutable implements Executable {
  readonly memory: MemoryUse;
  readonly #program: Program;
  readonly #plan: Plan;
  readonly #heap: SharedHeap;
  readonly #threads: Threads;
  readonly #sequences: Sequences;
  readonly #phases: number;
  readonly #onDispose: () => void;
  #running = false;

  constructor(parts: {
    program: Program;
    plan: Plan;
    heap: SharedHeap;
    threads: Threads;
    vocabulary: number;
    phases: number;
    memory: MemoryUse;
    onDispose: () => void;
  }) {
    this.#program = parts.program;
    this.#plan = parts.plan;
    this.#heap = parts.heap;
    this.#threads = parts.threads;
    this.#sequences = new Sequences(parts.program, parts.vocabulary);
    this.#phases = parts.phases;
    this.#onDispose = parts.onDispose;
    this.memory = parts.memory;
  }

  submit(step: Step): Ticket {
    if (this.#running)
      throw new RangeError('Expected the earlier step to have settled before the next submit.');
    const rows = this.#sequences.take(step);
    this.#write(step, rows);
    this.#running = true;
    const done = this.#threads.run().finally(() => {
      this.#running = false;
    });
    const logits = done.then(() => this.#logits(rows.outputs.length));
    logits.catch(() => {}); // whoever awaits the ticket sees it; nobody has to
    return { logits: () => logits };
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#sequences.copy(from, to, upto);
    if (from !== to) this.#copyCache(from, to, upto);
  }

  kvTrim(seq: number, upto: number): void {
    this.#sequences.trim(seq, upto);
  }

  dispose(): void {
    this.#onDispose();
  }

  #write(step: Step, { tokens, positions, sequences, outputs }: StepRows): void {
    const { sequenceBytes } = this.#plan.kv;
    const control = this.#heap.i32(0, layout.HEAP / 4);
    control[layout.PHASES / 4] = this.#phases;
    control[layout.TOKENS / 4] = tokens.length;
    control[layout.OUTPUTS / 4] = outputs.length;
    control[layout.SLICES / 4] = step.slices.length;
    control[layout.SINGLE / 4] = step.slices.length === tokens.length ? 1 : 0;
    const arrays: [word: number, address: number, values: Int32Array][] = [
      [layout.TOKEN_IDS, this.#plan.tokenIds, tokens],
      [layout.POSITIONS, this.#plan.positions, positions],
      [layout.OUTPUT_ROWS, this.#plan.outputRows, outputs],
      [layout.TOKEN_KV, this.#plan.tokenKv, sequences.map((seq) => seq * sequenceBytes)],
      [layout.SLICE_LIST, this.#plan.sliceList, this.#sliceList(step)],
    ];
    for (const [word, address, values] of arrays) {
      control[word / 4] = address;
      this.#heap.i32(address, values.length).set(values);
    }
  }

  /** i32 [slices]{first row, tokens, first position, byte offset of the sequence in the KV cache}. */
  #sliceList({ slices }: Step): Int32Array {
    let row = 0;
    return Int32Array.from(
      slices.flatMap(({ seq, pos, tokens }) => {
        row += tokens.length;
        return [row - tokens.length, tokens.length, pos, seq * this.#plan.kv.sequenceBytes];
      }),
    );
  }

  #logits(rows: number): Float32Array {
    const { address, stride } = this.#plan.buffers[this.#program.logits]!;
    const V = this.#program.buffers[this.#program.logits]!;
    const padded = stride / 4;
    const all = this.#heap.f32(address, rows * padded);
    if (padded === V) return all;
    const compact = new Float32Array(rows * V);
    for (let row = 0; row < rows; row++) compact.set(all.subarray(row * padded, row * padded + V), row * V);
    return compact;
  }

  /** Whole blocks of 16 keys, and the values of `upto` positions (layouts: kernels/wasm/layout.ts). */
  #copyCache(from: number, to: number, upto: number): void {
    const { keys, values, positions, half, rowBytes, keyBytes, valueBytes, sequenceBytes } = this.#plan.kv;
    const { layers, kvHeads, headDim } = this.#program.kv;
    const valueRuns = kvHeads * Math.ceil(headDim / 16);
    const copy = (address: number, bytes: number) => {
      const target = this.#heap.bytes(address + to * sequenceBytes, bytes);
      target.set(this.#heap.bytes(address + from * sequenceBytes, bytes));
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
