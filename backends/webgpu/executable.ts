/** A compiled program on the device: a step is one write, one list of dispatches, one submit, one buffer mapped. */
import { UserError } from '../../errors.ts';
import type {
  AttentionShape,
  Choice,
  Executable,
  KernelTime,
  MemoryUse,
  Program,
  Step,
  Ticket,
  TopLogits,
} from '../backend.ts';
import { attentionShape, Sequences, type StepRows } from '../step.ts';
import { type Arrays, readBack } from './arrays.ts';
import { keyRuns, splitKeys, valueRuns } from './attention-calls.ts';
import { CHOICE_MOST, choiceBytes, GREEDY_ROW_BYTES, readGreedy, readTop, TOP_ROW_BYTES } from './choices.ts';
import type { GpuDevice } from './device.ts';
import type { Dispatches } from './dispatches.ts';
import type { Mode, StepSizes } from './kernel-call.ts';
import type { Dispatch } from './pipelines.ts';
import type { Plan } from './plan.ts';
import { Profiler } from './profiler.ts';
import { outputsAt, stepBytes, writeStep } from './step-layout.ts';
import type { Tuning } from './tuning.ts';

export interface ExecutableParts {
  readonly gpu: GpuDevice;
  readonly program: Program;
  readonly vocabulary: number;
  readonly plan: Plan;
  readonly dispatches: Dispatches;
  readonly arrays: Arrays;
  readonly tuning: Tuning;
  readonly weightBytes: number;
  readonly profile: boolean;
  readonly onDispose: () => void;
}

export class WebgpuExecutable implements Executable {
  readonly memory: MemoryUse;
  readonly chooses: Readonly<Record<Choice['kind'], number>>;
  readonly attends?: AttentionShape;
  readonly #profiler: Profiler | undefined;
  readonly #parts: ExecutableParts;
  readonly #sequences: Sequences;
  readonly #words: Uint32Array<ArrayBuffer>; // the step as it is written
  readonly #staging: GPUBuffer;
  readonly #between: GPUBuffer; // for copies within one buffer
  readonly #widest: { readonly headDim: number; readonly contextLength: number }; // for runs of keys
  #state: 'idle' | 'busy' | 'disposed' = 'idle';

  constructor(parts: ExecutableParts) {
    const { gpu, program, plan, weightBytes } = parts;
    this.#parts = parts;
    this.#sequences = new Sequences(program, parts.vocabulary);
    this.#words = new Uint32Array(stepBytes(program.limits) / 4);
    const { device } = gpu;
    const rows = plan.outputRows * 4 * plan.logits.stride;
    const size = Math.max(rows, choiceBytes(program, plan));
    this.#staging = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    const sizes = plan.caches.flatMap(({ keys, values }) => [keys.bytes, values.bytes]);
    this.#between = device.createBuffer({
      size: Math.max(16, ...sizes.map((bytes) => bytes / program.limits.sequences)),
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
    this.#widest = {
      headDim: Math.max(1, ...program.states.map(({ keyDim }) => keyDim)),
      contextLength: program.limits.contextLength,
    };
    this.memory = { weights: weightBytes, ...plan.bytes };
    this.chooses = CHOICE_MOST;
    this.attends = attentionShape(program);
    this.#profiler = parts.profile ? new Profiler(gpu) : undefined;
  }

  submit(step: Step): Ticket {
    if (this.#state !== 'idle')
      throw new RangeError(`Expected an idle executable, but it is ${this.#state}.`);
    this.#parts.gpu.check();
    const rows = this.#sequences.take(step);
    this.#state = 'busy';
    const settle = <T>(work: Promise<T>) => {
      const settled = this.#parts.gpu.settled(work).finally(() => {
        if (this.#state === 'busy') this.#state = 'idle';
      });
      settled.catch(() => {}); // whoever awaits the ticket sees it; nobody has to
      return settled;
    };
    const choice = step.choose;
    if (choice?.kind === 'greedy') {
      const ids = settle(this.#greedy(step, rows, choice.count));
      return { ids: () => ids, logits: notAskedFor };
    }
    if (choice?.kind === 'top') {
      const top = settle(this.#top(step, rows, choice.count));
      return { top: () => top, logits: notAskedFor };
    }
    if (step.attention) {
      const both = settle(this.#traced(step, rows));
      return { logits: async () => (await both).logits, attention: async () => (await both).attention };
    }
    const logits = settle(this.#logits(step, rows));
    return { logits: () => logits };
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#sequences.copy(from, to, upto);
    if (from === to || upto === 0) return;
    const { gpu, plan, program } = this.#parts;
    const { limits } = program;
    const encoder = gpu.device.createCommandEncoder();
    for (const { shape, keys, values } of plan.caches) {
      for (const [array, runs] of [
        [keys, keyRuns(shape, limits, upto)],
        [values, valueRuns(shape, limits, upto)],
      ] as const) {
        const size = array.bytes / limits.sequences; // of a sequence
        for (const { at, bytes } of runs) {
          encoder.copyBufferToBuffer(array.buffer, array.offset + from * size + at, this.#between, at, bytes);
          encoder.copyBufferToBuffer(this.#between, at, array.buffer, array.offset + to * size + at, bytes);
        }
      }
    }
    gpu.device.queue.submit([encoder.finish()]);
  }

  kvTrim(seq: number, upto: number): void {
    this.#sequences.trim(seq, upto);
  }

  kernelTimes(): KernelTime[] {
    return this.#profiler?.times ?? [];
  }

  damage(): Promise<string | undefined> {
    return this.#parts.arrays.damage();
  }

  dispose(): void {
    if (this.#state === 'disposed') return;
    this.#state = 'disposed';
    this.#staging.destroy();
    this.#between.destroy();
    this.#profiler?.dispose();
    this.#parts.onDispose();
  }

  // ----- what a step gives

  async #logits(step: Step, rows: StepRows): Promise<Float32Array> {
    const { plan } = this.#parts;
    const V = plan.vocabulary;
    const { stride, offset, array } = plan.logits;
    const count = this.#selects ? rows.outputs.length : rows.tokens.length;
    const all = new Float32Array(count * V);
    await this.#turns(step, rows, (encoder, first, outputs) => {
      if (outputs === 0) return;
      const bytes = outputs * stride * 4;
      encoder.copyBufferToBuffer(array.buffer, array.offset, this.#staging, 0, bytes);
      return () =>
        this.#read(bytes, (mapped) => {
          const values = new Float32Array(mapped);
          for (let row = 0; row < outputs; row++) {
            const start = row * stride + offset;
            all.set(values.subarray(start, start + V), (first + row) * V);
          }
        });
    });
    return all;
  }

  async #traced(step: Step, rows: StepRows): Promise<{ logits: Float32Array; attention: Float32Array }> {
    const { gpu, plan } = this.#parts;
    const logits = await this.#logits(step, rows);
    const attention = await readBack(
      gpu,
      plan.attention.map((weights, op) => {
        return { ...weights, bytes: 4 * this.attends!.heads[op]! * (rows.positions[0]! + 1) };
      }),
    );
    return { logits, attention: new Float32Array(attention) };
  }

  async #top(step: Step, rows: StepRows, count: number): Promise<TopLogits> {
    const choices = await this.#parts.dispatches.choices();
    const outputs = rows.outputs.length;
    const top: TopLogits = {
      ids: new Int32Array(outputs * count),
      logits: new Float32Array(outputs * count),
      logSumExp: new Float32Array(outputs),
    };
    await this.#turns(step, rows, (encoder, first, rowsHere, sizes) => {
      if (rowsHere === 0) return;
      this.#encode(encoder, [choices.top], sizes);
      const bytes = rowsHere * TOP_ROW_BYTES;
      encoder.copyBufferToBuffer(choices.result.buffer, choices.result.offset, this.#staging, 0, bytes);
      return () => this.#read(bytes, (mapped) => readTop(mapped, rowsHere, count, top, first));
    });
    return top;
  }

  async #greedy(step: Step, rows: StepRows, count: number): Promise<Int32Array> {
    const { gpu, dispatches } = this.#parts;
    const choices = await this.#parts.dispatches.choices();
    const slices = step.slices.length;
    const mode = modeOf(step, rows);
    this.#write(step, rows, mode, count - 1);
    const encoder = gpu.device.createCommandEncoder();
    const tail = await dispatches.tail(slices);
    const first = await dispatches.trunk(mode);
    const further = count > 1 ? await dispatches.trunk(slices === 1 ? 'single' : 'batch') : [];
    for (let round = 0; round < count; round++) {
      const sizes = { ...this.#sizes(step, rows, round), outputs: slices };
      this.#encode(encoder, round === 0 ? first : further, sizes);
      this.#encode(encoder, [...tail, choices.greedy], sizes);
    }
    const bytes = slices * GREEDY_ROW_BYTES;
    encoder.copyBufferToBuffer(choices.result.buffer, choices.result.offset, this.#staging, 0, bytes);
    this.#profiler?.resolve(encoder);
    gpu.device.queue.submit([encoder.finish()]);
    const ids = await this.#read(bytes, (mapped) => readGreedy(mapped, slices, count));
    await this.#profiler?.read();
    return ids;
  }

  // ----- encoding

  get #selects(): boolean {
    return this.#parts.plan.tail.single.length > 0;
  }

  /**
   * Runs the step: all tokens once, then the rows wanted, some at a time. `finish` encodes what follows a turn and
   * returns what to do once it is through.
   */
  async #turns(
    step: Step,
    rows: StepRows,
    finish: (
      encoder: GPUCommandEncoder,
      first: number,
      outputs: number,
      sizes: StepSizes,
    ) => (() => Promise<void>) | undefined,
  ): Promise<void> {
    const { gpu, program, plan, dispatches } = this.#parts;
    const { queue } = gpu.device;
    const mode = modeOf(step, rows);
    const trunk = await dispatches.trunk(mode);
    this.#write(step, rows, mode, 0);
    const total = this.#selects ? rows.outputs.length : rows.tokens.length;
    for (let first = 0; first === 0 || first < total; first += plan.outputRows) {
      const outputs = Math.min(plan.outputRows, total - first);
      const sizes = { ...this.#sizes(step, rows, 0), outputs };
      const encoder = gpu.device.createCommandEncoder();
      if (first === 0) this.#encode(encoder, trunk, sizes);
      else {
        const wanted = rows.outputs.slice(first, first + outputs);
        queue.writeBuffer(plan.step.buffer, plan.step.offset + outputsAt(program.limits), wanted);
      }
      if (outputs > 0) this.#encode(encoder, await dispatches.tail(outputs), sizes);
      const read = finish(encoder, first, outputs, sizes);
      this.#profiler?.resolve(encoder);
      queue.submit([encoder.finish()]);
      if (read) await read();
      else await gpu.settled(queue.onSubmittedWorkDone());
      await this.#profiler?.read();
    }
  }

  #write(step: Step, rows: StepRows, mode: Mode, more: number): void {
    const { gpu, program, plan, tuning } = this.#parts;
    const { keys } = splitKeys(mode, longest(rows) + more, this.#widest, tuning);
    writeStep(this.#words, program.limits, step, rows, keys);
    gpu.device.queue.writeBuffer(plan.step.buffer, plan.step.offset, this.#words);
  }

  /** Counts of a round: in the rounds after the first, each slice is one token further on. */
  #sizes(step: Step, rows: StepRows, round: number): StepSizes {
    const slices = step.slices.map(({ tokens }) => ({ count: round > 0 ? 1 : tokens.length }));
    return {
      tokens: round > 0 ? slices.length : rows.tokens.length,
      outputs: rows.outputs.length,
      splits: Math.ceil((longest(rows) + round) / this.#words[1]!),
      slices,
      attended: rows.positions.reduce((sum, position) => sum + position + 1, 0),
    };
  }

  #encode(encoder: GPUCommandEncoder, dispatches: readonly Dispatch[], sizes: StepSizes): void {
    if (this.#profiler) {
      this.#profiler.encode(encoder, dispatches, sizes);
      return;
    }
    const pass = encoder.beginComputePass();
    for (const { pipeline, bindGroup, grid } of dispatches) {
      const [x, y, z] = grid(sizes);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(x, y, z);
    }
    pass.end();
  }

  async #read<T>(bytes: number, take: (mapped: ArrayBuffer) => T): Promise<T> {
    await this.#parts.gpu.settled(this.#staging.mapAsync(GPUMapMode.READ, 0, bytes));
    const taken = take(this.#staging.getMappedRange(0, bytes));
    this.#staging.unmap();
    return taken;
  }
}

/** From here on tiles are filled well enough. */
const LONG = 32;

function modeOf({ slices, attention }: Step, { tokens }: StepRows): Mode {
  if (tokens.length === 1) return attention ? 'traced' : 'single';
  if (tokens.length === slices.length) return 'batch';
  return tokens.length < LONG ? 'many' : 'long';
}

/** Positions that the longest sequence of a step has after it. */
function longest({ positions }: StepRows): number {
  return positions.reduce((most, position) => Math.max(most, position + 1), 0);
}

async function notAskedFor(): Promise<never> {
  throw new UserError(
    'Expected the logits of a step that chose by itself.',
    'Ask for logits without a choice.',
  );
}
