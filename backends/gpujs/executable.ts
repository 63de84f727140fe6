/** A program on a device of gpu.js: steps cut into chunks, and the plan's calls for each. */
import { setImmediate } from 'node:timers/promises';
import type { AttentionShape, Executable, MemoryUse, Program, Step, Ticket, WeightId } from '../backend.ts';
import { attentionShape, Sequences, type StepRows } from '../step.ts';
import { attentionWeights } from './attention-weights.ts';
import type { Chunk, Device, KvCache } from './device.ts';
import { Pass, type Table } from './pass.ts';
import type { Plan } from './plan.ts';

/** Longest stretch of computing before the event loop gets a turn; one kernel may take longer. */
const TURN_MS = 20;

export interface Parts {
  readonly program: Program;
  readonly device: Device;
  readonly plan: Plan;
  readonly cache: KvCache;
  readonly tables: ReadonlyMap<WeightId, Table>;
  readonly vocabulary: number;
  disposed(): void;
}

export class GpujsExecutable implements Executable {
  readonly memory: MemoryUse;
  readonly attends?: AttentionShape;
  readonly #parts: Parts;
  readonly #sequences: Sequences;
  readonly #chunkTokens: number;
  #state: 'idle' | 'busy' | 'disposed' = 'idle';
  #turnEnd = 0; // performance.now() at which the event loop is due

  constructor(parts: Parts) {
    const { program, plan, cache, tables } = parts;
    this.#parts = parts;
    this.attends = attentionShape(program);
    this.#chunkTokens = chunkTokens(parts);
    this.#sequences = new Sequences(program, parts.vocabulary);
    const tableBytes = [...tables.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
    const columns = plan.shapes.reduce((sum, { cols }) => sum + cols, 0);
    this.memory = {
      weights: plan.slots.reduce((sum, { bytes }) => sum + bytes, tableBytes),
      kv: cache.bytes,
      arena: Float32Array.BYTES_PER_ELEMENT * this.#chunkTokens * columns,
    };
  }

  /** Runs one token through every kernel, which makes them. Nothing of it is kept. */
  async warmUp(): Promise<void> {
    const one = { positions: Float32Array.of(0), sequences: Int32Array.of(0), outputs: Float32Array.of(0) };
    await this.#pass({ tokens: Int32Array.of(0), ...one });
  }

  submit(step: Step): Ticket {
    if (this.#state !== 'idle') throw new Error(`Expected an idle executable, but it is ${this.#state}.`);
    const rows = this.#sequences.take(step);
    const exponentials: Float32Array[] | undefined = step.attention ? [] : undefined;
    const logits = this.#run(rows, exponentials);
    logits.catch(() => {}); // whoever awaits the ticket sees it; nobody has to
    if (!exponentials) return { logits: () => logits };
    const length = rows.positions[0]! + 1;
    const attention = logits.then(() => attentionWeights(exponentials, this.attends!, length));
    attention.catch(() => {});
    return { logits: () => logits, attention: () => attention };
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#sequences.copy(from, to, upto);
    this.#parts.cache.copy(from, to, upto);
  }

  /** Positions are explicit: what lies beyond is not read before it is written. */
  kvTrim(seq: number, upto: number): void {
    this.#sequences.trim(seq, upto);
  }

  dispose(): void {
    if (this.#state === 'disposed') return;
    this.#state = 'disposed';
    for (const slot of this.#parts.plan.slots) slot.dispose();
    this.#parts.cache.dispose();
    this.#parts.disposed();
  }

  async #run(rows: StepRows, exponentials?: Float32Array[]): Promise<Float32Array> {
    this.#state = 'busy';
    try {
      const { program, device, plan } = this.#parts;
      const V = plan.shapes[program.output]!.cols;
      const logits = new Float32Array(rows.outputs.length * V);
      let at = 0;
      for (const chunk of cut(rows, this.#chunkTokens, device.oneSequence)) {
        logits.set(await this.#pass(chunk, exponentials), at);
        at += chunk.outputs.length * V;
      }
      return logits;
    } finally {
      if (this.#state === 'busy') this.#state = 'idle';
    }
  }

  /** Logits of the chunk's outputs; exponentials of its attention are added, where they are asked for. */
  async #pass(chunk: Chunk, exponentials?: Float32Array[]): Promise<Float32Array> {
    const { program, plan, cache, tables, device } = this.#parts;
    const pass = new Pass(chunk, cache, tables, exponentials);
    const outputs = chunk.outputs.length;
    try {
      for (const { of, evaluate } of plan.phases) {
        await this.#giveTurn();
        const rows = of === 'tokens' ? chunk.tokens.length : outputs;
        if (rows > 0) await evaluate(pass, rows);
      }
      const logits = outputs > 0 ? await device.read(pass.get(program.output)) : new Float32Array(0);
      await device.settled();
      return logits;
    } catch (error) {
      await device.settled(); // where the device failed, that is the reason
      throw error;
    }
  }

  async #giveTurn(): Promise<void> {
    if (performance.now() >= this.#turnEnd) {
      await setImmediate();
      this.#turnEnd = performance.now() + TURN_MS;
    }
    if (this.#state === 'disposed') throw new Error('The executable was disposed of during a step.');
  }
}

/** As many as the device takes, less where scores or logits of so many would be more than it holds. */
function chunkTokens({ program, device, plan }: Parts): number {
  const heads = program.ops.flatMap((op) => (op.op === 'attention' ? [op.heads] : []));
  const { contextLength, maxTokens } = program.limits;
  const widths = plan.shapes.map(({ cols }) => cols);
  const columns = Math.max(contextLength * Math.max(0, ...heads), ...widths);
  const held = Math.floor(device.maxBytes / (Float32Array.BYTES_PER_ELEMENT * columns));
  return Math.max(1, Math.min(device.maxTokens, held, maxTokens));
}

function* cut(rows: StepRows, size: number, oneSequence: boolean): Generator<Chunk> {
  const { tokens, sequences } = rows;
  for (let start = 0, end = 0; start < tokens.length; start = end) {
    end = Math.min(start + size, tokens.length);
    if (oneSequence) while (sequences[end - 1] !== sequences[start]) end--;
    yield {
      tokens: tokens.subarray(start, end),
      sequences: sequences.subarray(start, end),
      positions: Float32Array.from(rows.positions.subarray(start, end)),
      outputs: Float32Array.from(
        rows.outputs.filter((row) => row >= start && row < end),
        (row) => row - start,
      ),
    };
  }
}
