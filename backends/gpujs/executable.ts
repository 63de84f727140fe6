/** A compiled program on gpu.js. It cuts steps into chunks and runs the calls of the plan for each chunk. */
import { setImmediate } from 'node:timers/promises';
import type {
  AttentionShape,
  Executable,
  MemoryUse,
  Program,
  Result,
  Step,
  ValueId,
  WeightId,
} from '../backend.ts';
import { Lifecycle } from '../lifecycle.ts';
import { joined, resultsFromLogits } from '../results.ts';
import { packState, StateReader, stateLayout, unpackState } from '../saved-state.ts';
import { attentionShape, Sequences, type StepRows } from '../step.ts';
import { attentionWeights, type Exponentials } from './attention-weights.ts';
import type { Chunk, Device, States } from './device.ts';
import { Pass, type Table } from './pass.ts';
import type { Plan } from './plan.ts';

/** Longest computation before the event loop gets a turn, unless one kernel takes longer. */
const TURN_MS = 20;

export interface Parts {
  readonly program: Program;
  readonly device: Device;
  readonly plan: Plan;
  readonly states: States;
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
  readonly #lifecycle = new Lifecycle();
  #turnEnd = 0; // performance.now() at which the event loop gets a turn

  constructor(parts: Parts) {
    const { program, plan, states, tables } = parts;
    this.#parts = parts;
    this.attends = attentionShape(program);
    this.#chunkTokens = chunkTokens(parts);
    this.#sequences = new Sequences(program, parts.vocabulary);
    const tableBytes = [...tables.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
    const columns = plan.shapes.reduce((sum, { cols }) => sum + cols, 0);
    this.memory = {
      weights: plan.slots.reduce((sum, { bytes }) => sum + bytes, tableBytes),
      kv: states.bytes,
      arena: Float32Array.BYTES_PER_ELEMENT * this.#chunkTokens * columns,
    };
  }

  /** Runs one token through every kernel, which compiles them. No sequence keeps the token. */
  async warmUp(): Promise<void> {
    const one = { positions: Float32Array.of(0), sequences: Int32Array.of(0), outputs: Float32Array.of(0) };
    await this.#pass({ tokens: Int32Array.of(0), ...one }, { attention: false, taps: [] });
  }

  submit(step: Step): Promise<readonly Result[]> {
    return this.#lifecycle.run(() => this.#run(step, this.#sequences.take(step)));
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#sequences.copy(from, to, upto);
    this.#parts.states.copy(from, to, upto);
  }

  /** Leaves the states as they are: slices have explicit positions, so later rows are overwritten before they are read. */
  kvTrim(seq: number, upto: number): number {
    return this.#sequences.trim(seq, upto);
  }

  keeps(seq: number, upto: number): number {
    return this.#sequences.keeps(seq, upto);
  }

  async save(seq: number, upto: number): Promise<Uint8Array> {
    this.#sequences.checkHeld(seq, upto);
    const parts = await this.#parts.states.read(seq, upto);
    const bytes = parts.map(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    );
    return packState(this.#layout, { positions: upto }, bytes);
  }

  async restore(seq: number, saved: Uint8Array): Promise<number> {
    this.kvTrim(seq, 0);
    const { positions, bytes } = unpackState(this.#layout, saved);
    this.#sequences.restore(seq, positions);
    const reader = new StateReader(bytes);
    this.#parts.states.write(
      seq,
      positions,
      (count) => new Float32Array(reader.next(4 * count).slice().buffer),
    );
    return positions;
  }

  /** Float32 rows on every device of gpu.js, whatever `kvType` is. */
  get #layout(): string {
    const { states, limits } = this.#parts.program;
    return stateLayout('gpujs', { states, limits: { ...limits, kvType: 'f32' } });
  }

  dispose(): void {
    if (!this.#lifecycle.dispose()) return;
    for (const slot of this.#parts.plan.slots) slot.dispose();
    this.#parts.states.dispose();
    this.#parts.disposed();
  }

  async #run(step: Step, rows: StepRows): Promise<Result[]> {
    const { program, device, plan } = this.#parts;
    const { taps = [] } = program.limits;
    const kinds = new Set(step.slices.map(({ want }) => want?.kind));
    const passes: PassRows[] = [];
    const wanted = { attention: kinds.has('attention'), taps: kinds.has('values') ? taps : [] };
    for (const chunk of cut(rows, this.#chunkTokens, device.oneSequence)) {
      passes.push(await this.#pass(chunk, wanted));
    }
    const logits = joined(passes.map((pass) => pass.logits));
    const tapped = wanted.taps.map((_, tap) => joined(passes.map((pass) => pass.taps[tap]!)));
    const results = resultsFromLogits(step.slices, logits);
    let row = 0;
    for (const [i, { tokens, want }] of step.slices.entries()) {
      if (want?.kind === 'attention') {
        const length = rows.positions[0]! + 1;
        const weights = attentionWeights(passes[0]!.exponentials, this.attends!, length);
        results[i] = { kind: 'attention', weights };
      }
      if (want?.kind === 'values') {
        const values = taps.map((value, tap) => {
          const { cols } = plan.shapes[value]!;
          return tapped[tap]!.slice(row * cols, (row + tokens.length) * cols);
        });
        results[i] = { kind: 'values', values };
      }
      row += tokens.length;
    }
    return results;
  }

  async #pass(chunk: Chunk, wanted: { attention: boolean; taps: readonly ValueId[] }): Promise<PassRows> {
    const { program, plan, states, tables, device } = this.#parts;
    const exponentials: Exponentials[] = [];
    const pass = new Pass(chunk, states, tables, wanted.attention ? exponentials : undefined);
    const outputs = chunk.outputs.length;
    try {
      for (const { of, evaluate } of plan.phases) {
        await this.#giveTurn();
        const rows = of === 'tokens' ? chunk.tokens.length : outputs;
        if (rows > 0) await evaluate(pass, rows);
      }
      const logits = outputs > 0 ? await device.read(pass.get(program.output)) : new Float32Array(0);
      const taps: Float32Array[] = [];
      for (const value of wanted.taps) taps.push((await device.read(pass.get(value))).slice());
      await device.settled();
      return { logits, taps, exponentials };
    } catch (error) {
      await device.settled(); // throws the failure of the device instead, if there is one
      throw error;
    }
  }

  async #giveTurn(): Promise<void> {
    if (performance.now() >= this.#turnEnd) {
      await setImmediate();
      this.#turnEnd = performance.now() + TURN_MS;
    }
    if (this.#lifecycle.disposed) throw new Error('The executable was disposed of during a step.');
  }
}

/** Results of a pass over a chunk. */
interface PassRows {
  readonly logits: Float32Array; // [outputs of the chunk, V]
  readonly taps: readonly Float32Array[]; // [tokens of the chunk, cols] each, if wanted
  readonly exponentials: readonly Exponentials[]; // of each attention op, if wanted
}

/** Most tokens of a chunk: the device's limit, or fewer if the scores or logits would not fit in one buffer. */
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
